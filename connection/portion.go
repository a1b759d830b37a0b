package connection

import (
	"cmp"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// portion is how large a history the line was seen to carry, for a dialect that lets a client say (spec B 19). A proxy or
// a radio link that breaks under large messages would otherwise break again at each return, because the first thing
// asked for is the same history. The zero value is the dialect's own size. It is not stored: the next start tries anew.
type portion struct {
	kb     int // 0 = the dialect's own
	broken int // sessions in a row that their history broke
	whole  int // sessions since the last growth that it did not
}

// aftermath is how soon after a large history a line ends that was most likely broken by it.
const aftermath = 5 * time.Second

// after learns from a session that its peer or the network ended: when it was ready and so asked, when the history had
// come, zero = never, and the largest frame, in bytes. The numbers are spec B 19's: two breaks halve, ten successes add a
// tenth.
func (p portion) after(why network.Cause, ready, synced, now time.Time, largest int) portion {
	came := !synced.IsZero()
	switch {
	case ready.IsZero():
	case came && now.Sub(synced) > aftermath:
		p.broken, p.whole = 0, p.whole+1
		if p.whole >= 10 && p.kb > 0 {
			p.whole = 0
			if p.kb += p.kb / 10; p.kb >= wire.FullPortion {
				p.kb = 0
			}
		}
	case came && largest < wire.LeastPortion<<10: // that small a history broke nothing
	case why == network.Reset || why == network.Timeout || why == network.TooBig:
		if p.broken++; p.broken >= 2 {
			p = portion{kb: max(cmp.Or(p.kb, wire.FullPortion)/2, wire.LeastPortion)}
		}
	}
	return p
}
