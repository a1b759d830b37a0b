// Package diagnostics tells what Handline does and what is wrong: named checks, findings with advice, the timeline, and
// the local API through which the command line and the window see and steer the running app.
package diagnostics

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"handline/connection"
	"handline/persistence"
)

// API is what the local API serves. All fields are needed but those that say otherwise.
type API struct {
	Version string
	Line    *connection.Manager
	Feed    *Feed
	// Config gives the configuration as it is stored. What was edited by hand is in it, so that who changes one setting of
	// it and puts it back undoes nothing.
	Config func(context.Context) (persistence.Config, error)
	// Change edits the configuration, stores it and tells the line, one change at a time. The edit's own error is
	// returned as it is, and nothing has changed then.
	Change func(ctx context.Context, edit func(*persistence.Config) error) error
	// Asked hears that a person wants a line, so that a keychain they once refused may ask them again.
	Asked func(context.Context) error
	// SetKey stores the key of a server ("" = the configured one); an empty key forgets it. It may block on a prompt.
	SetKey func(ctx context.Context, server, key string) error
	// SetLogin stores the name and password of a proxy, as name:password; "" forgets them. It may block on a prompt.
	SetLogin func(ctx context.Context, proxy, login string) error
	// Timeline gives the newest entries of the stored ring, at most limit and none older than since, oldest first.
	Timeline func(limit int, since time.Time) []persistence.Entry
	// Failures counts the dials that came to nothing.
	Failures func() persistence.Failures
	// Conversations asks the configured server which conversations there are.
	Conversations func(context.Context) ([]Conversation, error)
	// History asks the server for the conversation's events after a cursor ("" = all), oldest first.
	History func(ctx context.Context, after string, each func(Event) error) error
	// Window shows the diagnostics window at a pane ("" = the first), or brings it forward. nil: there is none.
	Window func(ctx context.Context, pane string) error
	// Demo moves the line to a backend of Handline's own, or back to the configured server. nil: there is none.
	Demo func(ctx context.Context, on bool) error
	// DemoServer is that backend's address, "" while it does not run. It goes with Demo.
	DemoServer func() string
	// Checks examine the server, one examination at a time.
	Checks *Rounds
	// Bundle gathers the report that may be given to others; titles lets the conversation's title in.
	Bundle func(ctx context.Context, titles bool) (Bundle, error)
	// Draft is the message that is being written in a window.
	Draft *Draft
	// SignIns log in with a browser instead of a key, one at a time.
	SignIns *SignIns
	// Muted says whether the system keeps Handline's notifications from being shown.
	Muted func(context.Context) bool
	// AllowNotices opens the system's page on which that can be changed.
	AllowNotices func(context.Context) error
	// Quit begins the end of the app and returns at once.
	Quit func()
}

// Conversation is one conversation of the server.
type Conversation struct {
	ID      string    `json:"id"`
	Title   string    `json:"title,omitempty"`
	Running bool      `json:"running"`         // it can be joined without waking anything
	Asleep  bool      `json:"asleep"`          // joining it needs a click: it is paused or stopped
	Agent   string    `json:"agent,omitempty"` // as in the snapshot
	Updated time.Time `json:"updated,omitzero"`
}

// outboxPath begins the paths of single messages.
const outboxPath = "/v1/outbox/"

type handler func(http.ResponseWriter, *http.Request) error

