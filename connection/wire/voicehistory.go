package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// This file keeps the place in a voice-code session. There are three kinds of cursor, by version:
//
//	0.2, 0.3  the id of the last message      an answer keeps the newest that fit: its hole is right after the cursor
//	0.4       the seq of the last message     answers are ascending windows, asked for one after the other
//	0.5       a line and "@", with what the file begins with; windows as well
//
// The rules are: nothing is told that lies beyond a hole while the hole can be filled; the place never goes back, unless
// the log is another one than it was; repeats are dropped by id by whoever counts.

// A history is asked for in portions of so many KB: as the server's own client does, and the least of a line that breaks
// under more (spec B 19).
const (
	FullPortion  = 200
	LeastPortion = 50
)

const (
	voiceWhole = 8 << 10 // KB to close a hole with; half of what this client reads at most
	voiceHeld  = 8 << 20 // bytes held back while a history is due
)

// voiceHistory is the place and what is under way to get there.
type voiceHistory struct {
	level    int
	last     string // id of the last message when the session began, below 0.4
	at       int64  // the last seq, or the next line
	file     string // what the file begins with that at is a line of, "" = not told
	due      bool   // a subscribe was sent and its answer has not come whole
	pongs    int    // since then
	whole    bool   // the hole was asked for, with all the room there is
	held     []Event
	heldSize int
}

// resume goes to a cursor. One of another version is no place here: everything is asked for, and repeats are dropped.
func (h *voiceHistory) resume(level int, cursor string) {
	h.level, h.last, h.at, h.file = level, "", 0, ""
	number, file, line := strings.Cut(cursor, "@")
	n, whole := integer([]byte(number))
	switch {
	case level < 4 && !whole:
		h.last = cursor
	case level == 4 && whole && !line, level >= 5 && whole && line:
		h.at, h.file = max(n, 0), file
	}
}

// portion is how many KB of history to ask for at once.
func (c *voiceCode) portion() int {
	if c.hello.Portion > 0 {
		return c.hello.Portion
	}
	return FullPortion
}

func voiceSize(kb int) []byte {
	return fmt.Appendf(nil, `{"type":"set_max_message_size","size_kb":%d}`, kb)
}

// subscribe asks for what comes after the place.
func (c *voiceCode) subscribe() []byte {
	h := &c.history
	h.due, h.pongs = true, 0
	m := struct {
		Type    string `json:"type"`
		Session string `json:"session_id"`
		Last    string `json:"last_message_id,omitempty"`
		Seq     *int64 `json:"last_seq,omitempty"`
		Offset  *int64 `json:"from_offset,omitempty"`
	}{Type: "subscribe", Session: c.session, Last: h.last}
	switch {
	case h.level >= 5:
		m.Offset = &h.at
	case h.level == 4:
		m.Seq = &h.at
	}
	b, _ := json.Marshal(m) // texts and numbers always encode
	return b
}

// histories reads a session_history: what was asked for, or from 0.4 on also what happens.
func (c *voiceCode) histories(f voiceFrame) (Event, error) {
	c.batch = c.batch[:0]
	var err error
	if c.history.level < 4 {
		err = c.newest(f)
	} else {
		err = c.window(f)
	}
	if err != nil {
		return Event{}, fmt.Errorf("decoding history of voice-code: %w", err)
	}
	return c.together(), nil
}

// together makes one event of the batch.
func (c *voiceCode) together() Event {
	if len(c.batch) == 0 {
		return Event{}
	}
	e := c.batch[0]
	e.Then = c.batch[1:]
	return e
}

func (c *voiceCode) add(e Event) {
	e.More = e.Replay && c.history.due
	c.batch = append(c.batch, e)
}

// newest takes an answer of 0.2 or 0.3. An incomplete one leaves out what follows the cursor, and the same question would
// get the same answer: so it is asked once more with room for everything. A line that was seen to break under all
// but the smallest answers is spared that; then what is missing is missing, and said to be.
func (c *voiceCode) newest(f voiceFrame) error {
	h := &c.history
	incomplete := string(f.complete) == "false"
	if incomplete && h.due && !h.whole && c.portion() > LeastPortion {
		h.whole = true
		c.add(Event{Reply: voiceSize(voiceWhole)})
		c.add(Event{Reply: c.subscribe()})
		return nil
	}
	if err := c.all(f.messages, true); err != nil {
		return err
	}
	if !h.due {
		return nil
	}
	if h.whole {
		h.whole = false
		c.add(Event{Reply: voiceSize(c.portion())})
	}
	reason := ""
	if incomplete {
		reason = "older messages are missing: they do not fit into the history that the server sends at once"
	}
	c.arrived(reason)
	return nil
}

// arrived ends what was due, and lets go of what was held back.
func (c *voiceCode) arrived(reason string) {
	h := &c.history
	c.batch = append(c.batch, h.held...)
	h.due, h.pongs, h.held, h.heldSize = false, 0, nil, 0
	c.add(Event{Kind: Synced, Reason: reason})
}

// updated takes what happens, up to 0.3.
func (c *voiceCode) updated(f voiceFrame) (Event, error) {
	c.batch = c.batch[:0]
	if err := c.all(f.messages, false); err != nil {
		return Event{}, fmt.Errorf("decoding update of voice-code: %w", err)
	}
	if c.history.due {
		return c.hold(), nil
	}
	return c.together(), nil
}

// replayed takes a message that the server believes we do not have. It has no place of its own: it goes behind the
// history, which most likely brings it too. Its ack is written after it was applied, and again for each repeat.
func (c *voiceCode) replayed(f voiceFrame) (Event, error) {
	if !strings.EqualFold(text(member(f.message, "session_id")), c.session) || c.session == "" {
		return Event{}, nil // another session's message is not ours to confirm
	}
	id := unquoted(f.id)
	if len(id) == 0 {
		return Event{}, errors.New("decoding replay of voice-code: no id")
	}
	c.batch = c.batch[:0]
	e := Event{Kind: Message, ID: id, Name: unquoted(member(f.message, "role")), Body: f.message, Replay: true}
	if !c.deaf {
		e.Reply = fmt.Appendf(nil, `{"type":"message_ack","message_id":%s}`, f.id)
	}
	c.add(e)
	if c.history.due {
		return c.hold(), nil
	}
	return c.together(), nil
}

// hold keeps the batch until the history has come.
func (c *voiceCode) hold() Event {
	h := &c.history
	for _, e := range c.batch {
		h.heldSize += len(e.Body)
		e.ID, e.Cursor, e.Name, e.Body = bytes.Clone(e.ID), bytes.Clone(e.Cursor), bytes.Clone(e.Name), bytes.Clone(e.Body)
		h.held = append(h.held, e)
	}
	if h.heldSize > voiceHeld {
		return Event{Kind: Refused, Reason: "too much came before the history"}
	}
	return Event{}
}

// all adds every message of a frame, its id being the cursor.
func (c *voiceCode) all(messages []byte, replay bool) error {
	list, err := c.list(messages)
	for _, m := range list {
		e := m.event(replay)
		e.Cursor = m.id
		c.add(e)
	}
	return err
}
