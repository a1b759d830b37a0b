//go:build !darwin || cgo

package native

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fyne.io/systray"

	"handline/tray"
)

// settle is how long after its start systray may still lose an icon or a tooltip: it reads them once while it
// registers, and drops what is set until it has. They are sent again then.
const settle = 300 * time.Millisecond

// bar is the tray.Bar on systray.
type bar struct {
	log    *slog.Logger
	views  chan tray.View // the latest view that the drawer has not taken; capacity 1
	clicks chan tray.Click
	tell   *teller
	over   atomic.Bool // no systray call may begin any more

	mu    sync.Mutex
	shown tray.View // what the user sees: a click means the action of that moment
}

// show runs systray on the calling goroutine, with everything of ours around it.
func show(ctx context.Context, cancel context.CancelCauseFunc, o Options, d *desktop, start func(context.Context, tray.Bar) error) error {
	b := &bar{log: o.Log, views: make(chan tray.View, 1), clicks: make(chan tray.Click, clickQueue), shown: o.First}
	b.tell = newTeller(d, o.Name, o.Log, b.click)
	defer b.tell.close()
	d.watch(func() { cancel(ErrSessionOver) })
	// systray speaks through the standard logger, which nothing else here uses. What matters of it is said better by
	// openDesktop, so it goes to the debug level.
	before := log.Writer()
	log.SetOutput(quietly{o.Log})
	defer log.SetOutput(before)

	b.prepare(o)

	var ours, drawer sync.WaitGroup
	var err error
	built, ended := make(chan struct{}), make(chan struct{})
	done := make(chan struct{}) // closed when the drawer must end
	ready := func() {           // must return: the menu is not served before
		defer close(built)
		items := build(o.First)
		drawer.Go(func() { b.draw(items, o.First, done) })
		for id, item := range items {
			drawer.Go(func() { b.forward(tray.RowID(id), item.ClickedCh, done) })
		}
	}
	ours.Go(func() {
		err = start(ctx, b)
		cancel(nil) // after this, nothing else can be the reason for the end
		b.over.Store(true)
		close(ended)
		waitFor(built, quitWithin) // before that, macOS would lose the call, and there is only one
		systray.Quit()
	})
	// exit comes on the main thread when macOS ends the app by itself, and then Run never returns: what is ours gets
	// its chance here. A drawer that waits for the main thread must not be waited for.
	exit := func() {
		b.over.Store(true)
		cancel(ErrSessionOver)
		waitFor(ended, quitWithin)
	}
	loop(func() { systray.Run(ready, exit) }, ended)
	exit()
	ours.Wait()
	close(done)
	waitAtMost(&drawer, quitWithin/8) // it hangs only where the loop has, and that was waited for
	return ending(ctx, err)
}

// prepare makes the calls that count only before the loop runs: the first title becomes the item's id, and whether a
// click opens the menu is read once.
func (b *bar) prepare(o Options) {
	if runtime.GOOS == "darwin" {
		// The calls would be lost here, a title would stand beside the icon, and with a tap handler a right click is a
		// tap as well, so that the menu never opens.
		return
	}
	systray.SetTitle(o.Name)
	b.dress(o.First)
	if o.Act {
		systray.SetOnTapped(func() { b.click(tray.Click{Action: tray.Tap}) })
	}
}

// build makes all rows, in order, as v has them.
func build(v tray.View) (items [tray.Rows]*systray.MenuItem) {
	for i := range items {
		id, r := tray.RowID(i), v.Rows[i]
		if id.Opens() {
			systray.AddSeparator()
		}
		title := label(runtime.GOOS, r.Label)
		switch parent := items[tray.RowConversation]; {
		case id.Inside() && id.Checkable():
			items[i] = parent.AddSubMenuItemCheckbox(title, "", r.Checked)
		case id.Inside():
			items[i] = parent.AddSubMenuItem(title, "")
		case id.Checkable():
			items[i] = systray.AddMenuItemCheckbox(title, "", r.Checked)
		default:
			items[i] = systray.AddMenuItem(title, "")
		}
		if r.Disabled {
			items[i].Disable()
		}
		if r.Hidden {
			items[i].Hide()
		}
	}
	return items
}

