package connection

import (
	"time"

	"handline/connection/network"
)

// hush is the silence that something on the way does not bear. Proxies cut a line on which their peer said nothing for
// a while (nginx's proxy_read_timeout), with neither a close frame nor a reason, and do it again each time; only a pulse
// that is quicker than they are keeps such a line. It is learned for one server on one network, and never stored.
type hush struct {
	cuts  int           // lines in a row that were cut off in silence
	least time.Duration // the shortest of their silences
}

// shortHush is the shortest silence to learn from: below it a server that restarts looks just the same, and nobody is
// helped by more pings than one in a few seconds.
const shortHush = 5 * time.Second

// lost learns from the end of a line that was quiet for some time, with pings due every so often.
func (h hush) lost(f network.Failure, quiet, every time.Duration) hush {
	switch {
	case f.Cause != network.Reset || f.Status != 0 || quiet > every+time.Second:
		return h // it says nothing of silences
	case quiet < shortHush && h.cuts < 2:
		return hush{} // it breaks while it talks, too
	case quiet < shortHush:
		return h
	case h.cuts == 0 || quiet < h.least:
		h.least = quiet
	}
	h.cuts++
	return h
}

// within shortens the time between two pings so that the pong of each comes in time.
func (h hush) within(every time.Duration) time.Duration {
	if h.cuts < 2 {
		return every
	}
	return min(every, h.least*2/3)
}
