package demo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what an event is about.
type kind uint8

const (
	said   kind = iota // the agent said something
	asked              // the user did
	ran                // the agent runs a command
	output             // what the command printed
	turned             // the agent's state changed; it is told as it happens and is not part of the history
	hidden             // takes an id and is never shown: V0's ids have gaps
)

// state is the agent's, in words of no dialect.
type state string

const (
	working  state = "working"
	waiting  state = "waiting"
	finished state = "finished"
	paused   state = "paused"
	failed   state = "error"
)

// event is one entry of a conversation's log, in words of no dialect.
type event struct {
	num  int    // V0's id: grows, with gaps
	id   string // in the words of the dialect: num, or a UUID
	seq  int    // place in the history from 0, −1 = not part of it
	at   time.Time
	kind kind
	text string
	to   state // of turned
}

// conversation is guarded by Server.mu. Its log is only ever appended to.
type conversation struct {
	id, title string
	running   bool
	state     state
	log       []event
	num, seq  int // of the next event
	updated   time.Time
	busy      int       // prompts that are being answered (voice-code's session lock)
	turns     int       // prompts that have been answered
	watchers  int       // sockets on it (the agent-server takes fifty)
	woken     time.Time // when its sandbox was resumed
	acked     int       // voice-code's replay: events before this place in the history are confirmed
}

// publish appends an event and wakes the sockets.
func (s *Server) publish(c *conversation, k kind, text string, to state) event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(c, k, text, to)
}

// add is publish under the mutex.
func (s *Server) add(c *conversation, k kind, text string, to state) event {
	if s.dice.IntN(12) == 0 {
		c.log = append(c.log, event{num: c.num, seq: -1, kind: hidden})
		c.num++
	}
	e := event{num: c.num, seq: -1, at: s.stamp(c), kind: k, text: text, to: to}
	e.id = strconv.Itoa(e.num)
	if s.opt.Dialect != V0 && s.opt.Dialect != Plain {
		e.id = s.uuid()
	}
	c.num++
	switch {
	case k == turned:
		c.state = to
	case k == asked && s.opt.Dialect == VoiceCode && s.from(0, 4):
		// From 0.4 on voice-code's stream leaves out what the user typed.
	default:
		e.seq = c.seq
		c.seq++
	}
	c.log, c.updated = append(c.log, e), e.at
	close(s.news)
	s.news = make(chan struct{})
	return e
}

// stamp is the event's time to the microsecond, as servers write it. It never goes back; every seventh event shares the
// time of the one before, because a clock does not promise more.
func (s *Server) stamp(c *conversation) time.Time {
	at := time.Now().Truncate(time.Microsecond)
	if at.After(c.updated) {
		return at
	}
	if c.num%7 == 0 {
		return c.updated
	}
	return c.updated.Add(time.Microsecond)
}

// uuid is a version 4 UUID of the server's own dice.
func (s *Server) uuid() string {
	a, b := s.dice.Uint64(), s.dice.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// find gives a conversation, nil where there is none of that id. A UUID may be written without its dashes.
func (s *Server) find(id string) *conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.talks {
		if c.id == id || bareID(c.id) == id {
			return c
		}
	}
	return nil
}

// start makes a conversation, running.
func (s *Server) start(id, title string) *conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &conversation{id: id, title: title, running: true, state: waiting, updated: time.Now()}
	s.talks = append(s.talks, c)
	return c
}

// after gives what happened since a place in the log, and a channel that is closed when more does.
func (s *Server) after(c *conversation, place int) ([]event, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.log[min(place, len(c.log)):len(c.log):len(c.log)], s.news
}

// bareID is a UUID without its dashes.
func bareID(id string) string { return strings.ReplaceAll(id, "-", "") }

// wake lets a conversation run.
func (s *Server) wake(c *conversation) {
	s.mu.Lock()
	c.running, c.woken = true, time.Now()
	asleep := s.mood == Asleep
	s.mu.Unlock()
	if asleep {
		s.SetMood(Steady)
	}
}

// from says whether the server's version is at least this one.
func (s *Server) from(version ...int) bool {
	for i, part := range strings.Split(s.opt.Version, ".") {
		if n, _ := strconv.Atoi(part); i < len(version) && n != version[i] {
			return n > version[i]
		}
	}
	return true
}

// history is what happened so far, without what is not part of it.
func (s *Server) history(c *conversation) []event {
	all, _ := s.after(c, 0)
	return slices.DeleteFunc(slices.Clone(all), func(e event) bool { return e.seq < 0 })
}

// view is a conversation as listings show it.
type view struct {
	id, title string
	running   bool
	state     state
	updated   time.Time
	woken     time.Time
	count     int
}

func (s *Server) view(c *conversation) view {
	s.mu.Lock()
	defer s.mu.Unlock()
	asleep := s.mood == Asleep && c == s.main
	return view{c.id, c.title, c.running && !asleep, c.state, c.updated, c.woken, c.seq}
}

// views are all conversations, the most recently updated first.
func (s *Server) views() []view {
	s.mu.Lock()
	talks := slices.Clone(s.talks)
	s.mu.Unlock()
	var all []view
	for _, c := range talks {
		all = append(all, s.view(c))
	}
	slices.SortStableFunc(all, func(a, b view) int { return b.updated.Compare(a.updated) })
	return all
}
