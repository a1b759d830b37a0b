package connection

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/backend"
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
	applied []applied // in the order in which it happened
	stored  map[bookKey]persistence.Cursor
	saves   []time.Time
	notes   []persistence.Entry
	mail    map[string]persistence.Message // by conversation and id
	queued  int                            // messages that were ever stored
	dead    bool                           // what is stored goes nowhere, as after kill -9
	full    bool                           // the disk is
}

// applied is one event as the user got it.
type applied struct {
	id, cursor string
	state      bool // a change of the agent's state: no server keeps or replays all of those
}

// inWorld runs a story in a bubble. Whatever it leaves running fails the test.
func inWorld(t *testing.T, o demo.Options, story func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, pipe: demo.NewPipe(), stored: map[bookKey]persistence.Cursor{}, mail: map[string]persistence.Message{}}
		dialect := wire.SocketIO
		switch {
		case o.Dialect == "":
			o.Dialect = demo.V0
		case o.Dialect == demo.AgentServer && o.Version != "":
			dialect = wire.AgentServerDialect(o.Version)
		case o.Dialect == demo.AgentServer:
			dialect = wire.Session
		case o.Dialect == demo.AppServer:
			dialect = wire.Auto // what the directory says
		case o.Dialect == demo.VoiceCode:
			dialect = wire.VoiceCode
		}
		w.server = demo.New(o)
		ln := w.pipe.Listener()
		served := make(chan struct{})
		go func() { defer close(served); w.server.Serve(ln) }()
		w.opt = Options{
			Target: wire.Target{Server: "http://hands.example:3000", Conversation: demo.DefaultConversation, Dialect: dialect},
			Wanted: true, Dialer: network.Dialer{Raw: w.pipe.Dial},
			Deliver: w.deliver, Load: w.load, Save: w.save, Outbox: w.outbox, Enqueue: w.enqueue,
			Portal: func(context.Context) network.Portal { return network.Portal{} },
		}
		chance := rand.New(rand.NewPCG(o.Seed, 11))
		w.opt.Chance = chance.Float64 // only the loop of the one manager that lives throws it
		w.rewire(o)
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

// rewire gives the server's HTTP side the dialer and the rules that the world has now.
func (w *world) rewire(o demo.Options) {
	server := &backend.Client{Dialer: w.opt.Dialer, MayCarry: w.opt.MayCarry}
	w.opt.History = server.History
	if o.Dialect == demo.AppServer {
		w.opt.Locate, w.opt.Explain = server.Locate, server.Explain
	}
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
	state := bytes.Contains(e.Body, []byte("agent_state_changed")) || string(e.Name) == "ConversationStateUpdateEvent"
	w.applied = append(w.applied, applied{string(e.ID), string(e.Cursor), state})
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
	for _, m := range b.Put {
		w.mail[m.Conversation+" "+m.ID] = m
	}
	for _, m := range b.Drop {
		delete(w.mail, m.Conversation+" "+m.ID)
	}
	return nil
}

func (w *world) enqueue(m persistence.Message) (persistence.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full || w.dead {
		return m, syscall.ENOSPC
	}
	w.queued++
	m.ID = strconv.Itoa(w.queued)
	w.mail[m.Conversation+" "+m.ID] = m
	return m, nil
}

func (w *world) outbox() ([]persistence.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.mail)), nil
}

// pass lets time go by and everybody settle.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until waits for a status, and says how long it took. What was set off just before has its effect first.
func (w *world) until(s Status, within time.Duration) time.Duration {
	w.t.Helper()
	synctest.Wait()
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
	truth, got := w.server.Truth(demo.DefaultConversation), []string{}
	for _, a := range w.applied {
		if a.id != "" && !a.state {
			got = append(got, a.id)
		}
	}
	for i := range min(len(truth), len(got)) {
		require.Equal(w.t, truth[i], got[i], "event %d of %d, %d applied", i, len(truth), len(got))
	}
	require.Equal(w.t, len(truth), len(got))
}

// do asks the line for something, which takes it up before anybody looks.
func (w *world) do(c Command) {
	require.NoError(w.t, w.manager.Do(context.Background(), c))
	synctest.Wait()
}
