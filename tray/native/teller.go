package native

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"handline/tray"
)

const (
	tellWithin = 5 * time.Second // for the desktop to take a notice
	tellQueue  = 8               // notices that wait; the oldest gives way
)

// teller hands notices to the desktop, one at a time, on its own goroutine: a frozen notification service must cost
// nothing but notifications.
type teller struct {
	sender  *sender
	log     *slog.Logger
	click   func(tray.Click)
	notices chan tray.Notice
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

func newTeller(d *desktop, app string, log *slog.Logger, click func(tray.Click)) *teller {
	ctx, cancel := context.WithCancel(context.Background())
	t := &teller{sender: newSender(d, app, click), log: log, click: click, notices: make(chan tray.Notice, tellQueue), cancel: cancel}
	t.done.Go(func() { t.run(ctx) })
	return t
}

// add queues a notice. It never blocks.
func (t *teller) add(n tray.Notice) {
	for {
		select {
		case t.notices <- n:
			return
		default:
		}
		select {
		case <-t.notices:
		default:
		}
	}
}

func (t *teller) run(ctx context.Context) {
	shown := map[tray.Topic]tray.Action{}
	failing := false
	signals := t.sender.signals
	for {
		select {
		case n := <-t.notices:
			within, cancel := context.WithTimeout(ctx, tellWithin)
			err := t.sender.send(within, n)
			cancel()
			if err != nil && !failing {
				t.log.Info("Notifications cannot be shown; the menu says the same.", "reason", err.Error())
			}
			failing = err != nil
			shown[n.Topic] = n.Action
		case s, ok := <-signals:
			if !ok { // the bus has gone, and nobody clicks any more
				signals = nil
				continue
			}
			if topic, ok := t.sender.chosen(s); ok {
				action, known := shown[topic]
				if !known { // it was shown by a Handline that has ended since
					action = tray.OpenWindow
				}
				t.click(tray.Click{Action: action})
			}
		case <-ctx.Done():
			return
		}
	}
}

// close ends the goroutine. Only a call that hangs in the desktop's hands is left behind.
func (t *teller) close() {
	t.cancel()
	waitAtMost(&t.done, time.Second)
	t.sender.close()
}

// waitAtMost waits for a group that may hang in the desktop's hands; what still does then ends with the process.
func waitAtMost(g *sync.WaitGroup, d time.Duration) {
	gone := make(chan struct{})
	go func() { g.Wait(); close(gone) }()
	waitFor(gone, d)
}
