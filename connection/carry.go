package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"handline/connection/wire"
	"handline/persistence"
)

// This file is the outbox's hands in a session: it carries messages out, hears them come back, and looks for them.

// carry writes one message. What no frame can hold, or no server takes, never leaves.
func (s *session) carry(ctx context.Context, t transmit) error {
	frame, err := s.codec.Encode(t.id, t.text)
	s.mu.Lock()
	most := s.maxFrame
	s.mu.Unlock()
	switch {
	case err != nil:
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			err = inner // the innermost says what is wrong; the others, with what it was wrong
		}
		s.tell(ctx, answered{s.session, t.id, Failed, tidy("It cannot be sent: " + err.Error())})
		return nil
	case most > 0 && len(frame) > most:
		s.tell(ctx, answered{s.session, t.id, Failed,
			fmt.Sprintf("It is too long: %s, and this server takes %s at most.", kilobytes(len(frame)), kilobytes(most))})
		return nil
	}
	return s.write(frame)
}

func kilobytes(n int) string { return fmt.Sprintf("%d KB", (n+999)/1000) }

// overhear notes what a user said, for the machine to find its own message in it. s.mu is held.
//
// The agent-server's session socket may bring an event before it is stored, without a number, and again with one. Until
// then the server could still lose it.
func (s *session) overhear(e wire.Event, fresh bool) {
	text, ok := s.codec.Said(e.Body)
	if !ok || len(e.ID) == 0 {
		return
	}
	kept := s.place.Dialect != wire.Session || len(e.Cursor) > 0
	switch {
	case fresh && !kept:
		s.journey.rumour = string(e.ID)
	case fresh:
	case kept && s.journey.rumour == string(e.ID):
		s.journey.rumour = ""
	default:
		return // a repeat
	}
	cursor := e.Cursor
	if len(cursor) == 0 {
		cursor = s.journey.cursor
	}
	s.overheard = append(s.overheard, said{identity: s.target.Identity(), conversation: s.place.Hello.Conversation,
		text: text, cursor: string(cursor), kept: kept})
}

// report gives what was overheard to the machine. It is never skipped, not even by a session that was hung up on: the
// event was applied, and nobody would bring it again.
func (s *session) report() {
	s.mu.Lock()
	all := s.overheard
	s.overheard = nil
	s.mu.Unlock()
	for _, one := range all {
		s.tell(s.always, one)
	}
}

// bookmark is the place reached, unless the session has ended and another one may be moving it.
func (s *session) bookmark() (persistence.Cursor, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return persistence.Cursor{}, false
	}
	return s.journey.save(), true
}

var errFound = errors.New("found")

// seek looks for a message in the server's history.
func (s *session) seek(ctx context.Context, m persistence.Message) {
	c := checked{session: s.session, id: m.ID}
	switch {
	case s.place.Dialect == wire.Session:
		// Everything since the message was tried has come by this socket and was compared: it is not there.
	case s.opt.History == nil || s.place.Hello.Conversation == "" || s.place.Dialect == wire.VoiceCode:
		c.result = blind // voice-code's history leaves out what users say, or cuts it short
	default:
		err := s.search(ctx, m, func(cursor string) { c.result, c.cursor = found, cursor })
		if err != nil {
			s.log.Warn("could not look for a message in the server's history", "error", err)
			c.result = unanswered
		}
	}
	s.tell(ctx, c)
}

// search calls hit with the place after the first event that is the message.
func (s *session) search(ctx context.Context, m persistence.Message, hit func(cursor string)) error {
	hello := s.place.Hello
	hello.Cursor = m.After
	codec, err := wire.New(s.place.Dialect, hello) // the session's own is moved by what it reads
	if err != nil {
		return err
	}
	err = s.opt.History(ctx, s.place, m.After, func(item []byte) error {
		e, err := codec.Item(item)
		if err != nil {
			return nil // an event that cannot be read is not one that we sent
		}
		if text, ok := codec.Said(e.Body); ok && text == m.Text {
			hit(string(e.Cursor))
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

// tidy makes a server's words fit to be shown: one short line.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
