package connection

import (
	"slices"
	"strconv"

	"handline/connection/wire"
	"handline/persistence"
)

// journey is the place in one conversation: the cursor, and which events were applied near it. It outlives sessions, so
// that a repeat is known as one. Not safe for concurrent use.
type journey struct {
	cursor  []byte
	numbers window
	names   map[string]struct{}
	order   []string // names by age: a ring from oldest
	oldest  int
	portion portion  // of a history; not stored
	tooBig  bool     // an event is more than the agent-server's session socket carries; not stored
	rumour  string   // the latest message of a user that came before it was stored
	since   []string // ids applied after the bookmark, while there is one
	marked  bool
	former  map[string]struct{} // of them, those that a process before this one applied
}

const (
	remembered = 4096 // names kept in memory, and numbers told apart below the highest
	stored     = 256  // names kept on disk
)

func newJourney(c persistence.Cursor) *journey {
	j := &journey{cursor: []byte(c.At), names: make(map[string]struct{}), former: make(map[string]struct{})}
	if n, err := strconv.ParseUint(c.At, 10, 63); err == nil {
		j.numbers.add(n)
	}
	for _, id := range c.Since {
		j.former[id] = struct{}{}
	}
	for _, id := range c.Recent {
		if _, later := j.former[id]; !later {
			j.first([]byte(id))
		}
	}
	j.marked = true
	for _, id := range c.Since {
		j.first([]byte(id))
	}
	return j
}

// bookmark is the place reached. From now on it is known what was applied after it.
func (j *journey) bookmark() persistence.Cursor {
	j.since, j.marked = nil, true
	clear(j.former)
	return j.save()
}

// unmark forgets the bookmark.
func (j *journey) unmark() { j.since, j.marked = nil, false }

// recall says, once, that an id was applied by a process before this one, after the bookmark. That process may have died
// before it did what else the event was good for.
func (j *journey) recall(id []byte) bool {
	_, ok := j.former[string(id)]
	delete(j.former, string(id))
	return ok
}

// first says whether the id was not applied before, and remembers it. An empty id is always new.
func (j *journey) first(id []byte) bool {
	if len(id) == 0 {
		return true
	}
	isNew := j.remember(id)
	if isNew && j.marked && len(j.since) < remembered {
		j.since = append(j.since, string(id))
	}
	return isNew
}

func (j *journey) remember(id []byte) bool {
	if n, ok := number(id); ok {
		return j.numbers.add(n)
	}
	if _, seen := j.names[string(id)]; seen {
		return false
	}
	name := string(id)
	j.names[name] = struct{}{}
	if len(j.order) < remembered {
		j.order = append(j.order, name)
		return true
	}
	delete(j.names, j.order[j.oldest])
	j.order[j.oldest] = name
	j.oldest = (j.oldest + 1) % remembered
	return true
}

// needsEvents says whether of an agent-server's two sockets only the events socket can go on from here: it carries events
// of any size, and a cursor of its own means nothing to the session socket. The other way round is no trouble.
func (j *journey) needsEvents() bool {
	stamp, _ := wire.EventsCursor(string(j.cursor))
	return j.tooBig || stamp != ""
}

// reached moves the cursor.
func (j *journey) reached(cursor []byte) { j.cursor = append(j.cursor[:0], cursor...) }

// save is what must be stored to go on from here after a crash.
func (j *journey) save() persistence.Cursor {
	names := slices.Concat(j.order[j.oldest:], j.order[:j.oldest])
	return persistence.Cursor{At: string(j.cursor), Recent: slices.Clone(names[max(0, len(names)-stored):]), Since: slices.Clone(j.since)}
}

func number(id []byte) (uint64, bool) {
	if len(id) > 18 {
		return 0, false
	}
	var n uint64
	for _, c := range id {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// window remembers which of the last numbers were seen: one bit each, for the hot path.
type window struct {
	top  uint64 // the highest seen, plus one; 0 = none
	bits [remembered / 64]uint64
}

// add notes a number and says whether it is new. A number too old to be told apart counts as seen, because OpenHands
// numbers its events upwards and never goes back that far.
func (w *window) add(n uint64) bool {
	for w.top <= n && w.top+remembered > n {
		w.bits[w.top%remembered/64] &^= 1 << (w.top % 64)
		w.top++
	}
	if w.top <= n { // a leap over the whole window
		w.bits, w.top = [remembered / 64]uint64{}, n+1
	}
	if n+remembered < w.top {
		return false
	}
	word, bit := &w.bits[n%remembered/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
