package demo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// perMessage is how much of one message's text a history shows.
	perMessage = 20 << 10
	// record is how many bytes a message takes in the session's file, as offsets (0.5) count them.
	record = 128
	// signature names the session's file (0.5). A client that has seen another one starts over.
	signature = "demo-1"
)

// watchAll tells this client of everything that happens from now on, in conversations it was not told of yet.
func (v *voice) watchAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.talks {
		if _, known := v.places[c]; !known {
			v.places[c] = len(c.log)
		}
	}
}

// pump sends what happened: as session_updated up to 0.3, as histories of one message from 0.4 on.
func (v *voice) pump() error {
	if !v.authed {
		return nil
	}
	for c, place := range v.places {
		fresh, _ := v.after(c, place)
		v.places[c] = place + len(fresh)
		for _, e := range fresh {
			if e.seq < 0 {
				continue
			}
			if err := v.k.json(v.update(c, e)); err != nil {
				return err
			}
			v.mu.Lock()
			c.acked = max(c.acked, e.seq+1) // it was delivered
			v.mu.Unlock()
		}
	}
	return v.turnsDone()
}

// turnsDone tells of prompts of this client that have been answered.
func (v *voice) turnsDone() error {
	for c, before := range v.turns {
		v.mu.Lock()
		done := c.turns > before
		v.mu.Unlock()
		if !done {
			continue
		}
		delete(v.turns, c)
		if err := v.k.json(frame{"type": "turn_complete", "session_id": c.id}); err != nil {
			return err
		}
	}
	return nil
}

func (v *voice) update(c *conversation, e event) frame {
	if v.level < 4 {
		return frame{"type": "session_updated", "session_id": c.id, "messages": []frame{v.message(c, e)}}
	}
	return v.window(c, []event{e}, e.seq+1, true)
}

// message is one message: raw from the provider's file in 0.2, in a form of its own from 0.3 on.
func (v *voice) message(c *conversation, e event) frame {
	role, text := "assistant", e.text
	switch e.kind {
	case asked:
		role = "user"
	case ran:
		text = "[Tool: Bash command=" + e.text + "]"
	case output:
		role, text = "user", "[Tool Result]\n"+e.text
	}
	if len(text) > perMessage {
		head, tail := text[:perMessage/2], text[len(text)-perMessage/2:]
		text = fmt.Sprintf("%s\n\n... [truncated ~%d KB] ...\n\n%s", head, (len(text)-perMessage)>>10, tail)
		text = strings.ToValidUTF8(text, "\uFFFD") // the cut may have gone through a character
	}
	if v.level < 3 {
		body := frame{"role": role, "content": []frame{{"type": "text", "text": text}}}
		return frame{"uuid": e.id, "parentUuid": nil, "timestamp": zulu(e.at), "type": role, "message": body}
	}
	m := frame{"uuid": e.id, "role": role, "text": text, "timestamp": zulu(e.at), "provider": "claude"}
	if v.level >= 4 {
		m["session_id"], m["seq"] = c.id, e.seq+1
	}
	if v.level >= 5 {
		m["offset"] = e.seq * record
	}
	return m
}

// subscribe answers with the history after the client's cursor, in the words of the level that was agreed on.
func (v *voice) subscribe(m voiceRequest) error {
	c := v.find(m.Session)
	if c == nil {
		return v.fault("", "Session not found: %s", m.Session)
	}
	if mood, _ := v.now(); mood == SlowReplay {
		if err := v.k.pause(2 * time.Second); err != nil {
			return err
		}
	}
	if v.level < 4 {
		return v.newest(c, m.LastID)
	}
	if m.LastID != nil {
		return v.fault("unsupported_subscribe_field", "last_message_id is not supported in protocol v0.4.0; use last_seq instead")
	}
	from, replaced := 0, false
	if v.level >= 5 {
		from = (max(m.Offset, 0) + record - 1) / record
		if replaced = m.Signature != "" && m.Signature != signature; replaced {
			from = 0
		}
	} else if len(m.LastSeq) > 0 && (json.Unmarshal(m.LastSeq, &from) != nil || from < 0) {
		return v.fault("invalid_subscribe", "last_seq must be a non-negative integer")
	}
	if _, known := v.places[c]; !known { // what happens from here on is told too; some of it may be in the history as well
		log, _ := v.after(c, 0)
		v.places[c] = len(log)
	}
	all := v.history(c)
	fresh := all[min(from, len(all)):]
	size := 200
	n := 0
	for n < len(fresh) && (n == 0 || size < v.budget) {
		size += v.weight(c, fresh[n])
		n++
	}
	reply := v.window(c, fresh[:n], len(all), n == len(fresh))
	if replaced {
		reply["file_replaced"] = true
	}
	return v.k.json(reply)
}

// window is a session_history in ascending order (0.4 and later). next is how many messages there are.
func (v *voice) window(c *conversation, events []event, next int, complete bool) frame {
	f := frame{"type": "session_history", "session_id": c.id, "is_complete": complete}
	messages := []frame{}
	for _, e := range events {
		messages = append(messages, v.message(c, e))
	}
	f["messages"] = messages
	if v.level >= 5 {
		f["next_offset"], f["end_of_file"], f["file_signature"] = next*record, complete, signature
		if !complete {
			f["next_offset"] = (events[len(events)-1].seq + 1) * record
		}
		return f
	}
	f["first_seq"], f["last_seq"], f["next_seq"], f["gap"] = nil, nil, next+1, nil
	if len(events) > 0 {
		f["first_seq"], f["last_seq"] = events[0].seq+1, events[len(events)-1].seq+1
	}
	return f
}

// newest is the history up to 0.3: from the newest back until the budget is used up, so that an incomplete one has its
// hole in the middle, after the client's cursor. A cursor nobody knows means everything.
func (v *voice) newest(c *conversation, last *string) error {
	all := v.history(c)
	fresh := all
	if last != nil {
		if i := slices.IndexFunc(all, func(e event) bool { return e.id == *last }); i >= 0 {
			fresh = all[i+1:]
		}
	}
	size, first := 200, len(fresh)
	for first > 0 {
		size += v.weight(c, fresh[first-1])
		if size > v.budget {
			break
		}
		first--
	}
	messages := []frame{}
	for _, e := range fresh[first:] {
		messages = append(messages, v.message(c, e))
	}
	f := frame{
		"type": "session_history", "session_id": c.id, "messages": messages, "total_count": len(all),
		"oldest_message_id": nil, "newest_message_id": nil, "is_complete": first == 0,
	}
	if len(messages) > 0 {
		f["oldest_message_id"], f["newest_message_id"] = fresh[first].id, fresh[len(fresh)-1].id
	}
	return v.k.json(f)
}

// weight is how many bytes a message takes in a frame.
func (v *voice) weight(c *conversation, e event) int {
	b, _ := json.Marshal(v.message(c, e)) // a map of texts and numbers
	return len(b) + 1
}
