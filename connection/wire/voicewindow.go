package wire

import (
	"strconv"
	"strings"
)

// This file reads the windows of a voice-code session's log, from 0.4 on: parts of it in ascending order, as an answer or
// because something happens; nothing in them says which.
//
// At 0.4 a hole shows in the numbers. At 0.5 they have holes of their own, lines that are no messages. None of another
// kind comes about there: the server remembers for each connection where the last frame ended, and begins the next one
// there.

// window takes a part of the log in ascending order (from 0.4 on). What is known already is left out. One that begins
// beyond our place is not told: what lies before it comes first, and it comes again after that.
func (c *voiceCode) window(f voiceFrame) error {
	h := &c.history
	list, err := c.list(f.messages)
	if err != nil {
		return err
	}
	done := string(f.complete) != "false" && string(f.end) != "false"
	if c.another(f, len(list) == 0, done) {
		c.add(Event{Reply: c.subscribe()})
		return nil
	}
	if c.leaps(f, list) {
		return nil
	}
	before := h.at
	c.ascend(list, f.next, h.due)
	next, _ := integer(f.next)
	torn := h.level >= 5 && len(list) == 0 && next == before // the next line is still being written
	switch {
	case h.due && (done || torn):
		c.arrived("")
	case !done && (h.at > before || !h.due): // there is more, or the server sends us what we have
		c.add(Event{Reply: c.subscribe()})
	}
	return nil
}

// another says whether to ask anew, because the log is not the one that our place is in, or does not begin or end where
// it did. Nothing of the frame is used then.
func (c *voiceCode) another(f voiceFrame, empty, done bool) (anew bool) {
	h := &c.history
	was := h.at
	if gap := f.gap; len(gap) > 0 && gap[0] == '{' {
		least, _ := integer(member(gap, "min_available_seq"))
		switch text(member(gap, "reason")) {
		case "client_ahead":
			h.at = 0
			return was > 0
		case "pruned":
			if least-1 > was {
				h.at = least - 1
				c.add(c.remark("the server no longer has the oldest of the missing messages"))
				return empty
			}
		}
	}
	file := beginning(text(f.signature))
	other := h.file != "" && file != "" && file != h.file
	if file != "" {
		h.file = file
	}
	replaced := string(f.replaced) == "true"
	if other || replaced {
		h.at = 0
		return was > 0 && (empty || !replaced) // otherwise this is the new one, from its start
	}
	if end, ok := integer(f.next); ok && empty && done && c.ends(end) < was {
		// It ends before our place. What happens may be overtaken by an answer, so only an answer is believed.
		if h.due {
			h.at = 0
		}
		return true
	}
	return false
}

// ends is the place behind all messages, where next is the number that the next one gets.
func (c *voiceCode) ends(next int64) int64 {
	if c.history.level == 4 {
		return next - 1
	}
	return next
}

// leaps says whether a window of 0.4 leaves something out after our place, and asks for that where it is not under way:
// a seq has no holes but those that the server explains.
func (c *voiceCode) leaps(f voiceFrame, list []voiceMessage) bool {
	h := &c.history
	if len(list) == 0 || h.level != 4 {
		return false
	}
	first := list[0].at
	if n, ok := integer(f.first); ok {
		first = n
	}
	if first <= h.at+1 {
		return false
	}
	if !h.due {
		c.add(Event{Reply: c.subscribe()})
	}
	return true
}

// ascend adds what is new in a window and moves the place behind it. next is where the window ends, at 0.5.
func (c *voiceCode) ascend(list []voiceMessage, next []byte, replay bool) {
	h := &c.history
	from := h.at
	for i, m := range list {
		if m.at < from || h.level == 4 && m.at <= h.at {
			continue
		}
		e := m.event(replay)
		if h.level == 4 {
			h.at, e.Cursor = m.at, m.seq
		} else {
			h.at = m.at + 1
			if i+1 < len(list) {
				h.at = max(h.at, list[i+1].at)
			} else if n, ok := integer(next); ok {
				h.at = max(h.at, n)
			}
			e.Cursor = c.line()
		}
		c.add(e)
	}
	if n, ok := integer(next); ok && h.level >= 5 && n > h.at {
		h.at = n
		c.add(Event{Cursor: c.line()})
	}
}

// line is the place at 0.5, as a cursor.
func (c *voiceCode) line() []byte {
	return append(append(strconv.AppendInt(nil, c.history.at, 10), '@'), c.history.file...)
}

// beginning is the part of a file's signature that stays: "length:what it begins with". The server compares all of it
// with what a client has seen, and so takes a file that has grown for another one, which it sends from the start. So it
// is not told what we have seen; we compare.
func beginning(signature string) string {
	if _, first, found := strings.Cut(signature, ":"); found {
		return first
	}
	return signature
}
