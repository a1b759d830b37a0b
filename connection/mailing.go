package connection

import (
	"errors"

	"handline/persistence"
)

// mailing is one change of the outbox that is to be on disk.
type mailing struct {
	put, drop persistence.Message // one of them
	// told makes it a message's way out: it hears whether "sending" is on disk, and where a search begins. A way out that
	// could not be stored is forgotten, since it will be asked for again.
	told     func(after string, err error)
	first    bool                              // it was never tried: the place reached is stored with it
	bookmark func() (persistence.Cursor, bool) // that place; false = nobody knows it now
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
		if err = s.save(persistence.Batch{Drop: []persistence.Message{m.drop}}); err == nil {
			s.unpin(m.drop)
		}
	default:
		if err = s.save(persistence.Batch{Put: []persistence.Message{m.put}}); err == nil && m.put.State != Sending {
			s.unpin(m.put)
		}
	}
	return "", err
}

// sending writes that a message goes out, in one transaction with the place reached where it is the first time. From
// then on the conversation's cursor stays at that place: whoever starts from it, after a crash too, is brought the
// message's echo.
func (s *saver) sending(m mailing) (after string, err error) {
	k := bookKey{m.put.Identity, m.put.Conversation}
	b := persistence.Batch{Put: []persistence.Message{m.put}}
	s.pin(m.put)
	if m.first {
		c, ok := m.bookmark()
		if !ok {
			s.unpin(m.put)
			return "", errMoving
		}
		b.Put[0].After = c.At
		b.Identity, b.Conversation, b.Cursor = k.identity, k.conversation, &c
	}
	if err = s.save(b); err != nil {
		s.unpin(m.put)
		return "", err
	}
	if b.Cursor != nil {
		s.mu.Lock()
		s.stored[k] = mark(*b.Cursor)
		s.mu.Unlock()
	}
	return b.Put[0].After, nil
}

// pin holds a conversation's cursor where it is, because a message of it may have arrived.
func (s *saver) pin(m persistence.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins[bookKey{m.Identity, m.Conversation}] = m.ID
}

// unpin lets the cursor go on, if it was this message that held it.
func (s *saver) unpin(m persistence.Message) {
	k := bookKey{m.Identity, m.Conversation}
	s.mu.Lock()
	mine := s.pins[k] == m.ID
	if mine {
		delete(s.pins, k)
	}
	s.mu.Unlock()
	if mine {
		s.poke()
	}
}
