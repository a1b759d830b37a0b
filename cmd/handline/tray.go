package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"handline/connection"
	"handline/connection/backend"
	"handline/persistence"
	"handline/tray"
	"handline/tray/native"
)

// This file joins the app to the menu bar. It runs beside the line and may be slow or absent: a desktop that hangs must
// not cost anybody a line.

// withIcon does the work with an icon in the menu bar, where there is a desktop; where there is none, it says so once, in
// the log and to the person at the terminal. work runs the app. It must be called on the main goroutine.
func (a *app) withIcon(ctx context.Context, terminal io.Writer, work func(context.Context) error) error {
	err := native.Run(ctx, native.Options{
		Name:  "Handline",
		First: tray.Render(a.line.Snapshot(), a.prefs(), time.Now()),
		Act:   a.settings.now().IconClick == "act",
		Log:   slog.New(slog.NewMultiHandler(a.log.Handler(), spoken{terminal})),
	}, func(ctx context.Context, bar tray.Bar) error {
		a.faces = append(a.faces, func(ctx context.Context) error { return a.menu(ctx, bar) })
		return work(ctx)
	})
	if errors.Is(err, native.ErrSessionOver) {
		return nil // the user logged out
	}
	return err
}

// spoken is a log that a person reads: the words of warnings, nothing else.
type spoken struct{ to io.Writer }

func (s spoken) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (s spoken) WithAttrs([]slog.Attr) slog.Handler           { return s }
func (s spoken) WithGroup(string) slog.Handler                { return s }
func (s spoken) Handle(_ context.Context, r slog.Record) error {
	_, err := fmt.Fprintf(s.to, "handline: %s\n", r.Message)
	return err
}

// menu shows the line on the bar and does what is clicked, until ctx ends.
func (a *app) menu(ctx context.Context, bar tray.Bar) error {
	errands := make(chan tray.Click, 8)
	told := make(chan persistence.Entry, 8)
	prefs := make(chan tray.Prefs, 1)
	news := make(chan connection.Snapshot)
	o := tray.Options{Prefs: a.prefs(), Changed: prefs, Woke: a.woke, Act: func(c tray.Click) {
		if c.Action == tray.Quit {
			a.askToQuit()
			return
		}
		select {
		case errands <- c:
		default: // eight are waiting: whoever clicks that often has seen that nothing happens
		}
	}, Told: func(n tray.Notice) {
		select {
		case told <- persistence.Entry{At: time.Now(), Kind: "alert", Text: n.Title}:
		default: // the disk hangs: a hole in the timeline is better than an icon that does
		}
	}}
	var parts sync.WaitGroup
	parts.Go(func() { tray.Run(ctx, bar, tray.Line{Watch: a.line.Watch, Do: a.line.Do}, o) })
	parts.Go(func() {
		for s := range a.line.Watch(ctx) {
			select {
			case news <- s:
			case <-ctx.Done():
			}
		}
	})
	parts.Go(func() { a.runErrands(ctx, errands, news, prefs) })
	parts.Go(func() { a.askToNotify(ctx) })
	parts.Go(func() { a.rememberAll(ctx, told) })
	parts.Wait()
	return nil
}

// runErrands does, one after the other, what may take time: clicks that need more than the line, and asking for the
// conversations of the menu.
func (a *app) runErrands(ctx context.Context, clicks <-chan tray.Click, news <-chan connection.Snapshot, out chan tray.Prefs) {
	prefs := a.prefs()
	var list menuList
	var refused string // why Start at Login was not done
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-clicks:
			var err error
			if c.Action == tray.ToggleLogin {
				err = a.startAtLogin(ctx, !prefs.AtLogin) // whatever has become of it: the user saw this tick
				refused = refusal(err)
			} else {
				err = a.errand(ctx, c)
			}
			if err != nil {
				a.log.Warn("a click could not be served", "error", err)
			}
			if c.Action != tray.ToggleLogin {
				continue
			}
		case <-a.settings.changed:
		case <-a.asked:
		case s := <-news:
			if !list.due(s, time.Now()) {
				continue
			}
			prefs.Conversations = a.listForMenu(ctx)
		}
		found := prefs.Conversations
		prefs = a.prefs()
		prefs.Conversations = found
		if refused != "" {
			prefs.Hint = refused
		}
		select {
		case <-out: // the bar has not taken the last ones, and they are old
		default:
		}
		out <- prefs
	}
}

