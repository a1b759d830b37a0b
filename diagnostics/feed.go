package diagnostics

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
)

// Event is one event of the conversation, as the API gives it.
type Event struct {
	ID     string          `json:"id,omitempty"`
	Cursor string          `json:"cursor,omitempty"` // pass it to since to go on after this event
	Name   string          `json:"name,omitempty"`
	Agent  string          `json:"agent,omitempty"`
	Replay bool            `json:"replay,omitempty"` // it is older than the session that brought it
	Body   json.RawMessage `json:"body,omitempty"`
	// Missed is set, alone, where a follower was too slow: so many events were skipped here.
	Missed uint64 `json:"missed,omitempty"`
}

// What a Feed keeps for slow followers, whatever their number.
const (
	feedEvents = 1024
	feedBytes  = 8 << 20
)

// Feed hands the delivered events to those who follow them. It never blocks the publisher: a follower who falls behind
// the newest 1024 events (or 8 MiB of them) skips, and is told how many. While nobody follows, publishing costs one
// atomic load (Followed) and nothing is kept. The zero value is ready.
type Feed struct {
	followers atomic.Int32

	mu    sync.Mutex
	kept  []Event
	bytes int
	next  uint64        // number of the event that comes next; the kept ones are the len(kept) before it
	grown chan struct{} // closed when an event is added
}

// Followed says whether anybody listens, so that the publisher makes no Event for nobody.
func (f *Feed) Followed() bool { return f.followers.Load() > 0 }

// Publish hands on one event. Its body is copied.
func (f *Feed) Publish(e Event) {
	e.Body = bytes.Clone(e.Body)
	if !json.Valid(e.Body) {
		// A body that is no JSON would spoil the whole answer, so it travels as a string.
		e.Body, _ = json.Marshal(string(e.Body))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers.Load() == 0 {
		return // the last one left in the meantime
	}
	f.kept = append(f.kept, e)
	f.bytes += len(e.Body)
	f.next++
	for len(f.kept) > feedEvents || f.bytes > feedBytes && len(f.kept) > 1 {
		f.bytes -= len(f.kept[0].Body)
		f.kept[0] = Event{}
		f.kept = f.kept[1:]
	}
	if f.grown != nil {
		close(f.grown)
		f.grown = nil
	}
}

// Follower reads a Feed from where it began to follow. It belongs to one goroutine.
type Follower struct {
	feed *Feed
	at   uint64 // number of the event it reads next
}

// Follow begins with the next event published. The caller must Close the follower.
func (f *Feed) Follow() *Follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers.Add(1)
	return &Follower{feed: f, at: f.next}
}

// Next waits for events and gives all there are, in order; the first one may say how many were missed. Its error is
// ctx's.
func (l *Follower) Next(ctx context.Context) ([]Event, error) {
	for {
		batch, grown := l.take()
		if len(batch) > 0 {
			return batch, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take gives what there is for the follower, and what tells of more.
func (l *Follower) take() (batch []Event, grown <-chan struct{}) {
	f := l.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := f.next - uint64(len(f.kept))
	if l.at < oldest {
		batch = append(batch, Event{Missed: oldest - l.at})
		l.at = oldest
	}
	batch = append(batch, f.kept[l.at-oldest:]...)
	l.at = f.next
	if f.grown == nil {
		f.grown = make(chan struct{})
	}
	return batch, f.grown
}

// Close ends the following. What was kept is forgotten with the last follower.
func (l *Follower) Close() {
	f := l.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers.Add(-1) == 0 {
		f.kept, f.bytes = nil, 0
	}
}

// events streams the conversation: with since, what the server's history has after that cursor ("" = all of it); with
// follow, what is delivered from now on.
func (a API) events(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	after, past := q.Get("since"), q.Has("since")
	if !past && !q.Has("follow") {
		return badRequest("Say since, follow or both")
	}
	// The following begins before the history is read, so that nothing falls between the two.
	live := a.Feed.Follow()
	defer live.Close()
	var s stream
	var told recent
	begin := func() {
		if s.w == nil {
			s = newStream(w)
		}
	}
	if past {
		err := a.History(r.Context(), after, func(e Event) error {
			begin()
			told.add(e.ID)
			return s.send("event", e)
		})
		if err != nil && s.w == nil {
			return err
		}
		if err != nil {
			_ = s.send("error", ProblemOf(err, a.Line.Snapshot().Server))
			return nil
		}
	}
	begin()
	if !q.Has("follow") {
		// Without this a history that broke off would look like a whole one.
		_ = s.send("end", struct{}{})
		return nil
	}
	return s.relay(r.Context(), live, &told)
}

// relay sends what the follower reads, but for what was told already, until the reader goes or ctx ends.
func (s stream) relay(ctx context.Context, live *Follower, told *recent) error {
	if err := s.to.Flush(); err != nil {
		return nil
	}
	for {
		batch, err := live.Next(ctx)
		if err != nil {
			return nil
		}
		for _, e := range batch {
			if !told.has(e.ID) && s.send("event", e) != nil {
				return nil
			}
		}
	}
}

// recent knows the newest ids of a history. Only they can come again over the line, since a follower who is further
// behind has missed events.
type recent struct {
	ids   [feedEvents]string
	known map[string]bool
	next  int
}

func (r *recent) add(id string) {
	if id == "" {
		return
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	delete(r.known, r.ids[r.next])
	r.ids[r.next], r.known[id] = id, true
	r.next = (r.next + 1) % len(r.ids)
}

func (r *recent) has(id string) bool { return r.known[id] }
