package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// v0 is the OpenHands server up to 1.6. Whatever GET it does not know it answers with its web page and status 200.
func (s *Server) v0() http.Handler {
	mux := http.NewServeMux()
	keyed := func(h http.HandlerFunc) http.HandlerFunc {
		return s.keyed(func() string { return s.opt.Key }, h)
	}
	mux.Handle("GET /socket.io/", s.engineIO(s.v0Socket))
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, map[string]any{"status": "ok"}) })
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "OK") })
	mux.HandleFunc("GET /server_info", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"uptime": 60.5, "idle_time": 1.5, "resources": map[string]any{"cpu_percent": 0.5}})
	})
	mux.HandleFunc("GET /api/options/config", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"APP_MODE": "oss", "APP_SLUG": nil, "FEATURE_FLAGS": map[string]any{"ENABLE_BILLING": false}})
	})
	mux.HandleFunc("GET /api/conversations", keyed(s.v0List))
	mux.HandleFunc("GET /api/conversations/{id}", keyed(func(w http.ResponseWriter, r *http.Request) {
		c := s.find(r.PathValue("id"))
		if c == nil {
			answer(w, 200, nil) // null with 200, as the real one
			return
		}
		answer(w, 200, v0Info(r, s.view(c)))
	}))
	mux.HandleFunc("GET /api/conversations/{id}/events", keyed(s.v0History))
	mux.HandleFunc("POST /api/conversations/{id}/message", keyed(s.v0Message))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { page(w, "OpenHands") })
	return mux
}

func v0Info(r *http.Request, v view) map[string]any {
	status, runtime := "STOPPED", "STATUS$STOPPED"
	if v.running {
		status, runtime = "RUNNING", "STATUS$READY"
	}
	at := v.updated.UTC().Format(time.RFC3339)
	return map[string]any{
		"conversation_id": v.id, "title": v.title, "last_updated_at": at, "created_at": at,
		"status": status, "runtime_status": runtime, "conversation_version": "V0",
		"selected_repository": nil, "selected_branch": nil, "git_provider": nil, "trigger": "gui", "num_connections": 0,
		"url": origin(r) + "/api/conversations/" + v.id, "session_api_key": nil, "pr_number": []int{},
		"sub_conversation_ids": []string{},
	}
}

func (s *Server) v0List(w http.ResponseWriter, r *http.Request) {
	all := s.views()
	from, limit := number(r, "page_id", 0), number(r, "limit", 20)
	items := []any{}
	for _, v := range all[min(from, len(all)):min(from+limit, len(all))] {
		items = append(items, v0Info(r, v))
	}
	var next any
	if from+limit < len(all) {
		next = strconv.Itoa(from + limit)
	}
	answer(w, 200, map[string]any{"results": items, "next_page_id": next})
}

func (s *Server) v0History(w http.ResponseWriter, r *http.Request) {
	c, limit := s.find(r.PathValue("id")), number(r, "limit", 20)
	switch {
	case c == nil:
		detail(w, http.StatusNotFound, "Conversation not found")
		return
	case limit < 0 || limit > 100:
		detail(w, http.StatusBadRequest, "Invalid limit")
		return
	}
	all := s.v0Since(c, number(r, "start_id", 0))
	if end := number(r, "end_id", -1); end >= 0 {
		all = slices.DeleteFunc(all, func(e event) bool { return e.num > end })
	}
	if r.URL.Query().Get("reverse") == "true" {
		slices.Reverse(all)
	}
	more := len(all) > limit
	events := []v0Event{}
	for _, e := range all[:min(limit, len(all))] {
		events = append(events, v0Shape(e, false))
	}
	answer(w, 200, map[string]any{"events": events, "has_more": more})
}

func (s *Server) v0Message(w http.ResponseWriter, r *http.Request) {
	c := s.find(r.PathValue("id"))
	var m json.RawMessage
	if c == nil || json.NewDecoder(r.Body).Decode(&m) != nil {
		detail(w, http.StatusNotFound, "Conversation not found")
		return
	}
	s.publish(c, asked, textIn(m), "")
	answer(w, 200, map[string]any{"success": true})
}

// v0Since gives the events that are shown, from an id on.
func (s *Server) v0Since(c *conversation, id int) []event {
	all, _ := s.after(c, 0)
	i, _ := slices.BinarySearchFunc(all, id, func(e event, id int) int { return e.num - id })
	return slices.DeleteFunc(slices.Clone(all[i:]), func(e event) bool { return e.kind == hidden })
}

