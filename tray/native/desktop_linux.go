package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	busWithin   = 2 * time.Second // for the bus to answer; a frozen one would hold systray for ever
	watcherName = "org.kde.StatusNotifierWatcher"
)

// desktop is our own connection to the session bus. systray has the shared one to itself.
type desktop struct {
	bus    *dbus.Conn
	ending []func() // in order
}

// openDesktop looks whether systray can live here before it is started: without a bus it never returns an error, and
// panics at the end. The error is a line for people: why there is no icon, and what to do.
func openDesktop(ctx context.Context, o Options) (*desktop, error) {
	address, err := busAddress(os.Getenv("DBUS_SESSION_BUS_ADDRESS"), os.Getenv("XDG_RUNTIME_DIR"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	bus, err := dialBus(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("There is no icon: the desktop's message bus does not answer (%w). "+
			"Log in to a desktop session, or use the handline command.", err)
	}
	if err := os.Setenv("DBUS_SESSION_BUS_ADDRESS", address); err != nil { // systray must find the same bus
		bus.Close()
		return nil, err
	}
	var there bool
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, watcherName).Store(&there)
	if err == nil && !there {
		o.Log.Warn("There is no place for an icon yet: on GNOME install the AppIndicator extension, elsewhere add a " +
			"status tray to the panel. The icon appears as soon as there is one.")
	}
	return &desktop{bus: bus}, nil
}

// watch keeps the icon with its hosts, and calls gone when the bus ends: the session is over then, and systray would stay
// for ever without an icon.
func (d *desktop) watch(gone func()) {
	stop := context.AfterFunc(d.bus.Context(), gone)
	ctx, cancel := context.WithCancel(context.Background())
	var stays sync.WaitGroup
	stays.Go(func() { d.stay(ctx) })
	d.ending = []func(){func() { stop() }, cancel, stays.Wait}
}

func (d *desktop) close() {
	for _, f := range d.ending {
		f()
	}
	d.bus.Close()
}

// busAddress is the session bus's address from the environment, or the standard place of systemd's. It never makes
// godbus run dbus-launch, which would leave a stray bus behind at every start.
func busAddress(env, runtimeDir string) (string, error) {
	if env != "" && !strings.HasPrefix(env, "autolaunch:") {
		return env, nil
	}
	if p := filepath.Join(runtimeDir, "bus"); runtimeDir != "" {
		if _, err := os.Stat(p); err == nil {
			return "unix:path=" + p, nil
		}
	}
	return "", errors.New("There is no icon: no desktop session was found. Log in to a desktop, or use the handline command.")
}

// dialBus connects within ctx. Closing the half-made connection is what frees a handshake that hangs.
func dialBus(ctx context.Context, address string) (*dbus.Conn, error) {
	bus, err := dbus.Dial(address)
	if err != nil {
		return nil, err
	}
	greeted := make(chan error, 1)
	go func() { greeted <- errors.Join(bus.Auth(nil), bus.Hello()) }()
	select {
	case err = <-greeted:
	case <-ctx.Done():
		bus.Close()
		<-greeted
		return nil, errors.New("no answer")
	}
	if err != nil {
		bus.Close()
		return nil, err
	}
	return bus, nil
}

// loop runs systray's loop on a goroutine of its own, because leaving it can hang behind a frozen bus. It returns when
// the loop has, or quitWithin after the end: then the loop is left to the end of the process.
func loop(run func(), ended <-chan struct{}) {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		defer func() {
			r := recover()
			select {
			case <-ended: // the bus went while systray began, and systray takes leave of one that it never had
			default:
				if r != nil {
					panic(r)
				}
			}
		}()
		run()
	}()
	select {
	case <-returned:
		return
	case <-ended:
	}
	waitFor(returned, quitWithin)
}
