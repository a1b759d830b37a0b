package native

import (
	"context"
	"html"
	"slices"

	"github.com/godbus/dbus/v5"

	"handline/tray"
)

const (
	notifyName = "org.freedesktop.Notifications"
	notifyPath = "/org/freedesktop/Notifications"
)

// sender talks to the desktop's notification service, on our own connection. Only the teller's goroutine calls send.
type sender struct {
	bus     *dbus.Conn
	app     string
	signals chan *dbus.Signal
	asked   bool // markup and actions are known
	markup  bool
	actions bool
	ids     map[tray.Topic]uint32
}

func newSender(d *desktop, app string, _ func(tray.Click)) *sender {
	s := &sender{bus: d.bus, app: app, signals: make(chan *dbus.Signal, 16), ids: map[tray.Topic]uint32{}}
	s.bus.Signal(s.signals)
	return s
}

// send shows n in the place of the last one of its topic.
func (s *sender) send(ctx context.Context, n tray.Notice) error {
	o := s.bus.Object(notifyName, notifyPath)
	if !s.asked {
		if err := s.ask(ctx, o); err != nil {
			return err
		}
	}
	body, urgency := n.Body, byte(1)
	if s.markup {
		body = html.EscapeString(body)
	}
	if n.Critical {
		urgency = 2
	}
	actions := []string{}
	if s.actions {
		actions = []string{"default", "Open"}
	}
	hints := map[string]dbus.Variant{"urgency": dbus.MakeVariant(urgency), "desktop-entry": dbus.MakeVariant("handline")}
	var id uint32
	err := o.CallWithContext(ctx, notifyName+".Notify", 0, s.app, s.ids[n.Topic], "", n.Title, body, actions, hints, int32(-1)).Store(&id)
	if err == nil {
		s.ids[n.Topic] = id
	}
	return err
}

// ask learns what the service can do, once, when the first notice is due: many sessions never need to start it.
func (s *sender) ask(ctx context.Context, o dbus.BusObject) error {
	var can []string
	if err := o.CallWithContext(ctx, notifyName+".GetCapabilities", 0).Store(&can); err != nil {
		return err
	}
	err := s.bus.AddMatchSignalContext(ctx, dbus.WithMatchInterface(notifyName), dbus.WithMatchObjectPath(notifyPath),
		dbus.WithMatchMember("ActionInvoked"))
	if err != nil {
		return err
	}
	s.asked, s.markup, s.actions = true, slices.Contains(can, "body-markup"), slices.Contains(can, "actions")
	return nil
}

// chosen tells whose notice a signal says was clicked. Everything else on the connection is none of ours.
func (s *sender) chosen(sig *dbus.Signal) (tray.Topic, bool) {
	if sig == nil || sig.Name != notifyName+".ActionInvoked" || len(sig.Body) < 1 {
		return 0, false
	}
	id, _ := sig.Body[0].(uint32)
	for topic, shown := range s.ids {
		if shown == id && id != 0 {
			return topic, true
		}
	}
	return 0, false
}

func (s *sender) close() { s.bus.RemoveSignal(s.signals) }
