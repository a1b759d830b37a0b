package connection

import (
	"errors"

	"handline/persistence"
)

// mailing is one change of the outbox that is to be on disk.
type mailing struct {
	put, drop persistence.Message // one of them; both: it moves
	// told makes it a message's way out: it hears whether "sending" is on disk, and where a search begins. A way out that
	// could not be stored is forgotten, since it will be asked for again.
	told     func(after string, err error)
	bookmark func() (persistence.Cursor, bool) // the place reached, which is stored with it; false = nobody knows it now
}

// errMoving: the session that knew the place has ended.
var errMoving = errors.New("the line has just ended")

// post takes a change of the outbox. It is written at once, and in order.
func (s *saver) post(m mailing) {
	s.mu.Lock()
	s.mail = append(s.mail, m)
	s.mu.Unlock()
	select {
	case s.urgent <- struct{}{}:
	default:
	}
}

// deliver writes the changes of the outbox. After a failure those that nobody waits for stay, in their order.
func (s *saver) deliver() error {
	s.mu.Lock()
	mail := s.mail
	s.mail = nil
	s.mu.Unlock()
	var broken error
	var left []mailing
	for _, m := range mail {
		after, err := "", broken
		if err == nil {
			after, err = s.mailed(m)
		}
		switch {
		case m.told != nil:
			m.told(after, err)
		case err != nil:
			left = append(left, m)
		}
		if err != nil && err != errMoving {
			broken = err
		}
	}
	if len(left) > 0 {
		s.mu.Lock()
		s.mail = append(left, s.mail...)
		s.mu.Unlock()
	}
	return broken
}

// mailed writes one change.
func (s *saver) mailed(m mailing) (after string, err error) {
	switch {
	case m.told != nil:
		return s.sending(m)
	case m.drop.ID != "":
		b := persistence.Batch{Drop: []persistence.Message{m.drop}}
		if m.put.ID != "" {
			b.Put = []persistence.Message{m.put}
		}
		if err = s.save(b); err == nil {
			s.unpin(m.drop)
		}
	default:
		if err = s.save(persistence.Batch{Put: []persistence.Message{m.put}}); err == nil && m.put.State != Sending {
			s.unpin(m.put)
		}
	}
	return "", err
}

// sending writes that a message goes out, in one transaction with the place reached.
func (s *saver) sending(m mailing) (after string, err error) {
	k := bookKey{m.put.Identity, m.put.Conversation}
	old := s.withdraw(k) // older than the bookmark; what is kept from now on is newer
	c, ok := m.bookmark()
	if !ok {
		s.giveBack(k, old)
		return "", errMoving
	}
	m.put.After = c.At
	s.pin(m.put)
	err = s.save(persistence.Batch{Identity: k.identity, Conversation: k.conversation, Cursor: &c, Put: []persistence.Message{m.put}})
	if err != nil {
		s.unpin(m.put)
		s.giveBack(k, &c)
		return "", err
	}
	s.mu.Lock()
	s.stored[k] = mark(c)
	s.mu.Unlock()
	return m.put.After, nil
}

// withdraw takes out the place that waits to be stored, nil = none.
func (s *saver) withdraw(k bookKey) *persistence.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.cursors[k]
	delete(s.cursors, k)
	if !ok {
		return nil
	}
	return &c
}

// giveBack lets a place wait again, unless a newer one does.
func (s *saver) giveBack(k bookKey, c *persistence.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, newer := s.cursors[k]; c != nil && !newer {
		s.cursors[k] = *c
	}
}

// pin holds a conversation's stored cursor where a message went out. Whoever starts from there, after a crash too, is
// brought all that may be its echo.
func (s *saver) pin(m persistence.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins[bookKey{m.Identity, m.Conversation}] = m
}

// pinned is what may be stored of a place, false = nothing yet: it no longer knows what was applied since the pin, whose
// message is on its way out of the outbox. s.mu is held.
func (s *saver) pinned(k bookKey, c persistence.Cursor) (persistence.Cursor, bool) {
	m, pinned := s.pins[k]
	switch {
	case !pinned && s.behind[k]:
	case !pinned:
		c.Since = nil
	case len(c.Since) == 0 && c.At != m.After:
		return c, false
	default:
		c.At = m.After
	}
	return c, true
}

// unpin lets the cursor go on, if it was this message that held it.
func (s *saver) unpin(m persistence.Message) {
	k := bookKey{m.Identity, m.Conversation}
	s.mu.Lock()
	mine := s.pins[k].ID == m.ID
	if mine {
		delete(s.pins, k)
	}
	s.mu.Unlock()
	if mine {
		s.poke()
	}
}
