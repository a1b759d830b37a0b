package demo

import (
	"context"
	"time"
)

// Mood is how the backend behaves towards everybody.
type Mood int

const (
	Steady       Mood = iota // an event each second, and the agent changes its state now and then
	Quiet                    // answers everything, and nothing happens but what Publish makes happen
	Chatty                   // a hundred events a second
	SlowReplay               // cuts the line; what was missed comes back in slow portions
	Silent                   // half-open: takes everything, answers nothing, no pongs either, until the mood changes
	Flapping                 // accepts, and drops after 50 ms
	Refusing                 // the key is refused
	Down                     // resets what is open, and nobody listens
	Captive                  // every request is redirected elsewhere
	CaptiveHTML              // every request is answered by a web page
	Draining                 // says goodbye, is away for three seconds, and is steady again
	Huge                     // each socket gets one frame of more than 16 MiB
	Garbage                  // undecodable frames among the good ones
	Unavailable              // 503 with Retry-After
	Throttled                // 429 with Retry-After
	Hang                     // an upgrade is never answered; requests are
	HangGreeting             // the socket opens, and the greeting is never completed
	Asleep                   // the sandbox is paused until somebody resumes it
	Deaf                     // takes what a user says, and nothing comes of it
	Declining                // refuses what a user says, where the dialect has words for that; else as Deaf
)

// Numbers of the moods.
const (
	flap       = 50 * time.Millisecond
	away       = 3 * time.Second // how long Draining lasts
	retryAfter = 5 * time.Second // what Unavailable and Throttled ask for
	hugeFrame  = 17 << 20
	missed     = 200 // what SlowReplay publishes at once
)

// moods are the words and the manners of each mood.
var moods = [...]struct {
	name, says string
	cuts       bool          // open sockets are reset when the mood begins
	shut       bool          // no socket can be opened
	every      time.Duration // between two events, 0 = none
}{
	Steady:       {"steady", "The server is well: one event a second, and the agent changes its state now and then.", false, false, time.Second},
	Quiet:        {"quiet", "The server is well, and nothing happens.", false, false, 0},
	Chatty:       {"chatty", "The agent is talkative: a hundred events a second.", false, false, 10 * time.Millisecond},
	SlowReplay:   {"slow replay", "The line was cut, and the server hands out the missed events in slow portions.", true, false, time.Second},
	Silent:       {"silent", "The connection looks open, but nothing answers any more, as after a pulled cable.", false, false, time.Second},
	Flapping:     {"flapping", "The server accepts each connection and drops it after 50 milliseconds.", true, false, time.Second},
	Refusing:     {"refusing", "The server no longer accepts the key.", true, false, time.Second},
	Down:         {"down", "The server has crashed: its port is closed.", true, true, time.Second},
	Captive:      {"captive", "A hotel network answers in place of the server and redirects to its login page.", true, true, time.Second},
	CaptiveHTML:  {"captive html", "A hotel network answers in place of the server with its login page.", true, true, time.Second},
	Draining:     {"draining", "The server restarts: it says goodbye, is away for three seconds and comes back.", false, false, time.Second},
	Huge:         {"huge", "The server sends one frame of 17 MiB, more than any client should take.", false, false, time.Second},
	Garbage:      {"garbage", "Something garbles the line: undecodable frames arrive among the good ones.", false, false, time.Second},
	Unavailable:  {"unavailable", "The proxy before the server answers 503 and asks to come back in five seconds.", true, true, time.Second},
	Throttled:    {"throttled", "The server answers 429, too many requests, and asks to come back in five seconds.", true, true, time.Second},
	Hang:         {"hang", "The server takes the connection and never answers the upgrade.", true, true, time.Second},
	HangGreeting: {"hang greeting", "The socket opens, and the server never completes its greeting.", true, false, time.Second},
	Asleep:       {"asleep", "The conversation's sandbox is paused until somebody resumes it.", true, false, 0},
	Deaf:         {"deaf", "The server takes what you say, and nothing comes of it.", false, false, time.Second},
	Declining:    {"declining", "The server refuses what you say.", false, false, time.Second},
}

// Moods are all moods, in the order of their numbers.
func Moods() []Mood {
	all := make([]Mood, len(moods))
	for i := range all {
		all[i] = Mood(i)
	}
	return all
}

// Name is the mood in one or two words.
func (m Mood) Name() string { return moods[m].name }

// Says tells a person in one sentence what is being simulated.
func (m Mood) Says() string { return moods[m].says }

func (m Mood) String() string { return m.Name() }

// ignores says whether what a user says comes to nothing.
func (s *Server) ignores() bool {
	mood, _ := s.now()
	return mood == Deaf || mood == Declining
}

// SetMood changes the behaviour at once, for open sockets too.
func (s *Server) SetMood(m Mood) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.mood, s.since = m, time.Now()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if m == SlowReplay {
		s.Publish(missed)
	}
	if s.door != nil && m == Down {
		s.door.shut()
	}
	if moods[m].cuts {
		s.cut()
	}
	if s.door != nil && m != Down {
		s.door.open()
	}
}

// Mood is what the server is in now.
func (s *Server) Mood() Mood {
	m, _ := s.now()
	return m
}

// now gives the mood, and a channel that is closed when it is changed.
func (s *Server) now() (Mood, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mood == Draining && time.Since(s.since) >= away {
		return Steady, s.changed
	}
	return s.mood, s.changed
}

// cut resets every open socket.
func (s *Server) cut() {
	s.mu.Lock()
	open := make([]*socket, 0, len(s.sockets))
	for k := range s.sockets {
		open = append(open, k)
	}
	s.mu.Unlock()
	for _, k := range open {
		k.abort()
	}
}

// stall waits until the mood changes, and says whether somebody still wants an answer.
func (s *Server) stall(ctx context.Context, changed <-chan struct{}) bool {
	select {
	case <-changed:
		return true
	case <-ctx.Done():
	case <-s.done:
	}
	return false
}
