package diagnostics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
	"handline/persistence"
)

// Problem is why the API did not do what was asked: {"error": {…}} on the wire, an error in Go.
type Problem struct {
	Status int `json:"-"` // of the HTTP answer
	// Code is a network.Cause, or one of: bad-request, not-found, method, too-large, not-offered, not-now, no-conversation,
	// config, outbox-full, not-stored, internal.
	Code   string `json:"code"`
	Text   string `json:"text"` // what is
	Means  string `json:"means,omitempty"`
	Advice string `json:"advice,omitempty"` // what to do
}

func (p *Problem) Error() string { return p.Text }

// ProblemOf finds the Problem in an error: a failure of the line or of a server gets its words, the rest is told as it
// is. server is the configured server, "" = not known.
func ProblemOf(err error, server string) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var f network.Failure
	if errors.As(err, &f) {
		why := connection.Explain(f, server)
		return &Problem{http.StatusBadGateway, string(why.Code), why.Text, why.Means, why.Advice}
	}
	var m *persistence.Mistake
	if errors.As(err, &m) {
		return &Problem{http.StatusConflict, "config", "config.json cannot be read", m.Path + ": " + m.Err.Error() + ".",
			"Correct the file, or remove it to begin with the defaults. Nothing was changed."}
	}
	if errors.Is(err, backend.ErrNoQuestion) {
		return &Problem{Status: http.StatusNotImplemented, Code: "not-offered", Text: "This kind of server has no way to ask that"}
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", Text: err.Error()}
}

func badRequest(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: "bad-request", Text: fmt.Sprintf(format, args...)}
}

// answer writes v as JSON. There is nobody to tell when the reader has gone.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, p *Problem) {
	answer(w, p.Status, map[string]*Problem{"error": p})
}

// maxBody is the longest request body: a configuration with long parameters has room twenty times over.
const maxBody = 64 << 10

// body reads the request's JSON, at most so many bytes of it.
func body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	// A page of another origin cannot send this type without asking first.
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/json" && r.ContentLength != 0 {
		return nil, badRequest("The request must be application/json")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Code: "too-large", Text: "The request is too long",
			Means: fmt.Sprintf("It has more than %d KB.", most/1000)}
	case err != nil:
		return nil, badRequest("The request cannot be read: %v", err)
	}
	return b, nil
}

// read decodes the request's one JSON object into v and refuses fields it does not know, so that a misspelt one is
// never silently without effect. An empty body leaves v as it is.
func read(w http.ResponseWriter, r *http.Request, v any) error { return readUpTo(w, r, v, maxBody) }

// readUpTo is read for a body of at most so many bytes.
func readUpTo(w http.ResponseWriter, r *http.Request, v any, most int64) error {
	b, err := body(w, r, most)
	if err != nil || len(b) == 0 {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("The request cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("The request has more than one JSON value")
	}
	return nil
}

// stream writes server-sent events (HTML Living Standard, section 9.2).
type stream struct {
	w  http.ResponseWriter
	to *http.ResponseController
}

func newStream(w http.ResponseWriter) stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return stream{w, http.NewResponseController(w)}
}

// A reader who takes nothing for this long is cut: he has stopped, and would keep a connection for ever.
const streamPatience = 30 * time.Second

// send writes one event and flushes it.
func (s stream) send(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	if err := s.to.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil {
		return fmt.Errorf("bounding a write: %w", err)
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, data); err != nil {
		return fmt.Errorf("sending %s: %w", name, err)
	}
	return s.to.Flush()
}
