package demo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// most is how many sockets a conversation takes.
const most = 50

// socket does what both sockets of the agent-server have in common: the key, the conversation and the room for one more.
func (a agent) socket(script func(*socket, *http.Request, *conversation)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, header := a.queryKey(r), a.headerKey(r)
		if given == "" && a.from(1, 12) {
			given = header
		}
		mood, _ := a.now()
		open := a.key() == "" && mood != Refusing
		switch {
		case !websocket.IsWebSocketUpgrade(r):
			detail(w, http.StatusNotFound, "Not Found")
			return
		case !uuidForm(r.PathValue("id")),
			given != "" && !a.admits(given, a.key()),
			given == "" && !open && !a.from(1, 18, 1):
			w.WriteHeader(http.StatusForbidden) // closed before it is accepted: no close frame, only this
			return
		}
		a.serve(w, r, func(k *socket) {
			if given == "" && !open && !a.firstFrame(k) {
				k.bye(4001, "Authentication failed")
				return
			}
			a.join(k, r, script)
		})
	}
}

func (a agent) join(k *socket, r *http.Request, script func(*socket, *http.Request, *conversation)) {
	c := a.find(r.PathValue("id"))
	if c == nil {
		k.bye(4004, "Conversation not found")
		return
	}
	a.mu.Lock()
	c.watchers++
	full := c.watchers > most
	mood := a.mood
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		c.watchers--
	}()
	switch {
	case full:
		k.bye(websocket.CloseTryAgainLater, "Too many connections for this conversation")
	case mood == HangGreeting:
		k.ignore()
	default:
		script(k, r, c)
	}
}

// firstFrame waits for the key as the client's first frame.
func (a agent) firstFrame(k *socket) bool {
	frame, err := k.hear(authWait)
	var m struct {
		Type string `json:"type"`
		Key  string `json:"session_api_key"`
	}
	if err != nil || json.Unmarshal(frame, &m) != nil || m.Type != "auth" {
		return false
	}
	a.note(func(v *Seen) { v.KeyInFrame = true })
	return a.admits(m.Key, a.key())
}

// eventsSocket sends bare events: the full state, what is asked to be sent again, and what happens. It subscribes
// first, so what happens comes between the pages of what is sent again.
func (a agent) eventsSocket(k *socket, r *http.Request, c *conversation) {
	all, _ := a.after(c, 0)
	place := len(all)
	pump := func() error {
		fresh, _ := a.after(c, place)
		place += len(fresh)
		for _, e := range fresh {
			if e.seq < 0 && e.kind != turned {
				continue
			}
			if err := k.json(agentShape(e)); err != nil {
				return err
			}
		}
		return nil
	}
	if k.json(a.fullState(c)) != nil || a.resend(k, r, c, pump) != nil {
		return
	}
	a.talk(k, c, pump, func() any { return a.serverError() }, func(payload string) []byte {
		return fmt.Appendf(nil, `{"id":"huge","content":"%s","kind":"StreamingDeltaEvent"}`, payload)
	})
}

// resend sends history again, in pages of a hundred. The timestamp is inclusive and is compared as text.
func (a agent) resend(k *socket, r *http.Request, c *conversation, pump func() error) error {
	q := r.URL.Query()
	mode := q.Get("resend_mode")
	switch {
	case q.Get("resend_all") == "true":
		mode = "all"
	case !a.from(1, 15):
		return nil
	}
	var again []event
	switch mode {
	case "all":
		again = a.history(c)
	case "since":
		if !q.Has("after_timestamp") {
			return nil
		}
		again = slices.DeleteFunc(a.history(c), func(e event) bool { return naive(e.at) < q.Get("after_timestamp") })
	}
	return a.pages(k, again, pump, func(e event) error { return k.json(agentShape(e)) })
}

// pages sends events a hundred at a time, with between after each page; slowly in that mood.
func (a agent) pages(k *socket, all []event, between func() error, send func(event) error) error {
	mood, _ := a.now()
	page := 100
	if mood == SlowReplay {
		page = len(all)/10 + 1
	}
	for part := range slices.Chunk(all, page) {
		for _, e := range part {
			if err := send(e); err != nil {
				return err
			}
		}
		if mood == SlowReplay {
			if err := k.pause(2 * time.Second); err != nil {
				return err
			}
		}
		if err := between(); err != nil {
			return err
		}
	}
	return nil
}

