// Package tray is the face in the menu bar: what it shows (Render), what it tells (Alerts), and the loop that joins
// both to a line (Run). It knows no desktop; tray/native does.
package tray

import (
	"context"
	"iter"
	"time"

	"handline/connection"
)

// lookAfterClick is how long somebody is taken to watch after a click (DESIGN 3, "someone looks").
const lookAfterClick = 30 * time.Second

// Click is what the user chose.
type Click struct {
	Action Action
	Arg    string
}

// Bar is where the menu is shown. Run calls it from one goroutine, and no method may block: a bar that is slow, frozen
// or not there loses views, and shows the latest when it can again.
type Bar interface {
	// Show makes the bar look like v. The first call may come before there is anything to show it on; v is the whole
	// view each time, and the bar applies what differs.
	Show(v View)
	// Notify shows a notice and replaces the one of the same topic. What cannot be shown is dropped: menu and window
	// say the same.
	Notify(n Notice)
	// Clicks gives rows, notices and the icon (Tap) as they are chosen. It is read by Run only, never closed, and may be
	// nil where nobody can click.
	Clicks() <-chan Click
}

// Line is the part of connection.Manager that the menu needs.
type Line struct {
	Watch func(context.Context) iter.Seq[connection.Snapshot]
	Do    func(context.Context, connection.Command) error
}

// Options are what Run needs besides bar and line.
type Options struct {
	Prefs   Prefs
	Changed <-chan Prefs    // later preferences, whole; nil: they never change
	Woke    <-chan struct{} // the machine has just woken from sleep; nil: never told, and seen by late ticks only
	// Act does what no command to the line does: SetUp, EnterKey, OpenLogin, OpenWindow, Diagnose, Send, Choose, CopyID,
	// ToggleLogin, AllowNotices, About, Quit. It is called by Run's goroutine and must not block.
	Act func(Click)
	// Told hears each notice after the bar has been given it, and must not block. nil: nobody asks.
	Told func(Notice)
}

// Run shows the line on the bar until ctx ends or the line's Watch does. It starts one goroutine, to read the line, and
// returns after it has ended. There is no animation and no regular tick: Run wakes for a new snapshot, a click, changed
// preferences, and when Alerts ask for it.
func Run(ctx context.Context, bar Bar, line Line, o Options) {
	ctx, cancel := context.WithCancel(ctx)
	snapshots := make(chan connection.Snapshot)
	go func() {
		defer close(snapshots)
		for s := range line.Watch(ctx) {
			select {
			case snapshots <- s:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range snapshots { // until the reader has gone
		}
	}()

	p := presenter{bar: bar, line: line, act: o.Act, told: o.Told, prefs: o.Prefs}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case s, ok := <-snapshots:
			if !ok {
				return
			}
			p.latest, p.seen = s, true
		case c := <-bar.Clicks():
			p.click(ctx, c)
			continue
		case p.prefs = <-o.Changed:
		case <-o.Woke:
			p.alerts = p.alerts.woke(wall())
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Stop()
		if due := p.present(wall()); !due.IsZero() {
			timer.Reset(time.Until(due))
		}
	}
}

// wall is now without the monotonic reading, which stands still in sleep: Alerts see a sleep by the late tick.
func wall() time.Time { return time.Now().Round(0) }

// presenter is Run's state. Only its goroutine touches it.
type presenter struct {
	bar    Bar
	line   Line
	act    func(Click)
	told   func(Notice)
	prefs  Prefs
	latest connection.Snapshot
	seen   bool // latest is a snapshot
	shown  View
	drawn  bool // shown is what the bar was given
	alerts Alerts
}

// present shows what changed and tells what is due. It returns when it wants to be called again, zero if never.
func (p *presenter) present(now time.Time) time.Time {
	if !p.seen {
		return time.Time{}
	}
	if v := Render(p.latest, p.prefs, now); !p.drawn || v != p.shown {
		p.shown, p.drawn = v, true
		p.bar.Show(v)
	}
	p.alerts.Notify = p.prefs.Notify
	var notices []Notice
	p.alerts, notices = p.alerts.step(now, p.latest)
	for _, n := range notices {
		p.bar.Notify(n)
		if p.told != nil {
			p.told(n)
		}
	}
	return p.alerts.wake()
}

// click turns a choice into a command to the line, or hands it on. Every click also means that somebody looks.
func (p *presenter) click(ctx context.Context, c Click) {
	if c.Action == Tap {
		c = Click{Action: Mending(p.latest)}
	}
	var cmd connection.Command
	switch c.Action {
	case Nothing:
		return
	case Connect:
		cmd = connection.Connect{}
	case Resume:
		cmd = connection.Connect{Wake: true}
	case Reconnect:
		cmd = connection.Reconnect{}
	case Cancel, Disconnect:
		cmd = connection.Disconnect{}
	default:
		if p.act != nil {
			p.act(c)
		}
	}
	// A line that takes no more commands is ending, and Run with it.
	if cmd != nil {
		_ = p.line.Do(ctx, cmd)
	}
	_ = p.line.Do(ctx, connection.Look{For: lookAfterClick})
}
