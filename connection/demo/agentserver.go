package demo

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// agent is the OpenHands agent-server. Its key may change while it runs, because the app server's runtimes get new ones.
type agent struct {
	*Server
	key func() string
}

func (s *Server) agentServer(key func() string) http.Handler {
	a := agent{s, key}
	mux := http.NewServeMux()
	open := func(pattern string, body any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, body) })
	}
	open("GET /alive", map[string]any{"status": "ok"})
	open("GET /health", map[string]any{"status": "ok"})
	open("GET /ready", map[string]any{"status": "ready"})
	mux.HandleFunc("GET /server_info", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, a.info()) })
	keyed := func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, s.keyed(key, h)) }
	keyed("GET /api/settings", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, map[string]any{}) })
	keyed("GET /api/conversations", a.batch)
	keyed("GET /api/conversations/search", a.list)
	keyed("GET /api/conversations/count", a.count)
	keyed("GET /api/conversations/{id}", a.with(func(w http.ResponseWriter, _ *http.Request, c *conversation) {
		answer(w, 200, agentInfo(s.view(c)))
	}))
	keyed("GET /api/conversations/{id}/events/search", a.with(a.searchEvents))
	keyed("GET /api/conversations/{id}/events/count", a.with(func(w http.ResponseWriter, _ *http.Request, c *conversation) {
		answer(w, 200, s.view(c).count)
	}))
	keyed("POST /api/conversations/{id}/events", a.with(a.post))
	keyed("POST /api/conversations/{id}/pause", a.with(a.control(paused)))
	keyed("POST /api/conversations/{id}/interrupt", a.with(a.control(paused)))
	keyed("POST /api/conversations/{id}/run", a.with(a.control(working)))
	mux.HandleFunc("GET /sockets/events/{id}", a.socket(a.eventsSocket))
	mux.HandleFunc("GET /sockets/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !s.from(1, 45) {
			w.WriteHeader(http.StatusForbidden) // an unknown socket route is closed before it is accepted
			return
		}
		a.socket(a.sessionSocket)(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { detail(w, http.StatusNotFound, "Not Found") })
	return mux
}

func (a agent) info() map[string]any {
	v := a.opt.Version
	return map[string]any{
		"uptime": 123, "idle_time": 5, "title": "OpenHands Agent Server", "version": v, "sdk_version": v,
		"tools_version": v, "workspace_version": v, "python_version": "3.13.1", "usable_tools": []string{"terminal"},
		"runtime_idle_timeout_seconds": nil, "docs": "/docs", "redoc": "/redoc",
	}
}

func agentInfo(v view) map[string]any {
	at := v.updated.UTC().Format("2006-01-02T15:04:05.000000Z")
	return map[string]any{
		"id": v.id, "title": v.title, "execution_status": agentStatus(v), "created_at": at, "updated_at": at,
		"agent": map[string]any{"kind": "Agent"}, "workspace": map[string]any{"working_dir": "workspace/project"},
	}
}

// with finds the conversation of a route.
func (a agent) with(h func(http.ResponseWriter, *http.Request, *conversation)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c := a.find(r.PathValue("id")); c != nil {
			h(w, r, c)
			return
		}
		detail(w, http.StatusNotFound, "Not Found")
	}
}

func (a agent) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	all := slices.DeleteFunc(a.views(), func(v view) bool { return q.Has("status") && agentStatus(v) != q.Get("status") })
	limit := number(r, "limit", 100)
	if limit < 1 || limit > 100 {
		detail(w, http.StatusUnprocessableEntity, "limit must be between 1 and 100")
		return
	}
	from := max(slices.IndexFunc(all, func(v view) bool { return v.id == q.Get("page_id") }), 0)
	items := []any{}
	for _, v := range all[from:min(from+limit, len(all))] {
		items = append(items, agentInfo(v))
	}
	var next any
	if from+limit < len(all) {
		next = all[from+limit].id
	}
	answer(w, 200, map[string]any{"items": items, "next_page_id": next})
}

func (a agent) count(w http.ResponseWriter, r *http.Request) {
	n := 0
	for _, v := range a.views() {
		if s := r.URL.Query().Get("status"); s == "" || s == agentStatus(v) {
			n++
		}
	}
	answer(w, 200, n)
}

func (a agent) batch(w http.ResponseWriter, r *http.Request) {
	items := []any{}
	for _, id := range r.URL.Query()["ids"] {
		if c := a.find(id); c != nil {
			items = append(items, agentInfo(a.view(c)))
		} else {
			items = append(items, nil)
		}
	}
	answer(w, 200, items)
}

// searchEvents pages through the history. The page's id is that of the first event of the page.
func (a agent) searchEvents(w http.ResponseWriter, r *http.Request, c *conversation) {
	q := r.URL.Query()
	limit := number(r, "limit", 100)
	if limit < 1 || limit > 100 {
		detail(w, http.StatusUnprocessableEntity, "limit must be between 1 and 100")
		return
	}
	all := slices.DeleteFunc(a.history(c), func(e event) bool {
		at := naive(e.at)
		return at < q.Get("timestamp__gte") || q.Has("timestamp__lt") && at >= q.Get("timestamp__lt")
	})
	if strings.HasSuffix(q.Get("sort_order"), "_DESC") {
		slices.Reverse(all)
	}
	from := max(slices.IndexFunc(all, func(e event) bool { return e.id == q.Get("page_id") }), 0)
	items := []agentEvent{}
	for _, e := range all[from:min(from+limit, len(all))] {
		items = append(items, agentShape(e))
	}
	var next any
	if from+limit < len(all) {
		next = all[from+limit].id
	}
	answer(w, 200, map[string]any{"items": items, "next_page_id": next})
}

// post takes a message. Over REST the agent only runs if it is asked to.
func (a agent) post(w http.ResponseWriter, r *http.Request, c *conversation) {
	var body json.RawMessage
	var m struct{ Run bool }
	if json.NewDecoder(r.Body).Decode(&body) != nil || json.Unmarshal(body, &m) != nil || textIn(body) == "" {
		detail(w, http.StatusUnprocessableEntity, "Field required")
		return
	}
	a.publish(c, asked, textIn(body), "")
	if m.Run {
		a.publish(c, turned, "", working)
	}
	answer(w, 200, map[string]any{"success": true})
}

func (a agent) control(to state) func(http.ResponseWriter, *http.Request, *conversation) {
	return func(w http.ResponseWriter, _ *http.Request, c *conversation) {
		if to == working && a.view(c).state == working {
			detail(w, http.StatusConflict, "Conversation already running. Wait for completion or pause first.")
			return
		}
		a.publish(c, turned, "", to)
		answer(w, 200, map[string]any{"success": true})
	}
}

// uuidForm says whether a path's id can be a UUID at all: others are refused before the socket is accepted.
func uuidForm(id string) bool {
	id = bareID(id)
	return len(id) == 32 && strings.Trim(id, "0123456789abcdefABCDEF") == ""
}

// authWait is how long the agent-server waits for the key in the first frame.
const authWait = 10 * time.Second
