//go:build !linux

package native

import (
	"context"
	"strings"
	"unicode"

	"github.com/gen2brain/beeep"

	"handline/tray"
)

// poster shows a notice in the place of the last one of its topic.
type poster func(context.Context, tray.Notice) error

// sender shows notices through the system's own center where it takes them, or else through beeep: no clicks, no
// replacing. What could be clicked is in the menu as well.
type sender struct {
	post    poster // nil: beeep
	signals chan tray.Topic
}

func newSender(_ *desktop, app string, click func(tray.Click)) *sender {
	beeep.AppName = app // read by beeep's calls only, which the teller's goroutine makes after this
	s := &sender{signals: make(chan tray.Topic, clickQueue)}
	s.post = openCenter(func(topic tray.Topic) {
		select {
		case s.signals <- topic:
		default: // the main thread must not wait for us
		}
	}, func() { click(tray.Click{Action: tray.OpenWindow}) })
	return s
}

// send strips what AppleScript cannot quote, where beeep has to do. beeep takes no context: a hung call holds the teller's
// goroutine, its queue drops the oldest, and nothing else waits for it.
func (s *sender) send(ctx context.Context, n tray.Notice) error {
	if s.post != nil {
		return s.post(ctx, n)
	}
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, s)
	}
	return beeep.Notify(plain(n.Title), plain(n.Body), "")
}

func (*sender) chosen(t tray.Topic) (tray.Topic, bool) { return t, true }
func (*sender) close()                                 {}
