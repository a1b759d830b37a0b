package tray

import (
	"fmt"
	"net/url"
	"time"

	"handline/connection"
	"handline/connection/network"
)

// Topic groups notices: a newer notice of a topic takes the place of the shown one.
type Topic uint8

const (
	TopicKey Topic = iota
	TopicPortal
	TopicLine
	TopicAgent
)

// Notice is one notification. Its words are Handline's own: nothing of a conversation reaches a lock screen.
type Notice struct {
	Topic       Topic
	Title, Body string
	Action      Action // of a click on it
	Critical    bool   // stays until it is seen
}

// Notify is what the user wants to be told of. A refused key and a captive portal are always told: nothing goes on
// without the user.
type Notify struct {
	Waiting  bool // the agent needs you
	Finished bool // the agent has finished
	Failed   bool // the agent stopped with an error
	Outage   bool // the line was lost
	Recovery bool // and is back
}

const (
	outageAfter = 5 * time.Second  // shorter losses mend themselves before anyone has read about them
	wakeQuiet   = 10 * time.Second // after sleep everything is down for a moment
	steadyAfter = 30 * time.Second // a line that held this long is a new beginning (the same as for attempts)
	calmAfter   = 2 * time.Hour    // of a line that holds: then losses are news again
	lateTick    = 2 * time.Second  // a tick that comes this much late was slept through
)

// Alerts decides what is worth a notification. The rules are:
//   - Only changes are told. What is so when Handline starts, and the agent's state when a line comes up, is the
//     baseline; what is replayed to fill a gap moves the baseline.
//   - A refused key and a portal are told once, until a line has held for 30 s (2 h, while the line flaps) or the
//     server is another.
//   - A loss is told when it has lasted 5 s; "restored" is told only if the loss was.
//   - A line that flaps is told of three times at most: lost, restored, "keeps dropping". Then it is quiet about the
//     line until one has held for 2 h.
//   - A loss that only the user can end is told as that all the same, once: no line returns from it by itself, so it
//     cannot flap, and whoever read "reconnecting" before must not go on waiting.
//   - For 10 s after a wake nothing is told; what still is so then is told then.
//
// Alerts is a value: step gives the next one and changes nothing. The zero value is the start.
type Alerts struct {
	Notify Notify

	server  string
	quiet   time.Time     // nothing is told before
	due     time.Time     // when step is due, zero = never; one that comes much later was slept through
	up      time.Time     // since when the line is up, zero while it is not
	lost    time.Time     // since when it is lost, zero while it is not
	known   bool          // agent is a baseline
	syncing bool          // what was missed was still being replayed
	agent   string        // the agent's state, as told or known
	refused network.Cause // the key's or the portal's trouble that was told
	losses  int           // told since the line was last calm
	telling bool          // the present loss was told
	final   bool          // and that only the user can end it
}

// woke says that the machine has slept until at.
func (a Alerts) woke(at time.Time) Alerts {
	a.quiet = at.Add(wakeQuiet)
	return a
}

// step takes the state as it is at the given time, changed or not, and gives what to tell.
func (a Alerts) step(at time.Time, s connection.Snapshot) (Alerts, []Notice) {
	if !a.due.IsZero() && at.Sub(a.due) > lateTick {
		a = a.woke(at)
	}
	if s.Server != a.server {
		a = Alerts{Notify: a.Notify, quiet: a.quiet, server: s.Server}
	}
	a = a.observe(at, s)
	var out []Notice
	if !at.Before(a.quiet) {
		for _, f := range [...]func(Alerts, time.Time, connection.Snapshot) (Alerts, Notice){
			Alerts.tellRefusal, Alerts.tellLine, Alerts.tellAgent,
		} {
			var n Notice
			if a, n = f(a, at, s); n.Title != "" {
				out = append(out, n)
			}
		}
	}
	a.due = a.next(at, s)
	return a, out
}

// observe keeps the times that the rules speak of, and the agent's baseline.
func (a Alerts) observe(at time.Time, s connection.Snapshot) Alerts {
	if !a.up.IsZero() {
		held := at.Sub(a.up)
		if held >= calmAfter {
			a.losses = 0
		}
		if held >= steadyAfter && a.losses < 2 {
			a.refused = ""
		}
	}
	switch {
	case s.Status == connection.Disconnected:
		// The user hung up: nothing is lost, and nothing to restore.
		a.up, a.lost, a.telling, a.final = time.Time{}, time.Time{}, false, false
	case s.Status == connection.Connected && a.up.IsZero():
		a.up = at
	case s.Status != connection.Connected && !a.up.IsZero():
		a.lost, a.up = at, time.Time{}
	}
	switch {
	case s.Status != connection.Connected:
		a.known = false
	case s.Agent != "" && (!a.known || s.Syncing || a.syncing): // the last of a replay comes with its end
		a.known, a.agent = true, s.Agent
	}
	a.syncing = s.Status == connection.Connected && s.Syncing
	return a
}

