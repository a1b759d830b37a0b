package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// events speaks the agent-server's /sockets/events/{id}: bare events, live.
//
// The rules are:
//   - The socket is asked for live events only. Its own replay (resend_mode=since) runs among the live events and has
//     no end mark, so a cursor that followed it would leap over what is still to come. History over HTTP is ordered.
//   - Ready is the first frame, whatever it is: by then key and conversation were accepted and we are subscribed. It
//     is the snapshot of the state, unless the agent holds the conversation's lock. Another event in its place is not
//     lost, since it is in the history that fills the gap.
//   - The server's time is naive local time, in log order but for clock changes, and inclusive when asked for: the
//     cursor is a time with the id of the event that bore it.
//   - State updates never move the cursor: not every server keeps them, and what is not kept cannot be resumed from.
type events struct {
	agentServer
	ready  bool
	live   place // reached by the socket
	filled place // up to which history leaves no gap: what the socket brought meanwhile lies behind it
}

// place is a cursor: a time, and the id of the event that bore it.
type place struct {
	text  []byte
	stamp int // bytes of text that are the time
}

func newEvents(h Hello) *events {
	stamp, _ := EventsCursor(h.Cursor)
	c := &events{agentServer: agentServer{h, "events"}}
	c.live = place{[]byte(h.Cursor), len(stamp)}
	c.filled = place{[]byte(h.Cursor), len(stamp)}
	return c
}

// EventsCursor splits a cursor of the events dialect into the server's time, as the server wrote it, and the event's
// id. Both are "" for the start. In a cursor of the session dialect it finds the id, which is as good here, and no time.
func EventsCursor(cursor string) (stamp, id string) {
	stamp, id, _ = strings.Cut(cursor, " ")
	if len(stamp) < len("2006-01-02T15:04:05") {
		stamp = ""
	}
	return stamp, id
}

func (c *events) Request(base *url.URL) (*url.URL, http.Header) { return c.request(base, nil) }

func (c *events) Decode(frame []byte, binary bool) (Event, error) {
	a, err := readAgentEvent(frame)
	if err != nil {
		return Event{}, fmt.Errorf("decoding frame of the events socket: %w", err)
	}
	if !c.ready {
		c.ready = true
		return Event{Kind: Ready, Gap: true, Agent: a.agent()}, nil
	}
	switch {
	case a.isSnapshot():
		return Event{Agent: a.agent()}, nil
	case string(a.kind) == "StreamingDeltaEvent": // never kept; the whole text follows as an event
		return Event{}, nil
	case string(a.kind) == "ServerErrorEvent":
		return rejection(a.code, a.details), nil
	}
	return c.message(a, frame, &c.live), nil
}

// Item reads one event of GET /api/conversations/{id}/events/search. Old states are not the agent's state.
func (c *events) Item(body []byte) (Event, error) {
	a, err := readAgentEvent(body)
	if err != nil {
		return Event{}, fmt.Errorf("reading event of the history: %w", err)
	}
	e := c.message(a, body, &c.filled)
	e.Agent, e.Replay = AgentUnknown, true
	if len(e.Cursor) > 0 {
		c.live.reach(a)
	}
	return e, nil
}

// reach moves the place forward to the event, unless it is there or further. State updates never move it.
func (p *place) reach(a agentEvent) bool {
	// The times are ISO 8601 of one zone and so compare as text: "…:44" sorts before "…:44.1", as it should.
	if a.isState() || len(a.id) == 0 || len(a.stamp) == 0 || string(a.stamp) < string(p.text[:p.stamp]) {
		return false
	}
	p.text = append(append(append(p.text[:0], a.stamp...), ' '), a.id...)
	p.stamp = len(a.stamp)
	return true
}

func (c *events) message(a agentEvent, body []byte, on *place) Event {
	e := Event{Kind: Message, ID: a.id, Name: a.kind, Body: body, Agent: a.agent()}
	if on.reach(a) {
		e.Cursor = on.text
	}
	return e
}
