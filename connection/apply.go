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
	now := time.Now()
	s.mu.Lock()
	s.state.heard = now
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
	quiet := e.Kind == wire.Beat || e.Kind == wire.Nothing && e.Agent == wire.AgentUnknown
	if e.Kind == wire.Message && s.holding {
		e.ID, e.Cursor, e.Name, e.Body = slices.Clone(e.ID), slices.Clone(e.Cursor), slices.Clone(e.Name), slices.Clone(e.Body)
		s.held, s.heldLen = append(s.held, e), s.heldLen+len(b)
	} else {
		s.apply(e)
	}
	s.lastly = now
	fill := e.Kind == wire.Ready && e.Gap && s.opt.History != nil
	if e.Kind == wire.Ready {
		s.isReady, s.holding = true, fill
		s.state.syncing = fill || s.place.Dialect == wire.Session // that one says when everything missed has come
	}
	s.mu.Unlock()
	if !quiet {
		s.mark()
	}
	return s.obey(ctx, e, fill, kids)
}

// obey does what an event asks for beyond being counted.
func (s *session) obey(ctx context.Context, e wire.Event, fill bool, kids *sync.WaitGroup) error {
	if e.Reply != nil {
		select {
		case s.out <- slices.Clone(e.Reply):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch e.Kind {
	case wire.Ready:
		s.tell(ctx, ready{s.session, fill || s.place.Dialect == wire.Session})
		if fill {
			kids.Go(func() { s.fill(ctx) })
		}
	case wire.Refused:
		return refused(e)
	case wire.Draining:
		return network.Failure{Cause: network.Draining, After: e.After, Detail: e.Reason}
	}
	return nil
}

func refused(e wire.Event) network.Failure {
	f := network.Failure{Cause: network.Unavailable, After: e.After, Detail: e.Reason}
	switch {
	case e.Auth:
		f.Cause, f.Verdict = network.Auth, network.Final
	case e.Final:
		f.Cause, f.Verdict = network.Gone, network.Final
	}
	return f
}

// apply counts an event once and hands it on. s.mu is held: that is what keeps the order.
func (s *session) apply(e wire.Event) {
	if e.Agent != wire.AgentUnknown {
		s.state.agent = e.Agent
	}
	if e.Kind == wire.Message {
		if !s.journey.first(e.ID) {
			return // a repeat moves nothing: what was held back may lie behind what history brought
		}
		s.applied.Add(1)
		if s.opt.Deliver != nil {
			s.opt.Deliver(s.target, e)
		}
	}
	if len(e.Cursor) > 0 {
		s.journey.reached(e.Cursor)
	}
	if e.Kind == wire.Synced {
		s.state.syncing = false
	}
}

// fill asks the server's history for what the socket did not bring, applies it, and then lets the held messages go. A
// history that cannot be read is asked again, slower each time; until it answers, nothing after the gap is applied, so
// that a crash in between loses nothing.
func (s *session) fill(ctx context.Context) {
	for try := 1; ; try++ {
		err := s.opt.History(ctx, s.place, s.cursor(), func(item []byte) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			e, err := s.codec.Item(item)
			if err == nil && ctx.Err() == nil {
				e.Replay = true
				s.apply(e)
			}
			return ctx.Err()
		})
		if f := (network.Failure{}); err == nil || errors.As(err, &f) && f.Cause == network.NotABackend {
			if err != nil {
				s.log.Warn("the server keeps no history: what was published during the greeting may be missing", "error", err)
			}
			s.release()
			return
		}
		s.log.Warn("could not fill a gap from the server's history", "error", err)
		wait := time.NewTimer(min(time.Duration(try)*time.Second, 30*time.Second))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

func (s *session) cursor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.journey.cursor)
}

// release applies what was held back and ends the syncing.
func (s *session) release() {
	s.mu.Lock()
	for _, e := range s.held {
		s.apply(e)
	}
	s.held, s.heldLen, s.holding, s.state.syncing = nil, 0, false, false
	s.mu.Unlock()
	s.mark()
}
