package connection

import (
	"cmp"
	"slices"
	"time"

	"handline/persistence"
)

// This file decides what becomes of messages. Like step.go it is pure. The rules are:
//   - What is shown as queued is on disk, and "sending" is on disk before a frame goes out: whoever reads it after a
//     crash knows that the message may have arrived.
//   - A conversation's messages go out in the order in which they were sent, one at a time: the next one waits until
//     the one before is confirmed.
//   - A message that may have arrived is looked for before it is sent again. The look comes settleTime after the line,
//     so that a slow server has stored what it had received.
//   - One event confirms one message. Each is compared when it is applied, once, and only with what went out before it.

// The states of a message, the same words on every face.
const (
	Queued    = "queued"    // it goes out when its turn comes
	Sending   = "sending"   // it is going out, or was when the line broke
	Accepted  = "accepted"  // the server has taken it and has not shown it yet
	Confirmed = "confirmed" // it is in the conversation
	Failed    = "failed"    // the server refused it, or it is too long
	Held      = "held"      // it waited for more than an hour: a person must still mean it
	Unknown   = "unknown"   // it may have arrived
)

// Verb is what a person may say about a message.
type Verb string

const (
	VerbRetry   Verb = "retry"
	VerbSend    Verb = "send"
	VerbDiscard Verb = "discard"
	VerbCheck   Verb = "check"
)

const (
	settleTime  = 2500 * time.Millisecond
	confirmTime = time.Minute     // spec B 22: "Add timeout for stale messages", 60 s
	doubtTime   = 5 * time.Second // of silence after a send
	staleTime   = time.Hour       // what waited longer is sent only if a person still means it
	tryAgain    = 5 * time.Second // after a history or a disk that did not answer, or a server that was busy
	keptBehind  = 20              // confirmed messages that are still shown
)

type (
	// written answers store.
	written struct {
		session uint64
		id      string
		after   string // the place at which it goes out
		first   bool   // it was never tried before
		why     string // it could not be stored, "" = it was
	}
	// answered is the server's word about a message; id "" is the one in flight.
	answered struct {
		session uint64
		id      string
		state   string // Accepted, Confirmed, Failed, or Queued: not now
		why     string
	}
	// said tells that a user said something in a conversation. It is the truth whatever became of its session.
	said struct {
		identity, conversation string
		text                   string
		kept                   bool // the server has stored it
	}
	// checked answers check.
	checked struct {
		session uint64
		id      string
		result  result
	}
)

// result is what a look for a message came to. One that is found is told by said, before the look has ended.
type result uint8

const (
	absent     result = iota // the server does not have it
	blind                    // there is no history to look into
	unanswered               // the history did not answer
)

type (
	// store writes "sending" to disk, with the place reached; written answers.
	store struct {
		session uint64
		first   bool
		message persistence.Message
	}
	transmit struct {
		session  uint64
		id, text string
	}
	// check makes sure that nothing the server has stored is missing here; checked answers.
	check struct {
		session uint64
		id      string
	}
	keep struct{ message persistence.Message } // what became of it
	drop struct{ message persistence.Message } // it is done with
	// listen says whether a session must tell what users say.
	listen struct {
		session uint64
		on      bool
	}
)

// letter is a message with what is known of it in this run.
type letter struct {
	persistence.Message
	asked   bool   // a person wants a look for it
	insists bool   // a person wants it sent again where no look is possible
	absent  uint64 // the session in which a look did not find it, 0 = none
}

// outbox is all messages. Its slice is replaced and never written to, because machines share it.
type outbox struct {
	letters []letter // in the order of sending
	changes uint64
	calm    time.Time // since when the line is up and nothing is missing, zero = it is not
	flight  flight    // the message that is going out
	look    flight    // the message that is being looked for
	again   time.Time // no store and no look before this
	listens bool      // the live session tells what users say
	due     time.Time // of the next tick, zero = none
}

// flight is a message on its way in a session. The zero value is none.
type flight struct {
	session uint64
	id      string
	first   bool      // it was never tried before
	out     time.Time // when its frame went out, zero = it is being stored
	doubted bool      // the silence after it was noticed
}