// draw is the one goroutine that makes systray calls once the menu is built.
func (b *bar) draw(items [tray.Rows]*systray.MenuItem, first tray.View, done <-chan struct{}) {
	if runtime.GOOS == "darwin" {
		b.dress(first)
	}
	drawn := first
	again := time.NewTimer(settle)
	defer again.Stop()
	for {
		select {
		case v := <-b.views:
			b.update(items, drawn, v)
			drawn = v
		case <-again.C:
			b.guarded(func() { b.dress(drawn) })
		case <-done:
			return
		}
	}
}

// update sends what differs between two views. A click meanwhile means what is shown in the end, since it may come from
// somebody who sees that already.
func (b *bar) update(items [tray.Rows]*systray.MenuItem, from, to tray.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.guarded(func() {
		if from.Icon != to.Icon || from.Template != to.Template {
			setIcon(to)
		}
		if from.Tooltip != to.Tooltip {
			systray.SetTooltip(to.Tooltip)
		}
		for i, item := range items {
			change(item, from.Rows[i], to.Rows[i])
		}
	})
	b.shown = to
}

// change sends one row's difference. A hidden row is made right before it is shown, so that no wrong word flashes up.
func change(item *systray.MenuItem, from, to tray.Row) {
	if to.Hidden && !from.Hidden {
		item.Hide()
	}
	if from.Label != to.Label {
		item.SetTitle(label(runtime.GOOS, to.Label))
	}
	switch {
	case to.Disabled && !from.Disabled:
		item.Disable()
	case from.Disabled && !to.Disabled:
		item.Enable()
	}
	switch {
	case to.Checked && !from.Checked:
		item.Check()
	case from.Checked && !to.Checked:
		item.Uncheck()
	}
	if from.Hidden && !to.Hidden {
		item.Show()
	}
}

func (b *bar) dress(v tray.View) {
	setIcon(v)
	systray.SetTooltip(v.Tooltip)
}

func setIcon(v tray.View) {
	switch {
	case runtime.GOOS == "windows":
		systray.SetIcon(v.Icon.ICO())
	case v.Template:
		systray.SetTemplateIcon(v.Icon.Template(), v.Icon.PNG())
	default:
		systray.SetIcon(v.Icon.PNG())
	}
}

// guarded makes systray calls, unless it is over. systray panics when its bus goes in the middle of one.
func (b *bar) guarded(f func()) {
	if b.over.Load() {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			b.log.Debug("updating the icon", "panic", fmt.Sprint(r))
		}
	}()
	f()
}

// forward waits for one row's clicks. systray drops a click that nobody is waiting for, so each row has its own
// goroutine, and it does nothing else.
func (b *bar) forward(id tray.RowID, clicked <-chan struct{}, done <-chan struct{}) {
	for {
		select {
		case _, ok := <-clicked:
			if !ok {
				return
			}
			b.mu.Lock()
			r := b.shown.Rows[id]
			b.mu.Unlock()
			if !r.Disabled && !r.Hidden {
				b.click(tray.Click{Action: r.Action, Arg: r.Arg})
			}
		case <-done:
			return
		}
	}
}

func (b *bar) click(c tray.Click) {
	select {
	case b.clicks <- c:
	default: // a queue of unanswered clicks is a user who clicks in vain: more would not help
	}
}

// Show implements tray.Bar. A view that was not drawn yet gives way to the newer one.
func (b *bar) Show(v tray.View) {
	select {
	case <-b.views:
	default:
	}
	b.views <- v // there is room: Run is the only one that puts views in
}

// Notify implements tray.Bar.
func (b *bar) Notify(n tray.Notice) { b.tell.add(n) }

// Clicks implements tray.Bar.
func (b *bar) Clicks() <-chan tray.Click { return b.clicks }

// label makes text safe for a menu: a character that systems take for a mnemonic is doubled.
func label(goos, text string) string {
	switch goos {
	case "linux":
		return strings.ReplaceAll(text, "_", "__")
	case "windows":
		return strings.ReplaceAll(text, "&", "&&")
	}
	return text
}

type quietly struct{ log *slog.Logger }

func (q quietly) Write(b []byte) (int, error) {
	q.log.Debug(strings.TrimSpace(string(b)))
	return len(b), nil
}