// v0Socket is the connect handler: it replays before the client is told that it is connected, and joins the stream of
// live events only after that, so that what happens in between reaches nobody.
func (s *Server) v0Socket(e *engine, r *http.Request) {
	p, err := e.next()
	for err == nil && (p.kind != '0' || p.space != "") {
		if p.kind == '0' {
			_ = e.send(`44%s{"message":"Unable to connect"}`, p.space)
		}
		p, err = e.next()
	}
	if err != nil {
		return
	}
	c, refusal := s.v0Join(r)
	if c == nil {
		if refusal != "" {
			_ = e.send(`44{"message":"%s"}`, refusal)
		}
		e.idle() // the transport stays open, and the client has to close it
		return
	}
	if s.v0Replay(e, c, s.v0Since(c, number(r, "latest_event_id", -1)+1)) != nil {
		return
	}
	all, _ := s.after(c, 0)
	if e.send(`40{"sid":"%s"}`, e.sid) != nil || e.emit("", "oh_event", v0Status("STATUS$READY")) != nil {
		return
	}
	s.v0Talk(e, c, len(all))
}

// v0Join judges a connect by the query, in the order of the real handler. No conversation and no refusal is the silent
// hang: the real handler dies of an exception that nobody reports.
func (s *Server) v0Join(r *http.Request) (c *conversation, refusal string) {
	q := r.URL.Query()
	mood, _ := s.now()
	for _, p := range strings.Split(q.Get("providers_set"), ",") {
		if !slices.Contains([]string{"", "github", "gitlab", "bitbucket"}, p) {
			return nil, ""
		}
	}
	key, id := s.queryKey(r), q.Get("conversation_id")
	s.headerKey(r) // is not asked for, only noted
	switch {
	case mood == HangGreeting:
		return nil, ""
	case id == "":
		return nil, "No conversation_id in query params"
	case s.opt.Key != "" && !q.Has("session_api_key") && mood != Refusing:
		return nil, ""
	case !s.admits(key, s.opt.Key):
		return nil, "invalid_session_api_key"
	}
	if c = s.find(id); c == nil {
		s.note(func(v *Seen) { v.Typos++ })
		return s.start(id, "Conversation "+id), ""
	}
	if !s.view(c).running {
		s.wake(c)
		s.note(func(v *Seen) { v.Starts++ })
	}
	return c, ""
}

// v0Replay sends what was missed. Changes of the agent's state are held back; only the last is sent, at the very end,
// so its id is lower than others before it.
func (s *Server) v0Replay(e *engine, c *conversation, missed []event) error {
	var last *event
	mood, _ := s.now()
	portion := len(missed)/10 + 1
	for i, v := range missed {
		if v.kind == turned {
			last = &missed[i]
			continue
		}
		if err := e.emit("", "oh_event", v0Shape(v, false)); err != nil {
			return err
		}
		if mood == SlowReplay && i%portion == portion-1 {
			if err := e.pause(2 * time.Second); err != nil {
				return err
			}
		}
	}
	if last == nil {
		return nil
	}
	return e.emit("", "oh_event", v0Shape(*last, false))
}

func (s *Server) v0Talk(e *engine, c *conversation, place int) {
	e.k.live(talk{
		beat: e.beat,
		pump: func() error {
			fresh, _ := s.after(c, place)
			place += len(fresh)
			for _, v := range fresh {
				if v.kind == hidden {
					continue
				}
				if err := e.emit("", "oh_event", v0Shape(v, true)); err != nil {
					return err
				}
			}
			return nil
		},
		heard: func(frame []byte) error {
			own, err := e.own(frame)
			if own || err != nil {
				return err
			}
			return s.v0Heard(e, c, parse(frame))
		},
		leave: func() {
			// The session's end is told by an event without an id: it was never stored.
			stopped := v0Shape(event{kind: turned, to: "stopped", at: time.Now()}, true)
			stopped.ID = nil
			_ = e.emit("", "oh_event", stopped)
			e.k.bye(websocket.CloseServiceRestart, "")
		},
		frame: func(payload string) []byte {
			return fmt.Appendf(nil, `42["oh_event",{"status_update":true,"type":"info","id":"STATUS$READY","message":"%s"}]`, payload)
		},
	})
}

// v0Heard takes what the client sends. An event nobody handles is ignored, and not even its ack is sent.
func (s *Server) v0Heard(e *engine, c *conversation, p packet) error {
	if p.kind == '1' {
		return errOver
	}
	name, arg := p.event()
	if p.kind != '2' || name != "oh_user_action" && name != "oh_action" {
		return nil
	}
	var m struct {
		Action string `json:"action"`
		Args   struct {
			Content string `json:"content"`
			State   string `json:"agent_state"`
		} `json:"args"`
	}
	if json.Unmarshal(arg, &m) == nil && !s.ignores() {
		switch m.Action {
		case "message":
			s.publish(c, asked, m.Args.Content, "")
			s.publish(c, turned, "", working)
		case "change_agent_state":
			s.publish(c, turned, "", state(m.Args.State))
		}
	}
	if p.ack != "" {
		return e.send("43%s[]", p.ack)
	}
	return nil
}
