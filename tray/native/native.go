// Package native is the menu bar itself: fyne.io/systray, notifications and the clipboard, held with tongs. Everything
// that can hang, panic or vanish on a desktop is met here, so that the rest of Handline never waits for a panel.
//
// The rules are:
//   - One goroutine makes all systray calls, from before the loop starts until it ends; the rest of Handline only
//     leaves a View for it.
//   - The menu is built once. Rows are shown, hidden and retitled, never removed, and only what differs is sent.
//   - Nothing but systray uses the shared session bus connection: any foreign signal on it ends systray's watch for a
//     restarted panel.
//   - After the end no systray call is made: it would panic on Linux, and block for ever on macOS.
package native

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"handline/tray"
)

// ErrSessionOver is why Run returned although nobody asked it to: the desktop session, and its bus, have ended.
var ErrSessionOver = errors.New("the desktop session has ended")

const (
	quitWithin = 2 * time.Second // for the desktop to let go of the icon
	clickQueue = 32              // clicks that wait for Run; more are dropped
)

// Options are what the bar needs before it can be shown.
type Options struct {
	// Name is the app's name: the item's id and title, and the sender of notifications.
	Name string
	// First is shown from the first moment, so that no host ever sees an empty icon.
	First tray.View
	// Act makes a left click on the icon a tray.Tap; otherwise it opens the menu, as on macOS it always does.
	Act bool
	// Log is told, once, why there is no icon and what would help. It must not write through package log, which is
	// led to it while the icon is there. nil: discarded.
	Log *slog.Logger
}

// Run shows the icon while start runs, and returns start's error after both have ended. It must be called once, on the
// main goroutine: macOS draws on no other thread. start runs on its own goroutine, with a context that also ends when the
// user logs out or the desktop goes; then Run gives ErrSessionOver if start gives no error of its own.
//
// Where there is no desktop, start gets a bar that shows nothing and costs nothing. Where there is a desktop without a
// place for icons, the icon appears as soon as there is one.
func Run(ctx context.Context, o Options, start func(context.Context, tray.Bar) error) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d, err := openDesktop(ctx, o)
	if err != nil {
		o.Log.Warn(err.Error())
		return start(ctx, headless{})
	}
	defer d.close()
	return show(ctx, cancel, o, d, start)
}

// ending is start's error, or why its context ended before the caller's wish.
func ending(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, ErrSessionOver) {
		return cause
	}
	return err
}

// headless is the bar of a machine without a desktop.
type headless struct{}

func (headless) Show(tray.View)            {}
func (headless) Notify(tray.Notice)        {}
func (headless) Clicks() <-chan tray.Click { return nil }

// waitFor waits for an end, but not for ever: what the desktop does with a call is not ours to promise.
func waitFor(end <-chan struct{}, d time.Duration) {
	select {
	case <-end:
	case <-time.After(d):
	}
}