func newOutbox(kept []persistence.Message) outbox {
	b := outbox{}
	for _, m := range kept {
		b.letters = append(b.letters, letter{Message: m})
	}
	slices.SortFunc(b.letters, func(x, y letter) int {
		return cmp.Or(cmp.Compare(len(x.ID), len(y.ID)), cmp.Compare(x.ID, y.ID))
	})
	return b
}

// find gives a message by its id, nil where there is none.
func (b *outbox) find(id string) *letter {
	for i := range b.letters {
		if b.letters[i].ID == id {
			return &b.letters[i]
		}
	}
	return nil
}

// change replaces one message, and forgets the oldest confirmed ones.
func (b *outbox) change(id string, edit func(*letter)) {
	b.letters = slices.Clone(b.letters)
	b.changes++
	if l := b.find(id); l != nil {
		edit(l)
	}
	over := -keptBehind
	for _, l := range b.letters {
		if l.State == Confirmed {
			over++
		}
	}
	b.letters = slices.DeleteFunc(b.letters, func(l letter) bool {
		gone := l.State == "" || l.State == Confirmed && over > 0
		if gone && l.State == Confirmed {
			over--
		}
		return gone
	})
}

// add takes a new message. It may have been read from the disk before its command came.
func (b *outbox) add(m persistence.Message) {
	if b.find(m.ID) == nil {
		b.letters, b.changes = append(slices.Clip(b.letters), letter{Message: m}), b.changes+1
	}
}

// outgoing says whether a message is on its way by itself.
func (l *letter) outgoing() bool {
	return l.State == Queued || l.State == Sending || l.State == Accepted
}

// lost says whether a message may have arrived without being confirmed.
func (l *letter) lost() bool { return l.Tried && l.State != Confirmed && l.State != Failed }

// counts are the messages of a server that are on their way, and those that want a person's word.
func (b *outbox) counts(identity string) (queued, undecided int) {
	for i := range b.letters {
		switch l := &b.letters[i]; {
		case l.Identity != identity || l.State == Confirmed:
		case l.outgoing():
			queued++
		default:
			undecided++
		}
	}
	return queued, undecided
}

// awaits says whether a server's conversations may still show a message.
func (b *outbox) awaits(identity string) bool {
	return slices.ContainsFunc(b.letters, func(l letter) bool { return l.Identity == identity && l.lost() })
}

// here says whether a message belongs to the conversation of the line.
func (m *machine) here(l *letter) bool {
	return l.Identity == m.target.Identity() && l.Conversation == m.conversation
}

// next is the message whose turn it is, nil = none.
func (m *machine) next() *letter {
	for i := range m.outbox.letters {
		if l := &m.outbox.letters[i]; l.outgoing() && m.here(l) {
			return l
		}
	}
	return nil
}

// mail moves the outbox on, at the end of every step.
func (t *turn) mail() {
	b := &t.outbox
	if !t.live || b.flight.session != t.session {
		b.flight = flight{}
	}
	if !t.live || b.look.session != t.session {
		b.look = flight{}
	}
	b.due = time.Time{}
	if t.phase != Online || t.syncing {
		b.calm = time.Time{}
		return
	}
	if b.calm.IsZero() {
		b.calm = t.now
		t.hold()
	}
	if b.flight.id != "" {
		t.watch()
	} else if l := t.next(); l != nil {
		t.advance(*l)
	}
	t.attend()
	t.hearken()
}

// hold keeps back what waited too long while there was no line. What may have arrived is looked for first.
func (t *turn) hold() {
	for _, l := range t.outbox.letters {
		if t.here(&l) && l.State == Queued && !l.Tried && t.stale(l) {
			t.become(l.ID, Held, "It waited for more than an hour.")
		}
	}
}

func (t *turn) stale(l letter) bool { return t.now.Sub(l.At) > staleTime }

