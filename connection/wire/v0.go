package wire

import "fmt"

// This file is what OpenHands V0 says over Socket.IO: its events, and what they tell of the agent.

// openHands says whether the server is one: its events are named oh_event and belong to a conversation.
func (c *socketIO) openHands() bool { return c.hello.Conversation != "" }

// openHandsEvent fills in id, cursor and agent state. The server writes id first and the kind (action or observation)
// before the content, so the walk ends before anything long. top is the highest id so far on the road it came by.
func (c *socketIO) openHandsEvent(e *Event, top *int64) error {
	var id, state []byte
	known := false
	_, err := walkMembers(e.Body, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			id = value
		case "action", "status_update":
			known = true
		case "observation":
			known = string(value) != `"agent_state_changed"`
		case "extras":
			state, known = value, true
		}
		return !known
	})
	if err != nil {
		return fmt.Errorf("reading oh_event: %w", err)
	}
	if state != nil {
		e.Agent = openHandsAgent(member(state, "agent_state"))
	}
	n, ok := integer(id)
	if !ok || n < 0 {
		return nil // a status line: it has no place in the conversation
	}
	e.ID = id
	if n > *top {
		// "the last replayed packet can have a LOWER id than earlier ones": the cursor is the highest, never the last.
		*top = n
		c.cursor = append(c.cursor[:0], id...)
		e.Cursor = c.cursor
	}
	return nil
}

// Item reads one event of GET /api/conversations/{id}/events: the same object that oh_event carries. A state in it is the
// agent's: nothing says again what changed while the socket was being joined.
func (c *socketIO) Item(body []byte) (Event, error) {
	e := Event{Kind: Message, Name: []byte("oh_event"), Body: body, Replay: true}
	err := c.openHandsEvent(&e, &c.filled)
	c.top = max(c.top, c.filled)
	return e, err
}

// Said knows OpenHands' own events. What other servers make of a message, nobody can tell; they have acks.
func (c *socketIO) Said(body []byte) (string, bool) {
	var source, action, args []byte
	walkMembers(body, func(key, value []byte) bool {
		switch string(key) {
		case "source":
			source = value
			return string(value) == `"user"`
		case "action":
			action = value
		case "args":
			args = value
		}
		return true
	})
	if string(source) != `"user"` || string(action) != `"message"` {
		return "", false
	}
	return text(member(args, "content")), true
}

// openHandsAgent gives V0's agent_state its common word.
func openHandsAgent(value []byte) Agent {
	switch text(value) {
	case "loading", "running", "user_confirmed", "user_rejected", "rate_limited":
		return AgentWorking
	case "awaiting_user_input", "awaiting_user_confirmation":
		return AgentWaiting
	case "paused", "stopped":
		return AgentPaused
	case "finished":
		return AgentFinished
	case "error", "rejected":
		return AgentError
	}
	return AgentUnknown
}
