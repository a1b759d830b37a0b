package connection

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// world is a manager and a demo backend with a network in memory between them, in a synctest bubble: hours pass in
// milliseconds. What was applied is kept outside, as a user would see it.
type world struct {
	t       *testing.T
	pipe    *demo.Pipe
	server  *demo.Server
	manager *Manager
	opt     Options
	stop    func()

	mu      sync.Mutex
	applied []string // ids with a place in history, in the order in which they were applied
	stored  map[bookKey]persistence.Cursor
	saves   []time.Time
	notes   []persistence.Entry
	dead    bool // what is stored goes nowhere, as after kill -9
	full    bool // the disk is
}

// inWorld runs a story in a bubble. Whatever it leaves running fails the test.
func inWorld(t *testing.T, o demo.Options, story func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, pipe: demo.NewPipe(), stored: map[bookKey]persistence.Cursor{}}
		if o.Dialect == "" {
			o.Dialect = demo.V0
		}
		w.server = demo.New(o)
		ln := w.pipe.Listener()
		served := make(chan struct{})
		go func() { defer close(served); w.server.Serve(ln) }()
		w.opt = Options{
			Target: wire.Target{Server: "http://hands.example:3000", Conversation: demo.DefaultConversation, Dialect: wire.SocketIO},
			Wanted: true, Dialer: network.Dialer{Raw: w.pipe.Dial}, History: w.history,
			Deliver: w.deliver, Load: w.load, Save: w.save,
			Portal: func(context.Context) network.Portal { return network.Portal{} },
		}
		if o.Key != "" {
			w.opt.Secret = func(context.Context, string) (string, error) { return o.Key, nil }
		}
		w.start()
		defer func() { // a story that fails must not leave anybody behind, or the failure is not shown
			w.stop()
			w.server.Close()
			<-served
		}()
		story(w)
	})
}

// start begins a manager's life; what was stored is found again.
func (w *world) start() {
	w.manager = New(w.opt)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	m := w.manager
	go func() { done <- m.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-done)
	})
}

func (w *world) deliver(_ wire.Target, e wire.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(e.ID) > 0 && !bytes.Contains(e.Body, []byte("agent_state_changed")) { // no server replays all of those
		w.applied = append(w.applied, string(e.ID))
	}
}

func (w *world) load(identity, conversation string) (persistence.Cursor, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored[bookKey{identity, conversation}], nil
}

func (w *world) save(b persistence.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dead:
		return nil
	case w.full:
		return syscall.ENOSPC
	}
	if b.Cursor != nil {
		w.stored[bookKey{b.Identity, b.Conversation}] = *b.Cursor
		w.saves = append(w.saves, time.Now())
	}
	w.notes = append(w.notes, b.Notes...)
	return nil
}

// history is V0's, asked over the same network.
func (w *world) history(ctx context.Context, p wire.Place, after string, each func([]byte) error) error {
	start := 0
	if n, err := strconv.Atoi(after); err == nil {
		start = n + 1
	}
	for {
		url := fmt.Sprintf("%s/api/conversations/%s/events?start_id=%d&limit=100", p.Base, p.Hello.Conversation, start)
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		req.Header.Set("X-Session-API-Key", p.Hello.Key)
		res, err := w.opt.Dialer.Client().Do(req)
		if err != nil {
			return err
		}
		var page struct {
			Events  []json.RawMessage `json:"events"`
			HasMore bool              `json:"has_more"`
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			return fmt.Errorf("reading history: status %d, %w", res.StatusCode, err)
		}
		for _, e := range page.Events {
			var id struct{ ID int }
			if err := json.Unmarshal(e, &id); err != nil {
				return err
			}
			start = id.ID + 1
			if err := each(e); err != nil {
				return err
			}
		}
		if !page.HasMore {
			return nil
		}
	}
}

// pass lets time go by and everybody settle.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until waits for a status, and says how long it took.
func (w *world) until(s Status, within time.Duration) time.Duration {
	w.t.Helper()
	from := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for got := range w.manager.Watch(ctx) {
		if got.Status == s {
			return time.Since(from)
		}
	}
	w.t.Fatalf("not %s within %v, but %s", s, within, w.manager.Snapshot().Headline(time.Now()))
	return 0
}

// whole checks that everything in the server's history was applied once, in order.
func (w *world) whole() {
	w.t.Helper()
	w.pass(time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	truth := w.server.Truth(demo.DefaultConversation)
	for i := range min(len(truth), len(w.applied)) {
		require.Equal(w.t, truth[i], w.applied[i], "event %d of %d, %d applied", i, len(truth), len(w.applied))
	}
	require.Equal(w.t, len(truth), len(w.applied))
}

func (w *world) do(c Command) { require.NoError(w.t, w.manager.Do(context.Background(), c)) }
