//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
)

// shelf is a panel that takes every icon and shows none.
type shelf struct{ icons chan string }

func (s shelf) RegisterStatusNotifierItem(name string) *dbus.Error {
	s.icons <- name
	return nil
}

func panel(t *testing.T, bus *dbus.Conn) shelf {
	t.Helper()
	const path, name = "/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher"
	s := shelf{make(chan string, 8)}
	require.NoError(t, bus.Export(s, path, name))
	_, err := prop.Export(bus, path, prop.Map{name: {
		"IsStatusNotifierHostRegistered": {Value: true}, "RegisteredStatusNotifierItems": {Value: []string{}}, "ProtocolVersion": {Value: int32(0)},
	}})
	require.NoError(t, err)
	_, err = bus.RequestName(name, dbus.NameFlagDoNotQueue)
	require.NoError(t, err)
	return s
}

// ranOut matches a system call in which a thread waited until its time was up, which is how the Go runtime lives through
// every timer: the program's own, its libraries' and the runtime's. Looks that do not wait are left out, and so are the
// 20 µs naps of the runtime's watchman, who is up only while somebody works.
var ranOut = regexp.MustCompile(`(?m)^\d+ +([0-9.]+) .*(?:epoll_pwait2?\b.*, [1-9][0-9]*, NULL, [08]\) += 0|ETIMEDOUT.*) <([0-9.]+)>$`)

// wakeUps counts the moments in which a timer woke the sleeping process. The runtime's watchman sets himself the same
// alarm as the thread that waits for the network, so both are up in one moment: what is at most 100 ms apart is one.
func wakeUps(t *testing.T, calls []byte) (moments, threads int) {
	var ends []float64 // in seconds
	for _, m := range ranOut.FindAllSubmatch(calls, -1) {
		at, err := strconv.ParseFloat(string(m[1]), 64)
		require.NoError(t, err)
		if !bytes.Contains(m[0], []byte("resumed>")) { // the time is when the call began
			took, err := strconv.ParseFloat(string(m[2]), 64)
			require.NoError(t, err)
			at += took
		}
		ends = append(ends, at)
	}
	slices.Sort(ends)
	for i, at := range ends {
		if i == 0 || at > ends[i-1]+0.1 {
			moments++
		}
	}
	return moments, len(ends)
}

// The built program, connected, with its icon in a panel and nobody looking, wakes at most 300 times an hour for a
// timer. Each wake-up of any of its threads is counted from outside: over ten minutes in the long series, and elsewhere
// over one, in which twice as many pass, since a pulse more or less is a tenth of them.
func TestAnIdleProgramSleepsWell(t *testing.T) {
	if testing.Short() {
		t.Skip("short: sleep is watched for minutes")
	}
	t.Parallel()
	need(t, "strace")
	address, bus, _ := privateBus(t)
	icons := panel(t, bus).icons
	_, at := plays(t, demo.Options{Dialect: demo.V0, Mood: demo.Quiet})
	a := newTyped(t, nil)
	for _, set := range [][2]string{{"server", "http://" + at}, {"conversation", demo.DefaultConversation}, {"connectAtLaunch", "always"}} {
		a.must("config", "set", set[0], set[1])
	}
	calls := filepath.Join(t.TempDir(), "calls")
	// -D: the tracer is the grandchild, so that the process is the program itself.
	a.inside = []string{"strace", "-D", "-f", "-qq", "-ttt", "-T", "-o", calls, "-e", "trace=epoll_pwait,epoll_pwait2,futex"}
	a.runs(nil, "DBUS_SESSION_BUS_ADDRESS="+address, "DBUS_SYSTEM_BUS_ADDRESS="+address)
	select {
	case <-icons:
	case <-time.After(patience):
		t.Fatalf("no icon: %s", &a.said)
	}
	a.until(connection.Connected, patience)
	time.Sleep(35 * time.Second) // whoever asked for the status is taken to look for half a minute

	watched, most := time.Minute, 600
	if soaks() {
		watched, most = 10*time.Minute, 300
	}
	before, err := os.ReadFile(calls)
	require.NoError(t, err)
	time.Sleep(watched)
	after, err := os.ReadFile(calls)
	require.NoError(t, err)
	wakes, threads := wakeUps(t, after[len(before):])
	t.Logf("woken by timers %d times in %v, %d of its threads in all", wakes, watched, threads)
	require.LessOrEqual(t, wakes*int(time.Hour/watched), most, "in an hour")
	require.GreaterOrEqual(t, wakes, int(watched/(15*time.Second))-1, "a pulse every 15 s is seen")
	require.Equal(t, connection.Connected, a.snapshot().Status)
}
