package connection

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// frame decodes one frame and does what it says. An error ends the session.
func (s *session) frame(ctx context.Context, b []byte, binary bool, kids *sync.WaitGroup) error {
	now := s.line.read
	s.mu.Lock()
	s.state.heard, s.largest = now, max(s.largest, len(b))
	if s.holding && s.heldLen > heldLimit {
		s.mu.Unlock()
		return network.Failure{Cause: network.Unavailable, Detail: "too much came while a gap was being filled"}
	}
	e, err := s.codec.Decode(b, binary)
	if err != nil {
		mad, loud := s.bad.note(now), now.Sub(s.bad.logged) > time.Minute
		if loud {
			s.bad.logged = now
		}
		s.mu.Unlock()
		if loud {
			s.log.Warn("dropped a frame", "error", err, "size", len(b), "sample", sample(b))
		}
		if mad {
			return network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Status: 1007, Detail: "ten frames in a minute made no sense"}
		}
		return nil
	}
	quiet := s.count(&e, len(b))
	for i := range e.Then {
		quiet = s.count(&e.Then[i], len(e.Then[i].Body)) && quiet
	}
	if e.Kind != wire.Beat && e.Kind != wire.Pong { // a server that hangs may still answer pings
		s.lastly = now
	}
	overheard := len(s.overheard) > 0
	s.mu.Unlock()
	if overheard {
		s.report()
	}
	if !quiet {
		s.mark()
	}
	err = s.obey(ctx, &e, kids)
	for i := 0; i < len(e.Then) && err == nil; i++ {
		err = s.obey(ctx, &e.Then[i], kids)
	}
	return err
}

// count takes one event of a frame, of size bytes, and says whether it is nothing to publish. s.mu is held.
func (s *session) count(e *wire.Event, size int) (quiet bool) {
	if e.Kind == wire.Message && s.holding {
		late := *e
		late.ID, late.Cursor, late.Name, late.Body = slices.Clone(e.ID), slices.Clone(e.Cursor), slices.Clone(e.Name), slices.Clone(e.Body)
		late.Then = nil
		s.held, s.heldLen = append(s.held, late), s.heldLen+size
	} else {
		s.apply(e)
	}
	if e.Kind == wire.Ready {
		s.isReady, s.holding, s.readyAt = true, s.fills(e), time.Now()
		s.state.syncing = s.holding || s.catchesUp(e)
	} else if e.Kind == wire.Message && e.Replay && !e.More && s.isReady && !s.holding && s.place.Dialect == wire.Session {
		s.state.syncing = false // the last of what was missed
	}
	if e.MaxFrame > 0 {
		s.maxFrame = e.MaxFrame
	}
	return e.Kind == wire.Beat || e.Kind == wire.Nothing && e.Agent == wire.AgentUnknown && len(e.Cursor) == 0
}

// fills says whether Ready leaves a gap that the server's history can fill.
func (s *session) fills(e *wire.Event) bool {
	return e.Kind == wire.Ready && e.Gap && s.opt.History != nil
}

// catchesUp says whether the socket has yet to bring what was missed, and will tell when it has.
func (s *session) catchesUp(e *wire.Event) bool {
	return e.More || s.place.Dialect == wire.VoiceCode
}