// advance brings the next message out, or looks for it where it may have arrived already.
func (t *turn) advance(l letter) {
	b := &t.outbox
	switch {
	case t.now.Before(b.again):
		t.wait(b.again)
	case l.Tried && l.absent != t.session:
		t.seek(l)
	default:
		b.flight = flight{session: t.session, id: l.ID, first: !l.Tried}
		b.change(l.ID, func(l *letter) { l.State, l.Why, l.Tried, l.insists = Sending, "", true, false })
		t.do(store{t.session, b.flight.first, b.find(l.ID).Message})
	}
}

// seek looks for a message once the server has had time to store it.
func (t *turn) seek(l letter) {
	b := &t.outbox
	ready := b.calm.Add(settleTime)
	switch {
	case b.look.id != "":
	case t.now.Before(ready):
		t.wait(ready)
	default:
		b.look = flight{session: t.session, id: l.ID}
		t.do(check{t.session, l.ID})
	}
}

// watch waits for the message in flight. Silence after a send is doubt; a minute without confirmation is looked into.
func (t *turn) watch() {
	b := &t.outbox
	f := &b.flight
	if f.out.IsZero() {
		return
	}
	doubt, end := f.out.Add(doubtTime), f.out.Add(confirmTime)
	switch {
	case f.doubted:
	case t.now.Before(doubt):
		t.wait(doubt)
	default:
		f.doubted = true
		if !t.pulse.heard.After(f.out) {
			t.pulse = t.pulse.doubt(t.now)
			t.do(ping{t.session})
		}
	}
	switch {
	case t.now.Before(end):
		t.wait(end)
	case t.now.Before(b.again):
		t.wait(b.again)
	default:
		t.seek(*b.find(f.id))
	}
}

// attend looks for what a person asked about.
func (t *turn) attend() {
	for _, l := range t.outbox.letters {
		if l.asked && t.here(&l) {
			t.seek(l)
			return
		}
	}
}

// hearken asks the session to tell what users say only while that matters: parsing every event costs.
func (t *turn) hearken() {
	if want := t.outbox.awaits(t.target.Identity()); want != t.outbox.listens {
		t.outbox.listens = want
		t.do(listen{t.session, want})
	}
}

func (t *turn) wait(until time.Time) {
	if t.outbox.due.IsZero() || until.Before(t.outbox.due) {
		t.outbox.due = until
	}
}

// become gives a message its next state and stores it.
func (t *turn) become(id, state, why string) {
	t.outbox.change(id, func(l *letter) { l.State, l.Why = state, why })
	if t.outbox.flight.id == id {
		t.outbox.flight = flight{}
	}
	t.do(keep{t.outbox.find(id).Message})
}

// confirm ends a message's journey.
func (t *turn) confirm(l letter) {
	t.outbox.change(l.ID, func(l *letter) { l.State, l.Why, l.asked = Confirmed, "", false })
	if t.outbox.flight.id == l.ID {
		t.outbox.flight = flight{}
	}
	t.do(drop{l.Message})
}

// post takes what is told of messages.
func (t *turn) post(in input) {
	switch in := in.(type) {
	case written:
		t.written(in)
	case answered:
		if t.hears(in.session) {
			t.answered(in)
		}
	case said:
		t.said(in)
	case checked:
		if t.hears(in.session) && t.outbox.look.id == in.id {
			t.outbox.look = flight{}
			t.checked(in)
		}
	case Send:
		t.outbox.add(in.Message)
	case Decide:
		t.decide(in)
	}
}

func (t *turn) written(in written) {
	b := &t.outbox
	flies := t.hears(in.session) && b.flight.id == in.id
	switch {
	case in.why != "":
		b.change(in.id, func(l *letter) {
			if l.State == Sending {
				l.State, l.Why, l.Tried = Queued, in.why, !in.first
			}
		})
		if flies {
			b.flight, b.again = flight{}, t.now.Add(tryAgain)
		}
		return
	case !flies:
		return // it is looked for when there is a line again
	}
	b.change(in.id, func(l *letter) { l.After = in.after })
	b.flight.out = t.now
	t.do(transmit{t.session, in.id, b.find(in.id).Text})
}

