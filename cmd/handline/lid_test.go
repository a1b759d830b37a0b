//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
)

// keeper is systemd-logind as far as sleep goes, on a system bus of the test's own.
type keeper struct{ locks chan *os.File }

// Inhibit gives the writing end of a pipe; its reading end tells when the lock is let go.
func (k keeper) Inhibit(_, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = syscall.Close(ends[1]) }) // after the bus has sent its copy
	k.locks <- os.NewFile(uintptr(ends[0]), "lock")
	return dbus.UnixFD(ends[1]), nil
}

// The built program hangs up before the computer sleeps, which waits for it, and is back when the lid opens.
func TestTheLid(t *testing.T) {
	t.Parallel()
	address, bus := privateBus(t)
	logind := keeper{make(chan *os.File, 4)}
	const path, iface = "/org/freedesktop/login1", "org.freedesktop.login1.Manager"
	require.NoError(t, bus.Export(logind, path, iface))
	_, err := bus.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue)
	require.NoError(t, err)

	server, at := plays(t, demo.Options{Dialect: demo.V0})
	program := filepath.Join(t.TempDir(), "handline")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	a := newTyped(t, program, nil)
	a.run("DBUS_SYSTEM_BUS_ADDRESS=" + address)
	code, said := a.types("", "connect", demo.DefaultConversation, "--server", "http://"+at)
	require.Zero(t, code, said)
	for range 3 {
		lock := <-logind.locks
		from, dials := time.Now(), server.Dials()
		require.NoError(t, bus.Emit(path, iface+".PrepareForSleep", true))
		_, _ = lock.Read(make([]byte, 1)) // until nobody holds it
		gone := time.Since(from)
		require.LessOrEqual(t, gone, 2*time.Second)
		st, err := a.client.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, connection.Reconnecting, st.Snapshot.Status, "hung up before the sleep")
		require.True(t, st.Snapshot.Wanted)
		require.NoError(t, lock.Close())
		time.Sleep(2 * time.Second)
		require.Equal(t, dials, server.Dials(), "nobody dials in a computer that falls asleep")

		require.NoError(t, bus.Emit(path, iface+".PrepareForSleep", false))
		took := a.until(connection.Connected, 2*time.Second)
		t.Logf("hung up within %v, back %v after the wake", gone.Round(time.Millisecond), took.Round(time.Millisecond))
	}
}
