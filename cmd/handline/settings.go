package main

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"handline/connection"
	"handline/connection/wire"
	"handline/persistence"
)

// settings is the configuration of a running app: read by all at any time, changed by one at a time. The file is the
// truth: each change begins with reading it, so what was edited by hand is taken up and never overwritten. A mistake in it
// is an answer to who wants the change, and nothing changes.
type settings struct {
	path  string
	tell  func(context.Context, connection.Command) error
	turn  chan struct{} // holds the one right to change
	inUse atomic.Pointer[persistence.Config]
	// thrifty: the computer saves power.
	thrifty atomic.Bool
	// changed holds one token after a change, for the one face that shows the configuration.
	changed chan struct{}
}

func newSettings(path string, c persistence.Config, tell func(context.Context, connection.Command) error) *settings {
	s := &settings{path: path, tell: tell, turn: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	s.inUse.Store(&c)
	return s
}

func (s *settings) now() persistence.Config { return *s.inUse.Load() }

// change edits the configuration, stores it, and tells the line what that means for it.
func (s *settings) change(ctx context.Context, edit func(*persistence.Config) error) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("changing the configuration: %w", ctx.Err())
	}
	file, err := persistence.ReadConfig(s.path)
	if err != nil {
		return err
	}
	next := file
	if err := edit(&next); err != nil {
		return err
	}
	// A newer Handline's file is never written; what it says is still taken up.
	if file.Version <= persistence.ConfigVersion || string(next.Encode()) != string(file.Encode()) {
		if err := persistence.SaveConfig(s.path, next); err != nil {
			return err
		}
	}
	last := s.now()
	s.inUse.Store(&next)
	select {
	case s.changed <- struct{}{}:
	default: // the last one has not been seen yet
	}
	return s.announce(ctx, last, next)
}

// announce tells the line of what changed, and nothing else: a line is not moved to where it is.
func (s *settings) announce(ctx context.Context, last, next persistence.Config) error {
	if was, is := s.pace(last), s.pace(next); was != is {
		if err := s.tell(ctx, is); err != nil {
			return err
		}
	}
	if was, is := target(last), target(next); was != is {
		return s.tell(ctx, connection.Use{Target: is})
	}
	return nil
}

// thriftyPulse is the time between two pings while the computer saves power: an alarm a minute costs it little.
const thriftyPulse = time.Minute

// pace is the configuration's, with a slower pulse while the computer saves power and nobody looks.
func (s *settings) pace(c persistence.Config) connection.Tune {
	p := pace(c)
	if s.thrifty.Load() {
		p.Heartbeat.Idle = max(p.Heartbeat.Idle, thriftyPulse)
	}
	return p
}

// savePower tells the line that the computer begins or ends to save power.
func (s *settings) savePower(ctx context.Context, on bool) error {
	if s.thrifty.Swap(on) == on {
		return nil
	}
	return s.tell(ctx, s.pace(s.now()))
}

// target is what the configuration says to connect with.
func target(c persistence.Config) wire.Target {
	params := url.Values{}
	for name, value := range c.Params {
		params.Set(name, value)
	}
	return wire.Target{
		Server:       c.Server,
		Conversation: c.Conversation,
		Dialect:      wire.Dialect(c.Dialect),
		Params:       params.Encode(),
		Path:         c.Path,
		Namespace:    c.Namespace,
	}
}

// pace is what the configuration says of retries and the pulse.
func pace(c persistence.Config) connection.Tune {
	r, h := c.Retry, c.Heartbeat
	return connection.Tune{
		Retry: connection.Retry{
			Initial:  time.Duration(r.InitialDelay),
			Factor:   r.Factor,
			Max:      time.Duration(r.MaxDelay),
			Attempts: r.MaxAttempts,
			Jitter:   r.Jitter,
		},
		Heartbeat: connection.Heartbeat{
			Idle:    time.Duration(h.Idle),
			Looking: time.Duration(h.Looking),
			Timeout: time.Duration(h.Timeout),
		},
	}
}
