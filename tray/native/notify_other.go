//go:build !linux

package native

import (
	"context"
	"strings"
	"unicode"

	"github.com/gen2brain/beeep"

	"handline/tray"
)

// sender shows notices through beeep: no actions, no replacing. What could be clicked is in the menu as well.
type sender struct {
	signals chan struct{} // never: beeep tells of no clicks
}

func newSender(_ *desktop, app string) *sender {
	beeep.AppName = app // read by beeep's calls only, which the teller's goroutine makes after this
	return &sender{}
}

// send strips what AppleScript cannot quote. beeep takes no context: a hung call holds the teller's goroutine, its queue
// drops the oldest, and nothing else waits for it.
func (*sender) send(_ context.Context, n tray.Notice) error {
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

func (*sender) chosen(struct{}) (tray.Topic, bool) { return 0, false }
func (*sender) close()                             {}
