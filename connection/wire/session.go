package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// session speaks the agent-server's /sockets/session/{id} (from 1.45): events in envelopes, numbered, replay first and
// live after it on one ordered channel.
//
//	sync → durable … through_seq → transient full_state → durable, transient …
//
// The rules are: only durable.seq moves the cursor; what is at or below through_seq was missed and is a replay; a
// transient event may come again as a durable one, under the same id; unknown frames and fields are ignored.
//
// A cursor is a seq with the id of the event that bore it: the socket asks for the one, and the history over HTTP knows
// only the other.
type session struct {
	agentServer
	after   int64  // highest seq known, -1 = none
	at      []byte // the cursor's text
	through int64  // highest seq of the replay, -1 = none
	ready   bool
	synced  bool
}

// sessionFrame is an envelope's members, raw.
type sessionFrame struct{ kind, seq, event, through, code, details []byte }

func newSession(h Hello) *session {
	c := &session{agentServer: agentServer{h, "session"}, after: -1, through: -1}
	c.after, _ = SessionCursor(h.Cursor)
	return c
}

// SessionCursor splits a cursor of the session dialect into its seq, -1 for the start, and the event's id, "" where it
// is not known. A cursor of another dialect is the start.
func SessionCursor(cursor string) (seq int64, id string) {
	number, id, _ := strings.Cut(cursor, " ")
	if n, ok := integer([]byte(number)); ok && n >= 0 {
		return n, id
	}
	return -1, ""
}

// reach moves the cursor to the event.
func (c *session) reach(seq int64, id []byte) []byte {
	c.after = seq
	c.at = strconv.AppendInt(c.at[:0], seq, 10)
	if len(id) > 0 {
		c.at = append(append(c.at, ' '), id...)
	}
	return c.at
}

// Request asks for everything after the cursor; -1 is the whole history.
func (c *session) Request(base *url.URL) (*url.URL, http.Header) {
	return c.request(base, url.Values{"after_seq": {strconv.FormatInt(c.after, 10)}})
}

func (c *session) Decode(frame []byte, binary bool) (Event, error) {
	if seq, body, a, ok := usual(frame); ok {
		return c.numbered(seq, body, a)
	}
	var f sessionFrame
	err := walkObject(frame, func(key, value []byte) bool {
		switch string(key) {
		case "type":
			f.kind = value
		case "seq":
			f.seq = value
		case "event":
			f.event = value
		case "through_seq":
			f.through = value
		case "code":
			f.code = value
		case "detail":
			f.details = value
		}
		return true
	})
	if err == nil && f.kind == nil {
		err = fmt.Errorf("no type")
	}
	if err != nil {
		return Event{}, fmt.Errorf("decoding frame of the session socket: %w", err)
	}
	switch string(f.kind) {
	case `"sync"`:
		return c.sync(f), nil
	case `"durable"`:
		return c.durable(f)
	case `"transient"`:
		return c.transient(f)
	case `"error"`:
		return rejection(f.code, f.details), nil
	}
	return Event{}, nil
}

// sync opens the session. A log that ends before our cursor is not the one we knew (a backup was restored): its next
// events have lower numbers than ours, so the cursor goes back to its end. It goes back nowhere else.
func (c *session) sync(f sessionFrame) Event {
	e := Event{Kind: Ready}
	c.ready = true
	if n, ok := integer(f.through); ok {
		c.through = n
	}
	if c.after > c.through {
		e.Cursor = c.reach(c.through, nil)
	}
	e.More = c.after < c.through
	return e
}

func (c *session) durable(f sessionFrame) (Event, error) {
	a, err := readAgentEvent(f.event)
	if err != nil {
		return Event{}, fmt.Errorf("decoding durable frame %s: %w", f.seq, err)
	}
	return c.numbered(f.seq, f.event, a)
}

// usual reads a durable frame laid out as the server lays it out. Nearly all frames are such ones, and this way the
// event in it, which may be long, is walked once and not twice.
func usual(frame []byte) (seq, event []byte, a agentEvent, ok bool) {
	const start, middle = `{"type":"durable","seq":`, `,"event":`
	if len(frame) < len(start) || string(frame[:len(start)]) != start {
		return nil, nil, a, false
	}
	seq, event = digits(frame[len(start):])
	if len(event) < len(middle) || string(event[:len(middle)]) != middle {
		return nil, nil, a, false
	}
	event = event[len(middle):]
	a, end, err := leadingAgentEvent(event)
	if err != nil || string(event[end:]) != "}" {
		return nil, nil, a, false
	}
	return seq, event[:end], a, true
}

func (c *session) numbered(seq, body []byte, a agentEvent) (Event, error) {
	n, ok := integer(seq)
	if !ok || n < 0 {
		return Event{}, fmt.Errorf("decoding durable frame: seq %q is no number", seq)
	}
	e := Event{Kind: Message, ID: a.id, Name: a.kind, Body: body, Replay: n <= c.through, More: n < c.through}
	if !e.Replay {
		e.Agent = a.agent()
	}
	if n > c.after {
		e.Cursor = c.reach(n, a.id)
	}
	return e, nil
}

// transient reads an event that the server does not keep. The snapshot of the state is one: it is the first frame after
// the replay, so it also says that nothing is missing any more.
func (c *session) transient(f sessionFrame) (Event, error) {
	a, err := readAgentEvent(f.event)
	if err != nil {
		return Event{}, fmt.Errorf("decoding transient frame: %w", err)
	}
	if !a.isState() {
		return Event{Kind: Message, ID: a.id, Name: a.kind, Body: f.event}, nil
	}
	e := Event{Agent: a.agent()}
	if a.isSnapshot() && c.ready && !c.synced {
		c.synced = true
		e.Kind = Synced
	}
	return e, nil
}

// Item reads one event of the history over HTTP, which knows no seq and lists the log in its order: the events are
// counted from the cursor. That cannot be wrong but for an event that the server cannot read any more and leaves out; the
// count is short by it then, and who resumes from there gets an event again. A session never asks for the history: the
// socket leaves nothing out.
func (c *session) Item(body []byte) (Event, error) {
	a, err := readAgentEvent(body)
	if err != nil {
		return Event{}, fmt.Errorf("reading event of the history: %w", err)
	}
	return Event{Kind: Message, ID: a.id, Name: a.kind, Body: body, Cursor: c.reach(c.after+1, a.id), Replay: true}, nil
}
