//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
)

// keeper is systemd-logind as far as sleep goes, on a system bus of the test's own.
type keeper struct{ locks chan lock }

// lock is a pipe. Its writing end is given away; its reading end tells when nobody holds that any more.
type lock struct{ reading, writing *os.File }

func (k keeper) Inhibit(_, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
	reading, writing, err := os.Pipe()
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	k.locks <- lock{reading, writing}
	return dbus.UnixFD(writing.Fd()), nil
}

// isTaken waits until a process holds the lock, and lets go of the test's own end.
func (l lock) isTaken(t *testing.T, pid int) {
	t.Helper()
	pipe, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", l.writing.Fd()))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		return slices.ContainsFunc(open, func(fd string) bool { to, _ := os.Readlink(fd); return to == pipe })
	}, patience, tick)
	require.NoError(t, l.writing.Close())
}

// The built program hangs up before the computer sleeps, which waits for it, and is back when the lid opens.
func TestTheLid(t *testing.T) {
	t.Parallel()
	address, bus, _ := privateBus(t)
	logind := keeper{make(chan lock, 4)}
	const path, iface = "/org/freedesktop/login1", "org.freedesktop.login1.Manager"
	require.NoError(t, bus.Export(logind, path, iface))
	_, err := bus.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue)
	require.NoError(t, err)

	server, at := plays(t, demo.Options{Dialect: demo.V0})
	a := newTyped(t, nil)
	a.run("DBUS_SYSTEM_BUS_ADDRESS=" + address)
	a.must("connect", demo.DefaultConversation, "--server", "http://"+at)
	for range 3 {
		lock := <-logind.locks
		lock.isTaken(t, a.process.Process.Pid)
		from, dials := time.Now(), server.Dials()
		require.NoError(t, bus.Emit(path, iface+".PrepareForSleep", true))
		_, _ = lock.reading.Read(make([]byte, 1)) // until nobody holds it
		gone := time.Since(from)
		require.LessOrEqual(t, gone, promised(2*time.Second))
		a.until(connection.Reconnecting, patience) // it is said a moment after it is done
		s := a.snapshot()
		require.False(t, s.Since.After(from.Add(gone)), "hung up before the sleep")
		require.True(t, s.Wanted)
		require.NoError(t, lock.reading.Close())
		time.Sleep(2 * time.Second)
		require.Equal(t, dials, server.Dials(), "nobody dials in a computer that falls asleep")

		require.NoError(t, bus.Emit(path, iface+".PrepareForSleep", false))
		took := a.until(connection.Connected, promised(2*time.Second))
		t.Logf("hung up within %v, back %v after the wake", gone.Round(time.Millisecond), took.Round(time.Millisecond))
	}
}
