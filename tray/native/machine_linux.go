package native

import (
	"context"
	"os"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Names of systemd-logind, https://systemd.io/INHIBITOR_LOCKS.
const (
	logindName  = "org.freedesktop.login1"
	logindPath  = "/org/freedesktop/login1"
	logindIface = "org.freedesktop.login1.Manager"
)

// WatchMachine tells m of sleep until ctx ends. It returns early, and silently, where logind cannot be had: the clocks
// notice a sleep as well, only later.
func WatchMachine(ctx context.Context, m Machine) {
	address := systemBus(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"))
	if address == "" {
		return
	}
	within, cancel := context.WithTimeout(ctx, busWithin)
	bus, err := dialBus(within, address)
	cancel()
	if err != nil {
		return
	}
	defer bus.Close()
	l := logind{bus: bus, machine: m, signals: make(chan *dbus.Signal, 16)}
	defer l.release()
	l.run(ctx)
}

// systemBus is the address of the system's bus, "" if there is none. A bus is never started.
func systemBus(env string) string {
	if env != "" {
		if strings.HasPrefix(env, "autolaunch:") {
			return ""
		}
		return env
	}
	for _, path := range []string{"/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"} {
		if _, err := os.Stat(path); err == nil {
			return "unix:path=" + path
		}
	}
	return ""
}

// logind holds a delay lock, so that the computer waits with its sleep until the lock is let go.
type logind struct {
	bus     *dbus.Conn
	machine Machine
	signals chan *dbus.Signal
	owner   string // logind's unique name: signals can be sent to us by anybody
	lock    *os.File
}

func (l *logind) run(ctx context.Context) {
	l.bus.Signal(l.signals)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(logindName), dbus.WithMatchInterface(logindIface), dbus.WithMatchMember("PrepareForSleep")},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, logindName)},
	} {
		within, cancel := context.WithTimeout(ctx, busWithin)
		err := l.bus.AddMatchSignalContext(within, match...)
		cancel()
		if err != nil {
			return
		}
	}
	l.find(ctx)
	for {
		select {
		case s, ok := <-l.signals:
			if !ok {
				return // the bus has ended
			}
			l.hear(ctx, s)
		case <-ctx.Done():
			return
		}
	}
}

// hear takes a signal. Each argument that is not as documented makes it none of ours.
func (l *logind) hear(ctx context.Context, s *dbus.Signal) {
	switch {
	case s.Name == "org.freedesktop.DBus.NameOwnerChanged" && s.Sender == "org.freedesktop.DBus":
		l.release()
		l.find(ctx) // logind was restarted and knows nothing of our lock
	case s.Name == logindIface+".PrepareForSleep" && s.Sender == l.owner && len(s.Body) == 1:
		switch before, ok := s.Body[0].(bool); {
		case !ok:
		case before:
			l.machine.sleeps()
			l.release()
		default:
			l.hold(ctx)
			l.machine.wakes()
		}
	}
}

// find looks who is logind. One that is not running is not started for our sake.
func (l *logind) find(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	l.owner = ""
	if l.bus.BusObject().CallWithContext(within, "org.freedesktop.DBus.GetNameOwner", 0, logindName).Store(&l.owner) == nil {
		l.hold(ctx)
	}
}

// hold takes the lock. Without it, as where policy forbids it, the goodbye may come too late, and nothing else is lost.
func (l *logind) hold(ctx context.Context) {
	l.release()
	within, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	var fd dbus.UnixFD
	err := l.bus.Object(logindName, logindPath).CallWithContext(within, logindIface+".Inhibit", dbus.FlagNoAutoStart,
		"sleep", "Handline", "Says goodbye to the server", "delay").Store(&fd)
	if err == nil {
		l.lock = os.NewFile(uintptr(fd), "sleep lock")
	}
}

func (l *logind) release() {
	if l.lock != nil {
		l.lock.Close()
		l.lock = nil
	}
}

// StayAwake is a no-op: Linux lets no program nap behind its back.
func StayAwake(string) (release func()) { return func() {} }