func (t *turn) answered(in answered) {
	id := in.id
	if f := t.outbox.flight; id == "" && !f.out.IsZero() {
		id = f.id
	}
	l := t.outbox.find(id)
	switch {
	case l == nil || !l.lost():
	case in.state == Confirmed:
		t.confirm(*l)
	case in.state == Queued: // the server is busy with another one
		t.outbox.change(id, func(l *letter) { l.Tried = false })
		t.become(id, Queued, in.why)
		t.outbox.again = t.now.Add(tryAgain)
	case in.state == Failed:
		t.outbox.change(id, func(l *letter) { l.Tried = false }) // the server has said that it does not have it
		t.become(id, Failed, in.why)
	case l.State == Sending:
		t.outbox.change(id, func(l *letter) { l.State = Accepted })
	}
}

// said confirms a message by its return. The one on its way comes first, then the oldest that may have arrived.
func (t *turn) said(in said) {
	var match *letter
	for i := range t.outbox.letters {
		l := &t.outbox.letters[i]
		same := l.Text == in.text && l.Identity == in.identity && l.Conversation == in.conversation
		if f := t.outbox.flight; !same || !l.lost() || f.id == l.ID && f.first && f.out.IsZero() {
			continue // what has not gone out yet, somebody else said
		}
		if match == nil || !match.outgoing() && l.outgoing() {
			match = l
		}
	}
	switch {
	case match == nil:
	case in.kept:
		t.confirm(*match)
	case match.State == Sending:
		t.outbox.change(match.ID, func(l *letter) { l.State = Accepted })
	}
}

func (t *turn) checked(in checked) {
	b := &t.outbox
	l := b.find(in.id)
	if l == nil || !l.lost() {
		return
	}
	asked := l.asked
	b.change(in.id, func(l *letter) { l.asked = false })
	switch {
	case in.result == unanswered:
		b.again = t.now.Add(tryAgain)
		if asked {
			t.become(in.id, l.State, "The server's history could not be asked.")
		}
	case in.result == blind && !l.insists:
		t.become(in.id, Unknown, "It may have arrived, and this server keeps no history to look into.")
	case !l.outgoing():
		t.become(in.id, l.State, "The server's history does not have it.")
	case b.flight.id == in.id:
		// The line was up all the time, so the server has the frame; a second one could double the message.
		t.become(in.id, Unknown, "The server has not shown it within a minute, and its history does not have it.")
	case t.stale(*l):
		t.become(in.id, Held, "It waited for more than an hour, and has not arrived.")
	default:
		b.change(in.id, func(l *letter) { l.absent = t.session })
	}
}

// verbs are what a person may say about a message now. One in flight cannot be taken back.
func (b *outbox) verbs(l *letter) []Verb {
	if b.flight.id == l.ID {
		return nil
	}
	switch l.State {
	case Queued, Sending, Accepted:
		return []Verb{VerbDiscard}
	case Failed:
		return []Verb{VerbRetry, VerbDiscard}
	case Held:
		return []Verb{VerbSend, VerbDiscard}
	case Unknown:
		return []Verb{VerbCheck, VerbRetry, VerbDiscard}
	}
	return nil
}

// decide does what a person said. What does not fit the state any more is let go: they will see what became of it.
func (t *turn) decide(in Decide) {
	l := t.outbox.find(in.ID)
	if l == nil || !slices.Contains(t.outbox.verbs(l), in.Verb) {
		return
	}
	switch in.Verb {
	case VerbDiscard:
		m := l.Message
		t.outbox.change(in.ID, func(l *letter) { l.State = "" })
		t.do(drop{m})
	case VerbCheck:
		t.outbox.change(in.ID, func(l *letter) { l.asked = true })
	default:
		t.outbox.change(in.ID, func(l *letter) { l.At, l.insists = t.now, in.Verb == VerbRetry })
		t.become(in.ID, Queued, "")
	}
}

// busy says whether a moment more would bring a message to its end.
func (m *machine) busy() bool {
	if m.phase != Online || m.syncing {
		return false
	}
	l := m.next()
	return m.outbox.flight.id != "" || l != nil && !l.Tried
}
