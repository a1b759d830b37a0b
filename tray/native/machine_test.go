//go:build linux

package native

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"
)

// sleepyd is systemd-logind as far as sleep goes, on a private bus.
type sleepyd struct {
	t     *testing.T
	conn  *dbus.Conn
	asked [4]string // of the latest lock
	locks chan lock
}

// Inhibit gives the writing end of a pipe; its reading end tells when the lock is let go.
func (d *sleepyd) Inhibit(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	ours := os.NewFile(uintptr(ends[0]), "lock")
	d.t.Cleanup(func() { ours.Close() })
	d.asked = [4]string{what, who, why, mode}
	d.locks <- lock{ours, ends[1]}
	return dbus.UnixFD(ends[1]), nil
}

// lock is a pipe. Its writing end is given away.
type lock struct {
	reading *os.File
	writing int
}

// isTaken waits until somebody besides logind holds the writing end, here in the same process, and lets go of logind's.
func (l lock) isTaken(t *testing.T) {
	t.Helper()
	end := func(fd string) string { to, _ := os.Readlink("/proc/self/fd/" + fd); return to }
	pipe := end(fmt.Sprint(l.writing))
	eventually(t, "the lock is taken", func() error {
		open, err := os.ReadDir("/proc/self/fd")
		held := 0
		for _, fd := range open {
			if end(fd.Name()) == pipe {
				held++
			}
		}
		if held < 3 { // both of logind's ends, and the other's
			return fmt.Errorf("%d hold it, %v", held, err)
		}
		return nil
	})
	require.NoError(t, syscall.Close(l.writing))
}

func newSleepyd(t *testing.T, b *bus) *sleepyd {
	conn, err := dbus.Connect(b.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	d := &sleepyd{t: t, conn: conn, locks: make(chan lock, 4)}
	require.NoError(t, conn.Export(d, logindPath, logindIface))
	reply, err := conn.RequestName(logindName, dbus.NameFlagDoNotQueue)
	require.NoError(t, err)
	require.Equal(t, dbus.RequestNameReplyPrimaryOwner, reply)
	return d
}

func (d *sleepyd) says(before any) {
	require.NoError(d.t, d.conn.Emit(logindPath, logindIface+".PrepareForSleep", before))
}

// locked waits for the next lock and gives how to know whether it is let go.
func (d *sleepyd) locked() (released <-chan time.Time) {
	d.t.Helper()
	select {
	case lock := <-d.locks:
		require.Equal(d.t, "sleep", d.asked[0])
		require.Equal(d.t, "Handline", d.asked[1])
		require.Equal(d.t, "delay", d.asked[3], "a sleep is held up, never forbidden")
		lock.isTaken(d.t)
		c := make(chan time.Time, 1)
		go func() {
			_, _ = lock.reading.Read(make([]byte, 1))
			c <- time.Now()
		}()
		return c
	case <-time.After(patience):
		d.t.Fatal("no lock was asked for")
		return nil
	}
}

func arrives(t *testing.T, what string, c <-chan time.Time) time.Time {
	t.Helper()
	select {
	case at := <-c:
		return at
	case <-time.After(patience):
		t.Fatalf("never: %s", what)
		return time.Time{}
	}
}

// visited waits until somebody besides this test is on the bus.
func (b *bus) visited(t *testing.T) {
	eventually(t, "a visitor", func() error {
		var names []string
		if err := b.conn.BusObject().Call("org.freedesktop.DBus.ListNames", 0).Store(&names); err != nil {
			return err
		}
		if len(names) < 3 { // the bus, this test, and the visitor
			return fmt.Errorf("only %v", names)
		}
		return nil
	})
}

func TestTheComputerSleeps(t *testing.T) {
	b := newBus(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", b.address)
	sleeps, left, wakes := make(chan time.Time, 1), make(chan time.Time, 1), make(chan time.Time, 4)
	hangs := atomic.Bool{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan time.Time, 1)
	go func() {
		WatchMachine(ctx, Machine{
			Sleeps: func(ctx context.Context) {
				sleeps <- time.Now()
				if hangs.Load() {
					<-ctx.Done()
				}
				left <- time.Now()
			},
			Wakes: func() { wakes <- time.Now() },
		})
		ended <- time.Now()
	}()

	// logind may come later than Handline.
	b.visited(t)
	d := newSleepyd(t, b)
	released := d.locked()

	d.says(true)
	arrives(t, "sleep is told", sleeps)
	goodbye := arrives(t, "goodbye is said", left)
	require.False(t, arrives(t, "the lock is let go", released).Before(goodbye), "the lock is held until then")
	d.says(false)
	arrives(t, "the wake is told", wakes)
	released = d.locked()

	// A goodbye that hangs holds the computer up for two seconds.
	hangs.Store(true)
	d.says(true)
	from := arrives(t, "sleep is told", sleeps)
	took := arrives(t, "the lock is let go", released).Sub(from)
	require.GreaterOrEqual(t, took, leaveWithin-100*time.Millisecond)
	require.Less(t, took, 5*time.Second, "logind waits no longer")
	<-left
	hangs.Store(false)
	d.says(false)
	arrives(t, "the wake is told", wakes)
	released = d.locked()

	// Others on the bus may say what they like, and so may a logind of the future.
	require.NoError(t, b.conn.Emit(logindPath, logindIface+".PrepareForSleep", true))
	d.says("tonight")
	d.says(false) // called off
	arrives(t, "the wake is told", wakes)
	require.Empty(t, sleeps)
	arrives(t, "the old lock is let go", released)
	released = d.locked()

	// logind restarts: the new one knows of no lock.
	require.NoError(t, d.conn.Close())
	arrives(t, "the old lock is let go", released)
	d = newSleepyd(t, b)
	released = d.locked()
	d.says(true)
	arrives(t, "sleep is told", sleeps)
	<-left
	arrives(t, "the lock is let go", released)

	cancel()
	arrives(t, "it ends", ended)
}

func TestNoLogindIsNoTrouble(t *testing.T) {
	fail := Machine{Sleeps: func(context.Context) { t.Error("told of a sleep") }, Wakes: func() { t.Error("told of a wake") }}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	WatchMachine(t.Context(), fail) // returns

	b := newBus(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", b.address)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	WatchMachine(ctx, fail)

	ended := make(chan time.Time, 1)
	go func() { WatchMachine(t.Context(), fail); ended <- time.Now() }()
	b.visited(t)
	b.kill()
	arrives(t, "it ends with the bus", ended)

	require.Empty(t, systemBus("autolaunch:"), "a bus is never started")
	require.Equal(t, "unix:path=/x", systemBus("unix:path=/x"))
}
