package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A listener whose queue is full leaves SYNs unanswered, as an absent host does.
func TestAConnectThatNothingAnswersIsSilent(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(fd, 0))
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 3 {
		if c, err := net.DialTimeout("tcp", address, 100*time.Millisecond); err == nil {
			defer c.Close()
		}
	}
	start := time.Now()
	f := upgrade(t, t.Context(), Dialer{Connect: 150 * time.Millisecond}, "ws://"+address)
	require.Equal(t, Failure{Cause: Timeout, Silent: true, Host: address}, f)
	require.Less(t, time.Since(start), promised(time.Second))

	ctx, cancel := context.WithCancel(t.Context())
	var at time.Time
	time.AfterFunc(50*time.Millisecond, func() { at = time.Now(); cancel() })
	_, err = Dialer{}.Dial(ctx, parse(t, "ws://"+address))
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(at), promised(100*time.Millisecond))
}

func TestSocketOptionsAreSet(t *testing.T) {
	conn, err := Dialer{}.Dial(t.Context(), parse(t, "ws://"+peer(t, mute)))
	require.NoError(t, err)
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	got := map[int]int{}
	require.NoError(t, raw.Control(func(fd uintptr) {
		for _, option := range []int{unix.TCP_USER_TIMEOUT, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT} {
			got[option], _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option)
		}
	}))
	require.Equal(t, map[int]int{unix.TCP_USER_TIMEOUT: 20000, unix.TCP_KEEPIDLE: 15, unix.TCP_KEEPINTVL: 15, unix.TCP_KEEPCNT: 3}, got)
}

// The test runs itself again in a network namespace of its own and changes the network there.
func TestChangesOfARealNetwork(t *testing.T) {
	if os.Getenv("HANDLINE_NETNS") == "" {
		self := exec.Command("unshare", "--map-root-user", "--net", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		self.Env = append(os.Environ(), "HANDLINE_NETNS=1")
		if exec.Command("unshare", "--map-root-user", "--net", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1").Run() != nil {
			missing(t, "network namespaces with veth are not available")
		}
		out, err := self.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "PASS")
		return
	}
	ip := func(commands ...string) {
		t.Helper()
		for _, c := range commands {
			out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput()
			require.NoError(t, err, "ip %s: %s", c, out)
		}
	}
	ip("link set lo up", "link add v0 type veth peer name v1")
	require.True(t, RouteTo("127.0.0.1"))
	require.False(t, RouteTo("192.168.7.20"), "no interface is up")
	require.False(t, RouteTo("app.example.com"))
	require.False(t, RouteTo("nas.local"))

	ctx, cancel := context.WithCancel(t.Context())
	changes, done := make(chan time.Time, 9), make(chan error, 1)
	go func() { done <- Changes(ctx, func() { changes <- time.Now() }) }()
	expect := func(what string, commands ...string) {
		t.Helper()
		start := time.Now()
		ip(commands...)
		select {
		case at := <-changes:
			t.Logf("%s: told after %v", what, at.Sub(start).Round(time.Millisecond))
			require.Less(t, at.Sub(start), promised(1300*time.Millisecond), what)
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: not told", what)
		}
	}
	// Even addresses that are never "tentative": IPv6's would come a second later.
	expect("an interface with an address", "addr add 192.168.7.2/24 dev v0", "link set v0 up", "link set v1 up")
	require.True(t, RouteTo("192.168.7.20"), "on-link")
	require.False(t, RouteTo("192.168.8.20"))
	require.False(t, RouteTo("app.example.com"), "no default route")
	require.True(t, RouteTo("nas.local"))
	expect("a default route", "route add default via 192.168.7.1")
	require.True(t, RouteTo("192.168.8.20"))
	require.True(t, RouteTo("app.example.com"))
	expect("another gateway", "route replace default via 192.168.7.9")

	ip("link add vpn type veth peer name vpn1", "addr add 10.8.0.2/24 dev vpn", "link set vpn up", "link set vpn1 up", "route add default via 10.8.0.1 table 52")
	<-changes
	expect("a VPN that routes by rules of its own", "rule add to all lookup 52 priority 5")
	expect("and goes", "rule del priority 5")
	ip("link del vpn")
	<-changes

	ip("neigh add 192.168.7.77 lladdr 02:00:00:00:00:01 dev v0", "link set v0 mtu 1400", "route add 10.9.0.0/16 via 192.168.7.1")
	select {
	case <-changes:
		t.Fatal("what changes nothing for us was told")
	case <-time.After(1500 * time.Millisecond):
	}
	expect("the cable is pulled", "link set v1 down")
	cancel()
	require.NoError(t, <-done)
}
