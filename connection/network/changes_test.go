package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABurstOfHintsIsOneChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var now atomic.Pointer[surroundings]
		var trouble error
		now.Store(&surroundings{route4: "wlan0 1"})
		looks, changes := 0, 0
		hints, done := make(chan struct{}, 1), make(chan struct{})
		go func() {
			defer close(done)
			settle(ctx, hints, func() (surroundings, error) { looks++; return *now.Load(), trouble }, func() { changes++ })
		}()
		expect := func(wantLooks, wantChanges int, what string) {
			t.Helper()
			synctest.Wait()
			require.Equal(t, []int{wantLooks, wantChanges}, []int{looks, changes}, what)
		}
		hint := func() {
			select {
			case hints <- struct{}{}:
			default:
			}
			synctest.Wait()
		}
		expect(1, 0, "the first look is the baseline")
		hint()
		time.Sleep(2 * time.Second)
		expect(2, 0, "nothing differs")

		now.Store(&surroundings{route4: "eth0 1"})
		for range 45 { // as long as a burst may last
			hint()
			time.Sleep(20 * time.Millisecond)
		}
		expect(3, 1, "one look when the first of a burst has settled")
		time.Sleep(5 * time.Second)
		expect(3, 1, "the rest of the burst was answered by that look")

		now.Store(&surroundings{route4: "eth0 1", names: "10.0.0.1"})
		hint()
		now.Store(&surroundings{route4: "eth0 1"})
		time.Sleep(2 * time.Second)
		expect(4, 1, "it was as before when it was looked at")

		trouble = errors.New("no table")
		hint()
		time.Sleep(2 * time.Second)
		expect(5, 2, "what cannot be seen counts as changed")
		trouble = nil
		hint()
		time.Sleep(2 * time.Second)
		expect(6, 3, "and so does what is seen again")

		hint()
		cancel() // in the middle of the second
		<-done
		expect(6, 3, "nothing is told after the end")
	})
}