// obey does what an event asks for beyond being counted.
func (s *session) obey(ctx context.Context, e *wire.Event, kids *sync.WaitGroup) error {
	if e.Reply != nil {
		select {
		case s.out <- slices.Clone(e.Reply):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch e.Kind {
	case wire.Ready:
		fill := s.fills(e)
		s.tell(ctx, ready{s.session, fill || s.catchesUp(e)})
		if fill {
			kids.Go(func() { s.fill(ctx) })
		}
	case wire.Ack:
		state := Accepted
		if e.Final {
			state = Confirmed
		}
		s.tell(ctx, answered{s.session, string(e.ID), state, ""})
	case wire.Rejected:
		state, why := Failed, "The server did not take it: "
		switch {
		case e.Busy:
			state, why = Queued, "The server asks to wait: "
		case e.Vague:
			state, why = Unknown, "It may have arrived. The server only said: "
			s.log.Warn("the server complained, and did not say of what", "what", tidy(e.Reason))
		}
		s.tell(ctx, answered{s.session, string(e.ID), state, tidy(why + e.Reason)})
	case wire.Refused:
		return refused(*e)
	case wire.Draining:
		return network.Failure{Cause: network.Draining, After: e.After, Detail: e.Reason}
	case wire.Nothing, wire.Synced:
		if e.Reason != "" {
			s.log.Warn("the server said something odd", "what", e.Reason)
		}
	}
	return nil
}

func refused(e wire.Event) network.Failure {
	f := network.Failure{Cause: network.Unavailable, Detail: e.Reason}
	switch {
	case e.Auth:
		f.Cause, f.Verdict = network.Auth, network.Final
	case e.Barred:
		f.Cause, f.Verdict = network.Forbidden, network.Final
	case e.Nowhere:
		f.Cause, f.About, f.Verdict = network.NotABackend, network.NoNamespace, network.Final
	case e.Outdated:
		f.Cause, f.Verdict = network.Protocol, network.Final
	case e.Final:
		f.Cause, f.Verdict = network.Gone, network.Final
	}
	return f
}

// apply counts an event once and hands it on. s.mu is held: that is what keeps the order.
func (s *session) apply(e *wire.Event) {
	if e.Agent != wire.AgentUnknown {
		s.state.agent = e.Agent
	}
	if e.Kind == wire.Message {
		fresh := s.journey.first(e.ID)
		if s.listens.Load() {
			s.overhear(e, fresh)
		}
		if fresh {
			s.deliver(e)
		} else if !e.Replay && s.place.Dialect != wire.Session {
			// A repeat that was held back may lie behind what history brought. One that a replay or history brings comes
			// in order, and a session's has its number only now if it came before it was stored.
			return
		}
	}
	if len(e.Cursor) > 0 {
		s.journey.reached(e.Cursor)
	}
	if e.Kind == wire.Synced {
		s.state.syncing, s.syncedAt = false, time.Now()
	}
}

func (s *session) deliver(e *wire.Event) {
	s.applied.Add(1)
	if s.opt.Deliver != nil {
		s.opt.Deliver(s.target, *e)
	}
}

// fill asks the server's history for what the socket did not bring, applies it, and then lets the held messages go. A
// history that cannot be read is asked again, slower each time, and no sooner than the server says; until it answers,
// nothing after the gap is applied, so that a crash in between loses nothing. A web page in its place may be a portal's,
// and is believed the third time.
func (s *session) fill(ctx context.Context) {
	for try := 1; ; try++ {
		err := s.catchUp(ctx)
		var f network.Failure
		if suspect := errors.As(err, &f) && f.Suspect; err == nil || noHistory(err) && (!suspect || try > 2) {
			if err != nil {
				s.log.Warn("the server keeps no history: what was published during the greeting may be missing", "error", err)
			}
			s.release()
			return
		}
		s.log.Warn("could not fill a gap from the server's history", "error", err)
		if f.Verdict == network.Thrice && try > 2 {
			s.end(f) // the line had better say so
		}
		wait := time.NewTimer(max(min(time.Duration(try)*time.Second, 30*time.Second), min(f.After, 10*time.Minute)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// catchUp applies what the server's history has after the place reached. A refusal for good, such as of the key, ends the
// session: what is missing would never come, and the line would look well. It is believed the third time, since the
// socket was let in by the same key.
func (s *session) catchUp(ctx context.Context) error {
	err := s.opt.History(ctx, s.place, s.cursor(), func(item []byte) error {
		s.mu.Lock()
		e, err := s.codec.Item(item)
		if err == nil && ctx.Err() == nil {
			e.Replay = true
			s.apply(&e)
		}
		s.mu.Unlock()
		s.report()
		return ctx.Err()
	})
	var f network.Failure
	if errors.As(err, &f) && f.Verdict == network.Final && !noHistory(err) {
		f.Verdict = network.Thrice
		s.end(f)
	}
	return err
}

// noHistory says whether the server has answered that there is no history to be asked. An answer that broke off within
// its first line is no backend's either, and says nothing of the kind.
func noHistory(err error) bool {
	var f network.Failure
	return errors.As(err, &f) && f.Cause == network.NotABackend && (f.Status/100 == 2 || f.Status/100 == 4)
}

func (s *session) cursor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.journey.cursor)
}

// release applies what was held back and ends the syncing.
func (s *session) release() {
	s.mu.Lock()
	for i := range s.held {
		s.apply(&s.held[i])
	}
	s.held, s.heldLen, s.holding, s.state.syncing = nil, 0, false, false
	s.mu.Unlock()
	s.report()
	s.mark()
}
