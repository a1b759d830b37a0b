package native

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// grace is how long systray has to register by itself: it takes a millisecond, or it has missed its chance.
const grace = time.Second

// stay sees to it that every host has the icon. systray registers once, then subscribes to hosts that come; one that
// comes in between, as panels do at login, is missed for good. A host that does not list the item after the grace is
// therefore told of it from here.
func (d *desktop) stay(ctx context.Context) {
	signals := make(chan *dbus.Signal, 16)
	d.bus.Signal(signals)
	defer d.bus.RemoveSignal(signals)
	_ = d.bus.AddMatchSignalContext(ctx, dbus.WithMatchSender("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, watcherName)) // without it, the first look must do
	due := time.NewTimer(grace)
	defer due.Stop()
	for {
		select {
		case s, ok := <-signals:
			if !ok {
				return
			}
			if s.Name == "org.freedesktop.DBus.NameOwnerChanged" && len(s.Body) == 3 && s.Body[0] == watcherName && s.Body[2] != "" {
				due.Reset(grace)
			}
		case <-due.C:
			d.rejoin(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// rejoin registers systray's item by its name, unless the host lists it. A host that does not answer is left alone: a
// second registration would be a second icon.
func (d *desktop) rejoin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, busWithin)
	defer cancel()
	name := fmt.Sprintf("org.kde.StatusNotifierItem-%d-1", os.Getpid())
	var owner string
	if d.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner) != nil {
		return
	}
	host := d.bus.Object(watcherName, "/StatusNotifierWatcher")
	var listed []string
	err := host.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, watcherName, "RegisteredStatusNotifierItems").Store(&listed)
	there := slices.ContainsFunc(listed, func(item string) bool {
		rest, ours := strings.CutPrefix(item, owner) // hosts add the path, with or without an @ before it
		return ours && (rest == "" || rest[0] < '0' || rest[0] > '9') || strings.HasPrefix(item, name)
	})
	if err == nil && !there {
		_ = host.CallWithContext(ctx, watcherName+".RegisterStatusNotifierItem", 0, name).Err // the next host is another chance
	}
}
