package connection

import "slices"

// This file takes what becomes of messages: on the disk, at the server and in a person's mind. Like step.go it is pure.

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
		t.readdress()
	case Decide:
		t.decide(in)
	}
}

// readdress gives what was sent to the conversation by the user's name for it the server's own name, once that is known:
// agent-servers take an id without its dashes. Cursors and echoes hang on the server's.
func (t *turn) readdress() {
	theirs, named := t.conversation, t.target.Conversation
	if theirs == named || theirs == "" || named == "" {
		return
	}
	for _, l := range t.outbox.letters {
		if l.Identity == t.target.Identity() && l.Conversation == named && l.State != Confirmed {
			t.outbox.change(l.ID, func(l *letter) { l.Conversation = theirs })
			t.do(move{l.Message, t.outbox.find(l.ID).Message})
		}
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
	case l.State != Sending:
	case in.state == Unknown: // never Failed: that is sent again without a look, and could double
		t.become(id, Unknown, in.why)
	default:
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