func TestDefaultIn(t *testing.T) {
	const table4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	0100000A	0003	0	0	100	00000000	0	0	0
dead0	00000000	0100000A	0000	0	0	1	00000000	0	0	0
none0	00000000	00000000	0201	0	0	2	00000000	0	0	0
vpn0	00000000	00000000	0001	0	0	0	00000080	0	0	0
eth0	0000000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
`
	require.Equal(t, "eth0 0100000A", defaultIn(table4, route4))
	const zero = "00000000000000000000000000000000"
	const table6 = zero + " 00 " + zero + " 00 " + zero + ` ffffffff 00000001 00000000 00200200       lo
` + zero + " 00 " + zero + " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n" +
		"20010db8000000000000000000000000 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth0\n"
	require.Equal(t, "eth0 fe800000000000000000000000000001", defaultIn(table6, route6))
	require.Empty(t, defaultIn("", route4))
	require.Empty(t, defaultIn("nonsense\n\n", route6))
}

func TestRouteNews(t *testing.T) {
	message := func(kind byte, flags uint32) []byte {
		return []byte{92, 0, 5, kind, 4, 0, 0, 0, byte(flags), byte(flags >> 8), byte(flags >> 16), byte(flags >> 24)}
	}
	for _, row := range []struct {
		what string
		m    []byte
		news bool
	}{
		{"RTM_ADD of a network route", message(1, 0x3), true},
		{"RTM_DELETE of a network route", message(2, 0x3), true},
		{"RTM_ADD of a neighbour", message(1, 0x405), false},
		{"RTM_ADD of a cloned host route", message(1, 0x20007), false},
		{"RTM_MISS", message(7, 0), false},
		{"RTM_GET by some other program", message(4, 0x3), false},
		{"RTM_NEWADDR", message(0xc, 0), true},
		{"RTM_IFINFO", message(0xe, 0), true},
		{"RTM_NEWMADDR", message(0xf, 0), false},
		{"a kind of the future", message(0x70, 0), true},
		{"a cut message", []byte{1}, true},
		{"nothing", nil, true},
	} {
		require.Equal(t, row.news, routeNews(row.m), row.what)
	}
}

func TestStranded(t *testing.T) {
	require.False(t, Stranded(netip.MustParseAddr("127.0.0.1")))
	require.False(t, Stranded(netip.MustParseAddr("::1")))
	require.True(t, Stranded(netip.MustParseAddr("192.0.2.77")), "RFC 5737 section 3: nobody has it")
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range all {
		ours := netip.MustParsePrefix(a.String()).Addr()
		require.False(t, Stranded(ours.WithZone("eth0")), ours)
		require.False(t, Stranded(netip.AddrFrom16(ours.As16())), "as a socket of both families says it: %v", ours)
	}
}

func TestRouteTo(t *testing.T) {
	wide := surroundings{route4: "eth0 1", addresses: "eth0 10.0.0.2/24"}
	island := surroundings{addresses: "eth0 192.168.7.2/24"}
	unreach := &errorString{syscall.ENETUNREACH}
	for _, row := range []struct {
		host    string
		connect error
		look    surroundings
		lookErr error
		want    bool
	}{
		{"localhost", unreach, surroundings{}, nil, true},
		{"127.0.0.1", unreach, surroundings{}, nil, true},
		{"::1", unreach, surroundings{}, nil, true},
		{"192.168.1.20", nil, surroundings{}, nil, true},
		{"192.168.1.20", unreach, wide, nil, false},
		{"2001:db8::1", &errorString{syscall.EADDRNOTAVAIL}, wide, nil, false},
		{"192.168.1.20", errors.New("something else"), wide, nil, true},
		{"app.example.com", unreach, wide, nil, true},
		{"app.example.com", nil, island, nil, false},
		{"nas.local", nil, island, nil, true},
		{"nas", nil, surroundings{}, nil, false},
		{"app.example.com", nil, surroundings{out4: "10.8.0.2", addresses: "utun4 10.8.0.2/32"}, nil, true}, // a VPN of two halves
		{"app.example.com", nil, surroundings{}, errors.New("no table"), true},
	} {
		w := ways{connect: func(string) error { return row.connect }, look: func() (surroundings, error) { return row.look, row.lookErr }}
		require.Equal(t, row.want, w.to(row.host), "%+v", row)
	}
	require.True(t, RouteTo("127.0.0.1"))
}

// errorString wraps an errno as package net does.
type errorString struct{ errno syscall.Errno }

func (e *errorString) Error() string { return "connect: " + e.errno.Error() }
func (e *errorString) Unwrap() error { return e.errno }

func TestNameServers(t *testing.T) {
	require.Equal(t, "10.0.0.1,fe80::1%eth0", nameServers("# made\nsearch lan\nnameserver 10.0.0.1\n nameserver\tfe80::1%eth0\nnameserver\n"))
}

func TestSleepIsWhatOneClockCountsAndTheOtherDoesNot(t *testing.T) {
	var going, standing time.Duration = time.Hour, time.Minute
	s := &Sleep{Going: func() time.Duration { return going }, Standing: func() time.Duration { return standing }}
	s.Since()
	pass := func(awake, asleep time.Duration) time.Duration {
		standing += awake
		going += awake + asleep
		return s.Since()
	}
	require.Zero(t, pass(time.Hour, 0))
	require.Equal(t, time.Minute, pass(time.Second, time.Minute))
	require.Zero(t, pass(time.Second, 0), "told once")
	require.Zero(t, pass(time.Second, 2*time.Second), "a nap")
	require.Zero(t, pass(time.Second, 2*time.Second), "naps do not add up")
	require.Equal(t, 3*time.Second, pass(0, 3*time.Second))
	require.Zero(t, pass(time.Second, -time.Hour), "a clock that was set back")

	require.Zero(t, NewSleep().Since(), "this machine is awake")
	a, b := clocks()
	require.GreaterOrEqual(t, a()-b(), -time.Second)
}