// talk is what both sockets do once they are caught up.
func (a agent) talk(k *socket, c *conversation, pump func() error, bad func() any, huge func(string) []byte) {
	k.live(talk{
		pump:  pump,
		frame: huge,
		leave: func() { k.bye(websocket.CloseServiceRestart, "") },
		heard: func(frame []byte) error {
			var m struct{ Type, Role string }
			switch err := json.Unmarshal(frame, &m); {
			case err == nil && m.Type == "auth" && a.from(1, 22, 1):
				return nil // one key too many
			case err != nil || m.Role == "" || textIn(frame) == "" || a.Mood() == Declining:
				return k.json(bad())
			case a.Mood() == Deaf:
				return nil
			}
			a.publish(c, asked, textIn(frame), "")
			a.publish(c, turned, "", working)
			return nil
		},
	})
}

// sessionSocket sends frames with a sequence number: it loses nothing, if the client resumes after the last.
func (a agent) sessionSocket(k *socket, r *http.Request, c *conversation) {
	all, _ := a.after(c, 0)
	place := len(all)
	history := slices.DeleteFunc(slices.Clone(all), func(e event) bool { return e.seq < 0 })
	after, err := strconv.Atoi(r.URL.Query().Get("after_seq"))
	if err != nil {
		after = len(history) - 1 // live only
	}
	sync := map[string]any{"type": "sync", "from_seq": after}
	if len(history) > 0 {
		sync["through_seq"] = history[len(history)-1].seq
	}
	if k.json(sync) != nil {
		return
	}
	from := min(max(after+1, 0), len(history))
	err = a.pages(k, history[from:], func() error { return nil }, func(e event) error { return a.durable(k, e) })
	if err != nil || k.json(transient(a.fullState(c))) != nil {
		return
	}
	pump := func() error {
		fresh, _ := a.after(c, place)
		place += len(fresh)
		for _, e := range fresh {
			if err := a.sessionEvent(k, e); err != nil {
				return err
			}
		}
		return nil
	}
	bad := func() any {
		return map[string]any{"type": "error", "code": "ValidationError", "detail": "1 validation error for Message"}
	}
	a.talk(k, c, pump, bad, func(payload string) []byte {
		return fmt.Appendf(nil, `{"type":"transient","event":{"id":"huge","content":"%s","kind":"StreamingDeltaEvent"}}`, payload)
	})
}

// sessionEvent sends what happens. Every ninth event comes as transient before it is stored, and again as durable.
func (a agent) sessionEvent(k *socket, e event) error {
	switch {
	case e.kind == turned:
		return k.json(transient(agentShape(e)))
	case e.seq < 0:
		return nil
	case e.seq%9 == 8 && a.carries(durable(e)):
		if err := k.json(transient(agentShape(e))); err != nil {
			return err
		}
	}
	return a.durable(k, e)
}

// durable sends an event that is kept. One that is too large ends the socket: the client has to get it another way.
func (a agent) durable(k *socket, e event) error {
	if !a.carries(durable(e)) {
		k.bye(websocket.CloseTryAgainLater, "frame_too_large")
		return errTooLarge
	}
	return k.json(durable(e))
}

var errTooLarge = errors.New("frame too large")

// carries says whether a frame is one for the session socket.
func (a agent) carries(frame any) bool {
	b, err := json.Marshal(frame)
	return err != nil || len(b) <= cmp.Or(a.opt.Frame, 4<<20)
}

func durable(e event) any {
	return struct {
		Type  string     `json:"type"`
		Seq   int        `json:"seq"`
		Event agentEvent `json:"event"`
	}{"durable", e.seq, agentShape(e)}
}

func transient(e agentEvent) any {
	return struct {
		Type  string     `json:"type"`
		Event agentEvent `json:"event"`
	}{"transient", e}
}
