package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// starting is how long a sandbox takes after it was resumed.
const starting = 2 * time.Second

// appServer is the OpenHands app server or Cloud: a directory that hands out where a conversation's runtime is and the
// key for it. Both change when the sandbox is resumed. Its own key never opens a runtime, nor the other way round.
func (s *Server) appServer() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, body any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, body) })
	}
	open("GET /alive", map[string]any{"status": "ok"})
	open("GET /health", "OK")
	open("GET /ready", "OK")
	open("GET /saas", map[string]any{"saas": true})
	open("GET /api/v1/web-client/config", map[string]any{"app_mode": "saas", "maintenance_start_time": nil})
	keyed := func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, s.member(h)) }
	keyed("GET /api/keys/current", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"id": 1, "name": "demo", "org_id": "org", "user_id": "user", "auth_type": "bearer"})
	})
	keyed("GET /api/v1/app-conversations/search", s.appList)
	keyed("GET /api/v1/app-conversations", s.appBatch)
	keyed("POST /api/v1/app-conversations/{id}/send-message", s.appSend)
	keyed("POST /api/v1/sandboxes/{id}/resume", s.appResume)
	keyed("POST /api/v1/sandboxes/{id}/pause", s.appPause)
	history := agent{s, nil}
	keyed("GET /api/v1/conversation/{id}/events/search", history.with(history.searchEvents))
	keyed("GET /api/v1/conversation/{id}/events/count", history.with(func(w http.ResponseWriter, _ *http.Request, c *conversation) {
		answer(w, 200, s.view(c).count)
	}))
	mux.HandleFunc("POST /oauth/device/authorize", s.deviceAuthorize)
	mux.HandleFunc("POST /oauth/device/token", s.deviceToken)
	mux.HandleFunc("GET /oauth/device/verify", s.deviceVerify)
	runtime := s.agentServer(s.runtimeKey)
	mux.HandleFunc("/runtime/{number}/", func(w http.ResponseWriter, r *http.Request) { s.runtimes(w, r, runtime) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { page(w, "OpenHands Cloud") })
	return mux
}

// member protects a route with the user's own key.
func (s *Server) member(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := s.headerKey(r)
		switch {
		case s.admits(key, s.opt.Key):
			h(w, r)
		case key == "":
			answer(w, http.StatusUnauthorized, map[string]any{"error": "NoCredentialsError"})
		default:
			answer(w, http.StatusUnauthorized, map[string]any{"error": "ExpiredError"})
		}
	}
}

// runtimeNumber says which address the runtime has now.
func (s *Server) runtimeNumber() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runtime
}

func (s *Server) runtimeKey() string { return fmt.Sprintf("runtime-key-%d", s.runtimeNumber()) }

// Rotate gives the runtime another address and key, and cuts who is still at the old one.
func (s *Server) Rotate() {
	s.mu.Lock()
	s.runtime++
	s.mu.Unlock()
	s.cut()
}

// runtimes stands for the proxy before the sandboxes: where no runtime is, it answers 404 itself.
func (s *Server) runtimes(w http.ResponseWriter, r *http.Request, runtime http.Handler) {
	number := r.PathValue("number")
	if number != strconv.Itoa(s.runtimeNumber()) || !s.view(s.main).running {
		http.NotFound(w, r)
		return
	}
	http.StripPrefix("/runtime/"+number, runtime).ServeHTTP(w, r)
}

// appInfo shows a conversation. Where its sandbox does not run, nothing about its runtime is known.
func (s *Server) appInfo(r *http.Request, v view) map[string]any {
	at := v.updated.UTC().Format("2006-01-02T15:04:05.000000Z")
	info := map[string]any{
		"id": v.id, "title": v.title, "sandbox_id": "oh-" + v.id, "sandbox_status": "PAUSED", "execution_status": nil,
		"conversation_url": nil, "session_api_key": nil, "selected_repository": "demo/demo", "selected_branch": nil,
		"llm_model": "demo", "trigger": nil, "pr_number": []int{}, "parent_conversation_id": nil,
		"sub_conversation_ids": []string{}, "created_at": at, "updated_at": at, "metrics": nil,
	}
	switch {
	case !v.running:
		return info
	case time.Since(v.woken) < starting:
		info["sandbox_status"] = "STARTING"
		return info
	}
	base := s.opt.Runtime
	if base == "" {
		base = origin(r)
	}
	info["sandbox_status"], info["execution_status"] = "RUNNING", agentStatus(v)
	info["conversation_url"] = fmt.Sprintf("%s/runtime/%d/api/conversations/%s", base, s.runtimeNumber(), bareID(v.id))
	info["session_api_key"] = s.runtimeKey()
	return info
}

func (s *Server) appList(w http.ResponseWriter, r *http.Request) {
	all := s.views()
	from, limit := number(r, "page_id", 0), number(r, "limit", 100)
	items := []any{}
	for _, v := range all[min(from, len(all)):min(from+limit, len(all))] {
		items = append(items, s.appInfo(r, v))
	}
	var next any
	if from+limit < len(all) {
		next = strconv.Itoa(from + limit)
	}
	answer(w, 200, map[string]any{"items": items, "next_page_id": next})
}

func (s *Server) appBatch(w http.ResponseWriter, r *http.Request) {
	items := []any{}
	for _, id := range r.URL.Query()["ids"] {
		if c := s.find(id); c != nil {
			items = append(items, s.appInfo(r, s.view(c)))
		} else {
			items = append(items, nil)
		}
	}
	answer(w, 200, items)
}

func (s *Server) appSend(w http.ResponseWriter, r *http.Request) {
	c := s.find(r.PathValue("id"))
	var body json.RawMessage
	switch {
	case c == nil:
		detail(w, http.StatusNotFound, "Conversation not found")
	case !s.view(c).running:
		detail(w, http.StatusConflict, "Sandbox is not running")
	case json.NewDecoder(r.Body).Decode(&body) != nil || textIn(body) == "":
		detail(w, http.StatusUnprocessableEntity, "Field required")
	default:
		s.publish(c, asked, textIn(body), "")
		answer(w, 200, map[string]any{"success": true})
	}
}

// appResume wakes a sandbox, which then has another address and key.
func (s *Server) appResume(w http.ResponseWriter, r *http.Request) {
	c := s.find(strings.TrimPrefix(r.PathValue("id"), "oh-"))
	if c == nil {
		detail(w, http.StatusNotFound, "Sandbox not found")
		return
	}
	if !s.view(c).running {
		s.wake(c)
		s.note(func(v *Seen) { v.Wakes++ })
		s.Rotate()
	}
	answer(w, 200, map[string]any{"success": true})
}

func (s *Server) appPause(w http.ResponseWriter, r *http.Request) {
	c := s.find(strings.TrimPrefix(r.PathValue("id"), "oh-"))
	if c == nil {
		detail(w, http.StatusNotFound, "Sandbox not found")
		return
	}
	s.mu.Lock()
	c.running = false
	s.mu.Unlock()
	s.cut()
	answer(w, 200, map[string]any{"success": true})
}