// Handler serves the API: JSON, and server-sent events for what goes on. It trusts its callers; whoever listens on more
// than a private unix socket puts a guard before it.
func Handler(a API) http.Handler {
	routes := map[string]map[string]handler{
		"/v1/status":        {"GET": a.status},
		"/v1/watch":         {"GET": a.watch},
		"/v1/connect":       {"POST": a.connect},
		"/v1/disconnect":    {"POST": a.disconnect},
		"/v1/reconnect":     {"POST": a.reconnect},
		"/v1/conversations": {"GET": a.conversations},
		"/v1/events":        {"GET": a.events},
		"/v1/timeline":      {"GET": a.timeline},
		"/v1/stats":         {"GET": a.stats},
		"/v1/diagnose":      {"GET": a.diagnose},
		"/v1/report":        {"GET": a.report},
		"/v1/config":        {"GET": a.config, "PUT": a.putConfig},
		"/v1/key":           {"POST": a.key},
		"/v1/window":        {"POST": a.window},
		"/v1/demo":          {"GET": a.demo, "POST": a.demo},
		"/v1/sign-in":       {"GET": a.signIn, "POST": a.startSignIn, "DELETE": a.stopSignIn},
		"/v1/notices":       {"GET": a.notices, "POST": a.allowNotices},
		"/v1/draft":         {"GET": a.draft, "PUT": a.putDraft},
		"/v1/send":          {"POST": a.send},
		"/v1/outbox":        {"GET": a.outbox},
		outboxPath:          {"POST": a.decide},
		"/v1/quit":          {"POST": a.quit},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if strings.HasPrefix(path, outboxPath) {
			path = outboxPath
		}
		methods, ok := routes[path]
		if !ok {
			refuse(w, &Problem{Status: http.StatusNotFound, Code: "not-found", Text: "There is nothing at " + r.URL.Path})
			return
		}
		h, ok := methods[r.Method]
		if !ok {
			allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
			w.Header().Set("Allow", allow)
			refuse(w, &Problem{Status: http.StatusMethodNotAllowed, Code: "method", Text: "Only " + allow + " works here"})
			return
		}
		if err := h(w, r); err != nil {
			refuse(w, ProblemOf(err, a.Line.Snapshot().Server))
		}
	})
}

func (a API) conversations(w http.ResponseWriter, r *http.Request) error {
	list, err := a.Conversations(r.Context())
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string][]Conversation{"conversations": list})
	return nil
}

// timelineLimit is how many entries are given where the caller names no limit: some days of an ordinary line.
const timelineLimit = 500

func (a API) timeline(w http.ResponseWriter, r *http.Request) error {
	limit, since := timelineLimit, time.Time{}
	var err error
	if v := r.URL.Query().Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 {
			return badRequest("limit must be a whole number of at least 1")
		}
	}
	if v := r.URL.Query().Get("since"); v != "" {
		if since, err = time.Parse(time.RFC3339, v); err != nil {
			return badRequest("since must be a time such as 2026-03-01T14:02:00Z")
		}
	}
	answer(w, http.StatusOK, map[string][]persistence.Entry{"entries": a.Timeline(limit, since)})
	return nil
}

// Pane is the body of POST /v1/window.
type Pane struct {
	Pane string `json:"pane,omitempty"` // one of Panes, "" = the first
}

func (a API) window(w http.ResponseWriter, r *http.Request) error {
	var p Pane
	if err := read(w, r, &p); err != nil {
		return err
	}
	if a.Window == nil {
		return &Problem{Status: http.StatusNotImplemented, Code: "not-offered", Text: "This Handline has no window"}
	}
	if err := a.Window(r.Context(), p.Pane); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// demo turns the demo on or off where it is asked to, and tells where it is.
func (a API) demo(w http.ResponseWriter, r *http.Request) error {
	var d struct {
		On bool `json:"on"`
	}
	if err := read(w, r, &d); err != nil {
		return err
	}
	if a.Demo == nil {
		return &Problem{Status: http.StatusNotImplemented, Code: "not-offered", Text: "This Handline has no demo to try"}
	}
	if r.Method == http.MethodPost {
		if err := a.Demo(r.Context(), d.On); err != nil {
			return err
		}
	}
	answer(w, http.StatusOK, map[string]string{"server": a.DemoServer()})
	return nil
}

// notices tells whether notifications are shown.
func (a API) notices(w http.ResponseWriter, r *http.Request) error {
	answer(w, http.StatusOK, map[string]bool{"muted": a.Muted(r.Context())})
	return nil
}

func (a API) allowNotices(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r, &struct{}{}); err != nil {
		return err
	}
	if err := a.AllowNotices(r.Context()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a API) quit(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r, &struct{}{}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	a.Quit()
	return nil
}
