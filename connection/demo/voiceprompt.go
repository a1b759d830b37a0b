package demo

import (
	"slices"
	"strings"
	"time"
)

// prompt makes the agent answer in a while, whether this client stays or not; only this socket hears of the turn's end.
func (v *voice) prompt(m voiceRequest) error {
	id := m.Resume
	if m.New != "" {
		id = m.New
		v.start(id, "New session")
		if v.level < 4 {
			v.watchAll()
		}
		created := frame{"type": "session_created", "session_id": id, "name": "New session", "working_directory": "/home/demo/project"}
		if err := v.k.json(created); err != nil {
			return err
		}
	}
	c := v.find(id)
	switch v.Mood() {
	case Deaf:
		return nil
	case Declining:
		return v.fault("", "The prompt was refused")
	}
	if c == nil {
		return v.fault("", "Session not found: %s", id)
	}
	v.mu.Lock()
	locked := c.busy > 0 && v.level < 3
	if !locked {
		c.busy++
		v.turns[c] = c.turns
		v.add(c, asked, m.Text, "")
	}
	v.mu.Unlock()
	if locked {
		return v.k.json(frame{"type": "session_locked", "session_id": id, "message": "Session is currently processing a prompt"})
	}
	v.work.Go(func() { v.think(c, m.Text) })
	return v.k.json(frame{"type": "ack", "message": "Processing prompt..."})
}

func (s *Server) think(c *conversation, prompt string) {
	t := time.NewTimer(thinking)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy--
	c.turns++
	s.add(c, said, "You said: "+strings.ToUpper(prompt), "")
}

// replay sends again what nobody has confirmed, at most five of the agent's messages.
func (v *voice) replay() error {
	c := v.main
	v.mu.Lock()
	from := c.acked
	v.mu.Unlock()
	open := slices.DeleteFunc(v.history(c), func(e event) bool { return e.seq < from || e.kind != said })
	for _, e := range open[:min(5, len(open))] {
		text := frame{"role": "assistant", "text": e.text, "session_id": c.id, "timestamp": zulu(e.at)}
		if err := v.k.json(frame{"type": "replay", "message_id": e.id, "message": text}); err != nil {
			return err
		}
	}
	return nil
}

func (v *voice) ack(id string) {
	c := v.main
	for _, e := range v.history(c) {
		if e.id == id {
			v.mu.Lock()
			c.acked = max(c.acked, e.seq+1)
			v.seen.Acks++
			v.mu.Unlock()
		}
	}
}
