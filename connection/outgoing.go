package connection

import "time"

// This file brings messages out while there is a line. Like step.go it is pure.

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
	left := b.left()
	doubt, end := left.Add(doubtTime), left.Add(confirmTime)
	switch {
	case f.doubted:
	case t.now.Before(doubt):
		t.wait(doubt)
	default:
		f.doubted = true
		if !t.pulse.heard.After(f.out) {
			t.pulse = t.pulse.doubt(t.now, 0)
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

// slowest is the slowest uplink that is waited for, in bytes a second: what a phone has at the edge of a village.
const slowest = 16 << 10

// left is by when the message in flight has left this computer, zero = none is out. Pings wait behind it, and their pongs.
func (b *outbox) left() time.Time {
	l := b.find(b.flight.id)
	if l == nil || b.flight.out.IsZero() {
		return time.Time{}
	}
	return b.flight.out.Add(time.Duration(len(l.Text)/slowest) * time.Second)
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

// busy says whether a moment more may bring a message to its end. While the line catches up it may take longer.
func (m *machine) busy() bool {
	if m.phase != Online {
		return false
	}
	l := m.next()
	return m.outbox.flight.id != "" || l != nil && !l.Tried
}
