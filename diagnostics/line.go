package diagnostics

import (
	"context"
	"net/http"
	"os"
	"sync"
	"time"

	"handline/connection"
	"handline/persistence"
)

// This file shows the line and steers it.

// lookFor is how long a look at the status keeps the pulse quick; an open watch renews it.
const lookFor = 30 * time.Second

// Status is the answer of GET /v1/status.
type Status struct {
	Version  string              `json:"version"`
	PID      int                 `json:"pid"`
	Snapshot connection.Snapshot `json:"snapshot"`
}

// Target is what POST /v1/connect may change before it connects. Empty fields stay as they are, except that another
// server also forgets the conversation and the parameters of the last one.
type Target struct {
	Server       string            `json:"server,omitempty"`
	Conversation string            `json:"conversation,omitempty"`
	Params       map[string]string `json:"params,omitempty"`
	Wake         bool              `json:"wake,omitempty"` // a sleeping sandbox may be resumed
}

// Taken is the answer to a command: the machine has it. What comes of it has a Snapshot.Since after At.
type Taken struct {
	At time.Time `json:"at"`
}

func (a API) status(w http.ResponseWriter, r *http.Request) error {
	if err := a.Line.Do(r.Context(), connection.Look{For: lookFor}); err != nil {
		return err
	}
	answer(w, http.StatusOK, Status{a.Version, os.Getpid(), a.Line.Snapshot()})
	return nil
}

// watch streams whole snapshots, the latest at once, and with outbox the messages too: a browser opens six connections to
// one server, so a window must do with one. Somebody who watches wants to see the line die, so the pulse is quick while
// the stream is open.
func (a API) watch(w http.ResponseWriter, r *http.Request) error {
	ctx, stop := context.WithCancel(r.Context())
	var looking sync.WaitGroup
	looking.Go(func() { a.look(ctx) })
	defer looking.Wait()
	defer stop()

	s := newStream(w)
	var turn sync.Mutex // one event after the other
	tell := func(name string, v any) bool {
		turn.Lock()
		defer turn.Unlock()
		return s.send(name, v) == nil // else the reader has gone
	}
	if r.URL.Query().Has("outbox") {
		looking.Go(func() {
			for all := range a.Line.WatchOutbox(ctx) {
				if !tell("outbox", Outbox{listed(all)}) {
					break
				}
			}
		})
	}
	for snap := range a.Line.Watch(ctx) {
		if !tell("snapshot", snap) {
			break
		}
	}
	return nil
}

// look keeps the pulse quick until ctx ends.
func (a API) look(ctx context.Context) {
	renew := time.NewTicker(lookFor / 2)
	defer renew.Stop()
	for a.Line.Do(ctx, connection.Look{For: lookFor}) == nil {
		select {
		case <-renew.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a API) connect(w http.ResponseWriter, r *http.Request) error {
	var t Target
	if err := read(w, r, &t); err != nil {
		return err
	}
	// Even with nothing to change, so that a configuration edited by hand is taken up.
	at := time.Now()
	if err := a.Change(r.Context(), t.apply); err != nil {
		return err
	}
	if err := a.Asked(r.Context()); err != nil {
		return err
	}
	return a.do(w, r, at, connection.Connect{Wake: t.Wake})
}

// apply puts the target into the configuration.
func (t Target) apply(c *persistence.Config) error {
	if t.Server != "" {
		server, err := persistence.ParseServer(t.Server)
		if err != nil {
			return badRequest("%v", err)
		}
		if server != c.Server {
			c.Server, c.Conversation, c.Params = server, "", map[string]string{}
		}
	}
	if t.Conversation != "" {
		c.Conversation = t.Conversation
	}
	if t.Params != nil {
		c.Params = t.Params
	}
	if err := c.Validate(); err != nil {
		return badRequest("%v", err)
	}
	return nil
}

func (a API) disconnect(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r, &struct{}{}); err != nil {
		return err
	}
	return a.do(w, r, time.Now(), connection.Disconnect{})
}

func (a API) reconnect(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r, &struct{}{}); err != nil {
		return err
	}
	if err := a.Asked(r.Context()); err != nil {
		return err
	}
	return a.do(w, r, time.Now(), connection.Reconnect{})
}

// do hands a command to the line. What comes of it is news after at.
func (a API) do(w http.ResponseWriter, r *http.Request, at time.Time, c connection.Command) error {
	if err := a.Line.Do(r.Context(), c); err != nil {
		return err
	}
	answer(w, http.StatusAccepted, Taken{at})
	return nil
}
