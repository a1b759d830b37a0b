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
	// perRecord is how many lines of the session's file a message takes, as offsets (0.5) count them: its own is the
	// last, and the others are none of a client's business.
	perRecord = 2
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

// pump sends what happened: as session_updated up to 0.3, as histories of one message at 0.4. At 0.5 what happened is
// only the occasion to send the next window.
func (v *voice) pump() error {
	if !v.authed {
		return nil
	}
	for c, place := range v.places {
		if v.level >= 5 {
			if err := v.push(c, place); err != nil {
				return err
			}
			continue
		}
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

// push goes on where the last frame to this client ended (0.5), as far as its budget allows: what is left then waits for
// the next thing to happen, or for a subscribe.
func (v *voice) push(c *conversation, place int) error {
	log, all := v.log(c)
	if all == v.known[c] {
		return nil
	}
	v.known[c] = all
	fresh := slices.DeleteFunc(slices.Clone(log[place:]), func(e event) bool { return e.seq < 0 })
	return v.k.json(v.signed(c, fresh, log, all))
}

// log is a conversation's log, and how many messages are in it.
func (v *voice) log(c *conversation) (log []event, messages int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return c.log[:len(c.log):len(c.log)], c.seq
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
	return v.window(c, []event{e}, e.seq, e.seq+1)
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
		m["offset"] = (e.seq+1)*perRecord - 1
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
	from := 0
	switch {
	case v.level >= 5:
		return v.subscribeAt(c, m)
	case len(m.LastSeq) > 0 && (json.Unmarshal(m.LastSeq, &from) != nil || from < 0):
		return v.fault("invalid_subscribe", "last_seq must be a non-negative integer")
	}
	if _, known := v.places[c]; !known { // what happens from here on is told too; some of it may be in the history as well
		log, _ := v.after(c, 0)
		v.places[c] = len(log)
	}
	all := v.history(c)
	from = min(from, len(all))
	return v.k.json(v.window(c, all[from:from+v.fit(c, all[from:])], from, len(all)))
}

// subscribeAt answers from a line on (0.5). A client that names a file of another length, or another one, is told to
// start over, and nothing else.
func (v *voice) subscribeAt(c *conversation, m voiceRequest) error {
	log, all := v.log(c)
	v.known[c] = all
	if now := signature(log, all); m.Signature != "" && m.Signature != now {
		v.places[c] = 0
		return v.k.json(frame{
			"type": "session_history", "session_id": c.id, "messages": []frame{}, "next_offset": 0, "end_of_file": true,
			"file_replaced": true, "file_signature": now,
		})
	}
	from := max(m.Offset, 0) / perRecord
	fresh := slices.DeleteFunc(slices.Clone(log), func(e event) bool { return e.seq < from })
	return v.k.json(v.signed(c, fresh, log, all))
}

// fit is how many of the messages go into one frame: one at least, if there is one.
func (v *voice) fit(c *conversation, fresh []event) (n int) {
	for size := 200; n < len(fresh) && (n == 0 || size < v.budget); n++ {
		size += v.weight(c, fresh[n])
	}
	return n
}

// window is a session_history in ascending order (0.4): those of all messages that come after the first so many.
func (v *voice) window(c *conversation, events []event, from, all int) frame {
	f := frame{
		"type": "session_history", "session_id": c.id, "messages": v.messages(c, events), "first_seq": nil, "last_seq": nil,
		"next_seq": all + 1, "is_complete": from+len(events) == all, "gap": nil,
	}
	if len(events) > 0 {
		f["first_seq"], f["last_seq"] = from+1, from+len(events)
	}
	return f
}

// signed is such a window of 0.5, of as much as fits.
func (v *voice) signed(c *conversation, fresh, log []event, all int) frame {
	fresh = fresh[:v.fit(c, fresh)]
	end := all
	v.places[c] = len(log)
	if len(fresh) > 0 {
		last := fresh[len(fresh)-1]
		end, v.places[c] = last.seq+1, last.num+1
	}
	return frame{
		"type": "session_history", "session_id": c.id, "messages": v.messages(c, fresh), "next_offset": end * perRecord,
		"end_of_file": end == all, "file_signature": signature(log, all),
	}
}

// signature is that of a session's file (0.5): its length and what it begins with.
func signature(log []event, messages int) string {
	first := "00000000-0000-0000-0000-000000000000"
	if i := slices.IndexFunc(log, func(e event) bool { return e.seq == 0 }); i >= 0 {
		first = log[i].id
	}
	return fmt.Sprintf("%d:%s", 100*messages, first)
}

func (v *voice) messages(c *conversation, events []event) []frame {
	all := []frame{}
	for _, e := range events {
		all = append(all, v.message(c, e))
	}
	return all
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
	f := frame{
		"type": "session_history", "session_id": c.id, "messages": v.messages(c, fresh[first:]), "total_count": len(all),
		"oldest_message_id": nil, "newest_message_id": nil, "is_complete": first == 0,
	}
	if first < len(fresh) {
		f["oldest_message_id"], f["newest_message_id"] = fresh[first].id, fresh[len(fresh)-1].id
	}
	return v.k.json(f)
}

// weight is how many bytes a message takes in a frame.
func (v *voice) weight(c *conversation, e event) int {
	b, _ := json.Marshal(v.message(c, e)) // a map of texts and numbers
	return len(b) + 1
}