func (a Alerts) tellRefusal(_ time.Time, s connection.Snapshot) (Alerts, Notice) {
	c := s.Cause.Code
	if s.Status != connection.Error || c == a.refused || c != network.Auth && c != network.Captive {
		return a, Notice{}
	}
	a.refused = c
	n := Notice{Topic: TopicKey, Title: s.Cause.Text, Body: s.Cause.Advice, Action: Mending(s), Critical: true}
	if c == network.Captive {
		n.Topic = TopicPortal
	}
	if !a.lost.IsZero() && !a.telling {
		a.losses, a.telling = a.losses+1, true // the trouble that was told is the loss, too
	}
	return a, n
}

func (a Alerts) tellLine(at time.Time, s connection.Snapshot) (Alerts, Notice) {
	n := Notice{Topic: TopicLine, Action: OpenWindow}
	switch {
	case s.Status == connection.Connected && !a.lost.IsZero():
		told, away := a.telling, at.Sub(a.lost)
		a.lost, a.telling, a.final = time.Time{}, false, false
		if !told || a.losses > 1 || !a.Notify.Recovery {
			return a, Notice{}
		}
		n.Title, n.Body = "Connection restored", "It was away for "+rounded(away)+"."
		return a, n
	case !a.unsaid(s) || at.Sub(a.lost) < outageAfter:
		return a, Notice{}
	case s.Status == connection.Error:
		n.Title, n.Body, n.Action = s.Cause.Text, s.Cause.Advice, Mending(s)
	case a.losses == 1:
		n.Title, n.Body = "The connection keeps dropping", "Handline goes on reconnecting, and says no more until it holds."
	default:
		n.Title, n.Body = "Connection lost", "Handline is reconnecting."
		if s.Cause.Text != "" {
			n.Body = s.Cause.Text + ". Handline is reconnecting."
		}
	}
	if !a.telling {
		a.losses++
	}
	a.telling, a.final = true, final(s)
	return a, n
}

// unsaid says whether there is a loss that is to be told once it has lasted.
func (a Alerts) unsaid(s connection.Snapshot) bool {
	if a.lost.IsZero() || !a.Notify.Outage {
		return false
	}
	return !a.telling && a.losses < 2 || final(s) && !a.final
}

// final says whether only the user can end the loss. A refused key is told as such, by rules of its own.
func final(s connection.Snapshot) bool {
	return s.Phase == connection.Stuck && s.Cause.Code != network.Auth
}

func (a Alerts) tellAgent(_ time.Time, s connection.Snapshot) (Alerts, Notice) {
	if !a.known || s.Agent == "" || s.Agent == a.agent {
		return a, Notice{}
	}
	a.agent = s.Agent
	n := Notice{Topic: TopicAgent, Body: "At " + host(s.Server) + ".", Action: OpenWindow}
	wanted := false
	switch s.Agent {
	case "waiting":
		n.Title, wanted = "The agent is waiting for you", a.Notify.Waiting
	case "finished":
		n.Title, wanted = "The agent has finished", a.Notify.Finished
	case "error":
		n.Title, wanted = "The agent stopped with an error", a.Notify.Failed
	}
	if !wanted {
		return a, Notice{}
	}
	return a, n
}

// wake is when step is due again although nothing changes, zero if never.
func (a Alerts) wake() time.Time { return a.due }

func (a Alerts) next(at time.Time, s connection.Snapshot) time.Time {
	var t time.Time
	if at.Before(a.quiet) {
		t = a.quiet
	}
	if a.unsaid(s) {
		if visible := a.lost.Add(outageAfter); visible.After(t) {
			t = visible
		}
	}
	return t
}

// rounded says a duration as a person would: "40 s", "3 min", "2 h".
func rounded(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(1, int(d.Round(time.Second)/time.Second)))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("%d h", int(d.Round(time.Hour)/time.Hour))
}

func host(server string) string {
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		return clean(u.Host)
	}
	return "your server"
}
