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
//
// Messages go over the socket and never by a request of their own. A conversation without a socket takes none that way
// either: it sleeps (409), has ended (410) or starts (503), as the look before each dial has found out and said. And where
// only requests got through, nothing would show that a message has arrived.
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
			fmt.Sprintf("It is too long: %d KB, and this server takes %d KB at most.", (len(frame)+999)/1000, most/1000)})
		return nil
	}
	return s.write(ctx, frame)
}

// overhear notes what a user said, for the machine to find its own message in it. s.mu is held.
//
// The agent-server's session socket may bring an event before it is stored, without a number, and again with one. Until
// then the server could still lose it.
func (s *session) overhear(e *wire.Event, fresh bool) {
	text, ok := s.codec.Said(e.Body)
	if !ok || len(e.ID) == 0 {
		return
	}
	fresh = fresh || s.journey.recall(e.ID)
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
	s.overheard = append(s.overheard, said{s.target.Identity(), s.place.Hello.Conversation, text, kept})
}

// report gives what was overheard to the machine. It is never skipped, not even by a session that was hung up on: the
// event was applied, and nobody would bring it again. When report returns, all that was applied before it is told.
func (s *session) report() {
	s.telling.Lock() // the loop never waits for it
	defer s.telling.Unlock()
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
	return s.journey.bookmark(), true
}

// seek makes sure that all the server has stored was applied, and so was overheard: a message that is not known then has
// not arrived. It never finds one by itself, because the same event would come by the socket once more, and could be
// taken for another message of the same text.
func (s *session) seek(ctx context.Context, id string) {
	c := checked{session: s.session, id: id}
	switch {
	case s.place.Dialect == wire.Session: // the socket leaves nothing out
	case s.place.Dialect == wire.VoiceCode, s.place.Hello.Conversation == "", s.opt.History == nil:
		c.result = blind // voice-code's history leaves out what users say, or cuts it short
	default:
		c.result = s.refill(ctx)
	}
	s.report()
	s.tell(ctx, c)
}

// refill applies what the history has and the socket has not brought.
func (s *session) refill(ctx context.Context) result {
	s.mu.Lock()
	s.holding = true
	s.mu.Unlock()
	err := s.catchUp(ctx)
	s.release()
	switch {
	case err == nil:
		return absent
	case noHistory(err):
		return blind
	}
	s.log.Warn("could not look for a message in the server's history", "error", err)
	return unanswered
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