// askToNotify asks the user for permission to notify once the line has first come up, when it is plain what for. It looks
// again at each connection, since the answer can be changed in the system's settings.
func (a *app) askToNotify(ctx context.Context) {
	var was connection.Status
	for s := range a.line.Watch(ctx) {
		if s.Status == connection.Connected && was != connection.Connected && a.watched {
			a.hearMuted(a.denied(ctx))
		}
		was = s.Status
	}
}

// hearMuted takes the system's word on notifications, and has the menu say it.
func (a *app) hearMuted(muted bool) {
	if a.muted.Swap(muted) == muted {
		return
	}
	select {
	case a.asked <- struct{}{}:
	default: // it will look anyway
	}
}

// isMuted looks again where notifications were denied: their owner may just have come back from the system's settings. To
// ask before that is left to askToNotify, since the question may be put to the user.
func (a *app) isMuted(ctx context.Context) bool {
	if a.muted.Load() {
		a.hearMuted(a.denied(ctx))
	}
	return a.muted.Load()
}

// menuList says when the menu's conversations are asked for again: when the line has come up, or what it shows of them
// has changed, and at most once a minute, because a directory allows a hundred requests a minute for everything its
// user does.
type menuList struct {
	asked time.Time
	last  connection.Snapshot
}

func (l *menuList) due(s connection.Snapshot, now time.Time) bool {
	was := l.last
	l.last = s
	same := was.Status == s.Status && was.Agent == s.Agent && was.Conversation == s.Conversation && was.Server == s.Server
	if s.Status != connection.Connected || same || now.Sub(l.asked) < time.Minute {
		return false
	}
	l.asked = now
	return true
}

// listForMenu asks the server for the conversations the menu has slots for. A server that has none to tell of leaves
// the menu without them.
func (a *app) listForMenu(ctx context.Context) []tray.Conversation {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, err := a.list(ctx, a.aim())
	if err != nil && !errors.Is(err, backend.ErrNoQuestion) {
		a.log.Warn("the menu's conversations could not be listed", "error", err)
	}
	var list []tray.Conversation
	for _, c := range found[:min(len(found), tray.Conversations)] {
		list = append(list, tray.Conversation{ID: c.ID, Title: c.Title, State: standingOf(c.Running, c.Asleep)})
	}
	return list
}

// prefs is what the configuration and the system say of the menu.
func (a *app) prefs() tray.Prefs {
	c := a.settings.now()
	n := c.Notify
	return tray.Prefs{
		Version: version(), Monochrome: c.Icon == "monochrome", Window: a.openWindow != nil, Outbox: a.openWindow != nil,
		LoginItem: a.login.Offered(), AtLogin: a.login.On(), Hint: a.login.Hint(), Muted: a.muted.Load(),
		Notify: tray.Notify{Waiting: n.AgentWaiting, Finished: n.AgentFinished, Failed: n.AgentFailed, Outage: n.Outage, Recovery: n.Restored},
	}
}

// errand does one click that is no command to the line.
func (a *app) errand(ctx context.Context, c tray.Click) error {
	switch c.Action {
	case tray.SetUp, tray.EnterKey:
		return a.openWindow(ctx, "settings")
	case tray.OpenWindow, tray.About:
		return a.openWindow(ctx, "overview")
	case tray.Diagnose:
		return a.openWindow(ctx, "diagnostics")
	case tray.Send:
		return a.openWindow(ctx, "message")
	case tray.OpenLogin:
		if portal := a.line.Snapshot().Portal; portal != "" {
			return a.browse(ctx, portal)
		}
	case tray.AllowNotices:
		return native.OpenSettings(ctx, native.NoticeSettings)
	case tray.CopyID:
		return native.Copy(ctx, c.Arg)
	case tray.Choose:
		return a.choose(ctx, c.Arg)
	}
	return nil
}

// askToQuit begins the app's end and returns at once.
func (a *app) askToQuit() {
	select {
	case a.quit <- struct{}{}:
	default: // it is on its way
	}
}
