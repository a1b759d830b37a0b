package connection

import (
	"fmt"
	"strings"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// Phase is where the machine stands. Only step changes it.
//
//	        Connect              socket open            peer ready
//	Idle ────────────▶ Dialing ────────────▶ Greeting ────────────▶ Online
//	 ▲                  ▲    │                   │                    │
//	 │ Disconnect       │due ▼ failed            ▼ failed             ▼ lost, late
//	 └──────────────── Waiting ◀──────────────────────────────────────┘
//	             Offline ⇄ │ ⇄ Captive            refused for good ▶ Stuck
//
// A phase read from a Snapshot is true of the moment it was published; by the time it is acted on the machine may have
// moved on, so commands say what is wanted and never "if still in phase x".
type Phase uint8

const (
	Idle     Phase = iota // nothing is wanted, or nothing is set up
	Dialing               // asking the server, opening the socket
	Greeting              // the socket is open, the peer is not ready
	Online                // the peer is ready
	Waiting               // a retry is due at RetryAt
	Offline               // this machine has no route to the server; a dial is due at RetryAt all the same
	Captive               // a captive portal is in the way; a look is due at RetryAt
	Stuck                 // refused for good: only the user or a changed network can help
)

var phaseNames = [...]string{"idle", "dialing", "greeting", "online", "waiting", "offline", "captive", "stuck"}

func (p Phase) String() string               { return phaseNames[p] }
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts what MarshalText wrote.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, n := range phaseNames {
		if n == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("reading phase %q: not known", b)
}

// Status is what people see: the five of spec A 2.1.
type Status string

const (
	Disconnected Status = "disconnected"
	Connecting   Status = "connecting"
	Connected    Status = "connected"
	Reconnecting Status = "reconnecting"
	Error        Status = "error"
)

// Quality grades the round trip (spec A 5.1). It is "" until the first sample of a session.
type Quality string

const (
	Excellent Quality = "excellent" // under 100 ms
	Good      Quality = "good"      // under 300 ms
	Fair      Quality = "fair"      // under 500 ms
	Poor      Quality = "poor"      // under 1 s, or one ping missed
	Unusable  Quality = "unusable"
)

// Why is a cause with its words.
type Why struct {
	Code   network.Cause `json:"code"`
	Text   string        `json:"text"`   // headline: what is
	Means  string        `json:"means"`  // what it means
	Advice string        `json:"advice"` // what to do, beginning with a verb
	Detail string        `json:"detail,omitempty"`
}

// Snapshot is everything the outside may know, whole and comparable. Tray, window, command line and alerts read
// nothing else.
type Snapshot struct {
	Status       Status    `json:"status"`
	Text         string    `json:"text"` // spec A's words: "Reconnecting (3/10)..."
	Phase        Phase     `json:"phase"`
	Server       string    `json:"server"` // as configured, "" = not set up
	Dialect      string    `json:"dialect,omitempty"`
	Conversation string    `json:"conversation,omitempty"`
	Title        string    `json:"title,omitempty"`
	Since        time.Time `json:"since,omitzero"` // of the status
	Attempt      int       `json:"attempt"`        // of the current outage, 0 = none
	MaxAttempts  int       `json:"max_attempts"`
	RetryAt      time.Time `json:"retry_at,omitzero"`
	Cause        Why       `json:"cause,omitzero"` // of the current trouble, or of the last one while it is being mended
	RTT          int       `json:"rtt_ms"`         // smoothed, in milliseconds, rounded up; 0 = no sample yet
	Quality      Quality   `json:"quality"`
	LastHeard    time.Time `json:"last_heard,omitzero"` // any inbound frame
	Agent        string    `json:"agent"`               // working, waiting, finished, paused, error or "" (unknown)
	Queued       int       `json:"queued"`              // messages of this server that are on their way
	Undecided    int       `json:"undecided,omitempty"` // messages of this server that need the user: failed, held, unknown
	LastEventID  string    `json:"last_event_id,omitempty"`
	Events       uint64    `json:"events"`  // applied since the app started
	Syncing      bool      `json:"syncing"` // a gap is being filled
	Wanted       bool      `json:"wanted"`  // the user wants a line
	Portal       string    `json:"portal,omitempty"`
	Seq          uint64    `json:"seq"` // grows with each snapshot of this process
}

// text is spec A 2.1's description of the status, word for word.
func (s Snapshot) text() string {
	switch s.Status {
	case Connecting:
		return "Connecting..."
	case Connected:
		return "Connected"
	case Reconnecting:
		return fmt.Sprintf("Reconnecting (%d/%d)...", s.Attempt, s.MaxAttempts)
	case Error:
		return "Error: " + s.Cause.Text
	}
	return "Disconnected"
}

// Headline is the one wording of the state for tooltip, menu, window and command line: spec A's text, then " — " and
// the detail that matters most, with times as clock times in now's zone. It never holds the text of a conversation.
func (s Snapshot) Headline(now time.Time) string {
	d := s.Detail(now)
	if d == "" {
		return s.Text
	}
	return s.Text + " — " + d
}

// Detail is the second half of Headline: quality and round trip, the agent's state, the cause or the next try.
func (s Snapshot) Detail(now time.Time) string {
	var parts []string
	add := func(p string) {
		if p != "" {
			parts = append(parts, p)
		}
	}
	switch s.Status {
	case Connecting:
		if s.RetryAt.After(now.Add(time.Second)) { // who clicks again and again has to wait in the end
			add(s.next(now))
		}
	case Connected:
		if s.Syncing {
			add("catching up")
		}
		add(s.RoundTrip())
		add(AgentWords(s.Agent))
	case Reconnecting:
		add(s.Cause.Text)
		add(s.next(now))
	case Error:
		add(s.next(now))
	case Disconnected:
		switch {
		case s.Cause.Code != network.NotSetUp:
		case s.Server == "":
			add("not set up")
		default:
			add("no conversation chosen")
		}
	}
	if s.Queued > 0 {
		add(fmt.Sprintf("%d %s queued", s.Queued, plural(s.Queued, "message", "messages")))
	}
	if s.Undecided > 0 {
		add(fmt.Sprintf("%d %s you", s.Undecided, plural(s.Undecided, "message needs", "messages need")))
	}
	return strings.Join(parts, ", ")
}

// RoundTrip is "Good, 84 ms", or "" before the first sample.
func (s Snapshot) RoundTrip() string {
	if s.Quality == "" || s.RTT == 0 {
		return ""
	}
	q := string(s.Quality)
	return fmt.Sprintf("%s, %d ms", string(q[0]-'a'+'A')+q[1:], s.RTT)
}

func (s Snapshot) next(now time.Time) string {
	if s.RetryAt.IsZero() || !s.RetryAt.After(now) {
		return ""
	}
	return "next try " + s.RetryAt.In(now.Location()).Format("15:04:05")
}

// AgentWords says the agent's state to a person, "" where it is unknown.
func AgentWords(a string) string {
	switch wire.Agent(a) {
	case wire.AgentWorking:
		return "agent working"
	case wire.AgentWaiting:
		return "agent waiting for you"
	case wire.AgentFinished:
		return "agent finished"
	case wire.AgentPaused:
		return "agent paused"
	case wire.AgentError:
		return "agent stopped with an error"
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
