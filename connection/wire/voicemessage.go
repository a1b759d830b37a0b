package wire

import (
	"errors"
	"fmt"
	"strings"
)

var errNoID = errors.New("a message without an id")

// voiceMessage is one message, raw.
type voiceMessage struct {
	id, role, seq, start, body []byte
	at                         int64 // seq or line, by version
	placed                     bool  // it has one, where one is needed
}

func (m voiceMessage) event(replay bool) Event {
	return Event{Kind: Message, ID: m.id, Name: m.role, Body: m.body, Replay: replay}
}

// list reads the messages of a frame. One that has no id or no place is left out, and said to be: it must not cost the
// others.
func (c *voiceCode) list(messages []byte) ([]voiceMessage, error) {
	if messages == nil {
		return nil, nil
	}
	var all []voiceMessage
	var bad error
	err := walkArray(messages, func(body []byte) bool {
		m, err := readVoiceMessage(body)
		switch c.history.level {
		case 4:
			m.at, m.placed = integer(m.seq)
		case 5:
			m.at, m.placed = integer(m.start)
		default:
			m.placed = true
		}
		switch {
		case errors.Is(err, errNoID), err == nil && !m.placed:
			c.add(c.remark("left out a message without an id or a place"))
		case err != nil:
			bad = err
		default:
			all = append(all, m)
		}
		return bad == nil
	})
	if bad != nil {
		err = bad
	}
	return all, err
}

// readVoiceMessage reads one message: the provider's own line in 0.2, where the type says who speaks, and a form of
// voice-code's own from 0.3 on.
func readVoiceMessage(body []byte) (voiceMessage, error) {
	m := voiceMessage{body: body}
	err := walkObject(body, func(key, value []byte) bool {
		switch string(key) {
		case "uuid":
			m.id = unquoted(value)
		case "role", "type":
			m.role = unquoted(value)
		case "seq":
			m.seq = value
		case "offset":
			m.start = value
		}
		return true
	})
	if err == nil && len(m.id) == 0 {
		err = errNoID
	}
	return m, err
}

// Item reads one message. voice-code has no history over HTTP that it could come from.
func (c *voiceCode) Item(body []byte) (Event, error) {
	m, err := readVoiceMessage(body)
	if err != nil {
		return Event{}, fmt.Errorf("reading message of voice-code: %w", err)
	}
	return m.event(true), nil
}

// Said gives the text of a message that a user wrote. 0.2 has it inside the provider's own form.
func (c *voiceCode) Said(body []byte) (string, bool) {
	m, err := readVoiceMessage(body)
	if err != nil || string(m.role) != "user" {
		return "", false
	}
	if plain := member(body, "text"); plain != nil {
		return text(plain), true
	}
	content := member(member(body, "message"), "content")
	if len(content) > 0 && content[0] == '"' {
		return text(content), true
	}
	var said strings.Builder
	err = walkArray(content, func(part []byte) bool {
		said.WriteString(text(member(part, "text")))
		return true
	})
	return said.String(), err == nil && said.Len() > 0
}
