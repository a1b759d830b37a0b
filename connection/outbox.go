package connection

import (
	"cmp"
	"slices"
	"time"

	"handline/persistence"
)

// The outbox decides what becomes of messages: this file knows them, outgoing.go brings them out, outcome.go takes what
// is told of them. All three are pure, as step.go is. The rules are:
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
		state   string // Accepted, Confirmed, Failed, Queued: not now, or Unknown: it complained of something
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
	keep struct{ message persistence.Message }  // what became of it
	drop struct{ message persistence.Message }  // it is done with
	move struct{ from, to persistence.Message } // it belongs to the conversation under another name
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
