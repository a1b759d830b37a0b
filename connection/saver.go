package connection

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"handline/persistence"
)

const (
	saveEach  = time.Second      // performance: one commit a second costs nothing that could be measured
	saveAgain = 10 * time.Second // after a failure: a full disk is not helped by hammering it
	saveTally = time.Minute      // an outage may last for days, and each of its dials is worth a count and no write
)

// saver writes what changed, in order, at most once a second. Cursors and intent are latest-wins; notes are never
// skipped, only bounded. keep and add may be called from anywhere.
type saver struct {
	save  func(persistence.Batch) error
	log   *slog.Logger
	ready chan struct{}

	mu      sync.Mutex
	cursors map[bookKey]persistence.Cursor
	stored  map[bookKey]string // what marks the cursor on disk
	wanted  *bool
	notes   []persistence.Entry
	missed  persistence.Failures
	tallied time.Time // the first that is in missed, zero = none is
	mail    []mailing
	pins    map[bookKey]persistence.Message // in flight: it holds the conversation's cursor in its place
	behind  map[bookKey]bool                // the cursors that are so
	urgent  chan struct{}

	asked chan chan<- error // to write all that is pending now, and say how it went
}

const mostNotes = 1000 // kept while the disk is full

func newSaver(save func(persistence.Batch) error, log *slog.Logger) *saver {
	return &saver{save: save, log: log, ready: make(chan struct{}, 1),
		cursors: make(map[bookKey]persistence.Cursor), stored: make(map[bookKey]string),
		missed: make(persistence.Failures), pins: make(map[bookKey]persistence.Message), behind: make(map[bookKey]bool),
		urgent: make(chan struct{}, 1), asked: make(chan chan<- error)}
}

// mark tells two cursors apart: an event without a place of its own moves only the names.
func mark(c persistence.Cursor) string {
	if n := len(c.Recent); n > 0 {
		return c.At + "\n" + c.Recent[n-1]
	}
	return c.At
}

// keep remembers a cursor to store. One that has not moved is not stored again. behind says that the line has yet to
// bring again what was applied since the cursor.
func (s *saver) keep(identity, conversation string, c persistence.Cursor, behind bool) {
	k := bookKey{identity, conversation}
	s.mu.Lock()
	s.behind[k] = behind
	moved := s.stored[k] != mark(c)
	if moved {
		s.cursors[k] = c
	} else {
		delete(s.cursors, k) // what waits is older than what is stored
	}
	s.mu.Unlock()
	if moved {
		s.poke()
	}
}

// has says whether a cursor is on disk as it stands.
func (s *saver) has(k bookKey, c persistence.Cursor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[k] == mark(c)
}

func (s *saver) add(b persistence.Batch) {
	s.mu.Lock()
	if b.Wanted != nil {
		s.wanted = b.Wanted
	}
	s.notes = append(s.notes, b.Notes...)
	if over := len(s.notes) - mostNotes; over > 0 {
		s.notes = append(s.notes[:0], s.notes[over:]...)
	}
	s.mu.Unlock()
	s.poke()
}

// miss counts a dial that came to nothing. It is stored with what else there is to store, or else a minute later.
func (s *saver) miss(at time.Time, cause string) {
	s.mu.Lock()
	s.missed.Add(at.Format(time.DateOnly), cause, 1)
	if s.tallied.IsZero() {
		s.tallied = at
	}
	due := at.Sub(s.tallied) >= saveTally
	s.mu.Unlock()
	if due {
		s.poke()
	}
}

// pending is what miss has counted and nobody has stored.
func (s *saver) pending() persistence.Failures {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(persistence.Failures)
	all.Merge(s.missed)
	return all
}

func (s *saver) poke() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *saver) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var ready chan struct{} // nil during the pause; an idle line sets no timer
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.urgent: // messages wait for no pause
			if s.deliver() != nil {
				s.poke()
			}
		case answer := <-s.asked:
			answer <- s.flush()
		case <-pause.C:
			ready = s.ready
		case <-ready:
			ready = nil
			pause.Reset(saveEach)
			if err := s.flush(); err != nil {
				s.log.Error("could not store the state; it is kept and tried again", "error", err)
				s.poke()
				pause.Reset(saveAgain)
			}
		}
	}
}

// flush writes everything that is pending. What could not be written stays pending. Messages come first: the cursor
// must not pass the echo of one that the disk still has in flight.
func (s *saver) flush() error {
	failed := s.deliver()
	s.mu.Lock()
	cursors, wanted, notes, missed := s.cursors, s.wanted, s.notes, s.missed
	s.cursors, s.wanted, s.notes = make(map[bookKey]persistence.Cursor), nil, nil
	s.missed, s.tallied = make(persistence.Failures), time.Time{}
	for k, c := range cursors {
		if pinned, ok := s.pinned(k, c); ok {
			cursors[k] = pinned
		} else {
			s.cursors[k] = c
			delete(cursors, k)
		}
	}
	s.mu.Unlock()
	if len(cursors) == 0 && wanted == nil && len(notes) == 0 && len(missed) == 0 {
		return failed
	}
	batches := []persistence.Batch{}
	for k, c := range cursors {
		batches = append(batches, persistence.Batch{Identity: k.identity, Conversation: k.conversation, Cursor: &c})
	}
	if len(batches) == 0 {
		batches = append(batches, persistence.Batch{})
	}
	batches[0].Wanted, batches[0].Notes, batches[0].Failures = wanted, notes, missed
	for i, b := range batches {
		err := s.save(b)
		failed = errors.Join(failed, err)
		s.settle(b, err, i == 0)
	}
	return failed
}

// settle notes what a batch stored, or takes back what it did not, unless something newer came meanwhile.
func (s *saver) settle(b persistence.Batch, err error, first bool) {
	k := bookKey{b.Identity, b.Conversation}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		if b.Cursor != nil {
			s.stored[k] = mark(*b.Cursor)
		}
		return
	case b.Cursor != nil:
		if _, newer := s.cursors[k]; !newer {
			s.cursors[k] = *b.Cursor
		}
	}
	if first {
		s.notes = append(b.Notes, s.notes...)
		s.missed.Merge(b.Failures)
		if s.wanted == nil {
			s.wanted = b.Wanted
		}
	}
}
