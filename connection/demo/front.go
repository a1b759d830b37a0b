package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gorilla/websocket"
)

// portal is where a captive network sends people.
const portal = "http://portal.example/login"

// front does what the mood does to every request, whatever the dialect. It says whether the dialect should answer.
func (s *Server) front(w http.ResponseWriter, r *http.Request) bool {
	for {
		mood, changed := s.now()
		switch mood {
		case Silent:
			if s.stall(r.Context(), changed) {
				continue
			}
			return false
		case Hang:
			if !websocket.IsWebSocketUpgrade(r) {
				return true
			}
			if s.stall(r.Context(), changed) {
				continue
			}
			return false
		case Captive:
			http.Redirect(w, r, portal, http.StatusFound)
		case CaptiveHTML:
			page(w, "Welcome to the hotel. Please log in.")
		case Draining:
			later(w, http.StatusServiceUnavailable, int(away.Seconds()), "restarting")
		case Unavailable:
			later(w, http.StatusServiceUnavailable, int(retryAfter.Seconds()), "no server is available")
		case Throttled:
			later(w, http.StatusTooManyRequests, int(retryAfter.Seconds()), "Rate limit exceeded: 10 per 1 second")
		case Asleep:
			if s.opt.Dialect != AgentServer {
				return true
			}
			http.NotFound(w, r) // the proxy before the sandboxes knows it no more
		default:
			return true
		}
		return false
	}
}

// keyed protects a route with the header X-Session-API-Key.
func (s *Server) keyed(key func() string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.admits(s.headerKey(r), key()) {
			detail(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		h(w, r)
	}
}

// origin is where the client believes the server to be.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// later refuses for a number of seconds.
func later(w http.ResponseWriter, status, seconds int, why string) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	answer(w, status, map[string]any{"error": why})
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// detail refuses in the way of FastAPI.
func detail(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]any{"detail": why})
}

// page writes HTML with status 200, as portals and single-page apps do.
func page(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><html><head><title>%s</title></head><body>%s</body></html>", text, text)
}

// number reads an integer from the query.
func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return n
}

// textIn finds what a user said in a message of any of the shapes clients use, "" = nothing.
func textIn(body []byte) string {
	var m struct {
		Text    string `json:"text"`
		Message string `json:"message"`
		Args    struct {
			Content string `json:"content"`
		} `json:"args"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(body, &m) != nil {
		return ""
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(m.Content, &parts) // it may be a text, or not there
	for _, p := range parts {
		m.Text += p.Text
	}
	for _, t := range []string{m.Text, m.Args.Content, m.Message} {
		if t != "" {
			return t
		}
	}
	return ""
}
