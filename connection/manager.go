// Package connection keeps one line to one backend: Manager is the one owner of all connection state. step.go decides,
// session.go talks, manager.go runs.
package connection

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// Options are what a Manager needs of the world. Func fields may be nil where a zero is documented.
type Options struct {
	Target    wire.Target
	Retry     Retry
	Heartbeat Heartbeat
	// Wanted connects at once when Run starts.
	Wanted bool
	// Dialer opens every connection.
	Dialer network.Dialer
	// Locate asks the server what it is and where the conversation's socket is, before each dial. Its errors are
	// network.Failure. wake may resume a sleeping sandbox; it is true only after a user's click. nil: the target's
	// server and dialect are taken as they are.
	Locate func(ctx context.Context, t wire.Target, key string, wake bool) (wire.Place, error)
	// Secret gives the key stored for a server identity, "" = none. It may block on a prompt. nil: no key.
	Secret func(ctx context.Context, identity string) (string, error)
	// History gives the events after cursor, oldest first. nil: gaps are not filled over HTTP.
	History func(ctx context.Context, p wire.Place, after string, each func(item []byte) error) error
	// MayCarry says whether a key may travel to a URL. nil: everywhere (demo and tests).
	MayCarry func(u *url.URL) error
	// Explain refines a refusal of the upgrade by asking the server. nil: taken as it is.
	Explain func(ctx context.Context, p wire.Place, f network.Failure) network.Failure
	// Compress says whether to offer permessage-deflate to a URL. nil: never.
	Compress func(u *url.URL) bool
	// Portal looks for a captive portal. nil: never looked for.
	Portal func(ctx context.Context) network.Portal
	// Load gives the stored cursor, Save stores what changed. nil: nothing is kept.
	Load func(identity, conversation string) (persistence.Cursor, error)
	Save func(persistence.Batch) error
	// Outbox gives the stored messages, when Run starts. nil: none.
	Outbox func() ([]persistence.Message, error)
	// Enqueue stores a new message and gives it its ID, before anybody hears of it; what becomes of it goes to Save. Its
	// error may be persistence.ErrOutboxFull. nil: nothing can be sent.
	Enqueue func(persistence.Message) (persistence.Message, error)
	// Deliver is called for each event of the conversation, once, in order, by the session's reader. It must not block
	// and must not keep the event's slices. nil: nobody listens.
	Deliver func(t wire.Target, e wire.Event)
	// Slept says how long the machine slept since the last call, 0 = it did not. It is asked at each tick and each Nudge,
	// so that a sleep is noticed once, whoever tells of it first, and even where nobody does. nil: never asked.
	Slept func() time.Duration
	// Stranded says whether nothing can reach a local address of this machine any more. It is asked at each Nudge of a
	// link, for the address that the line comes from. nil: never asked.
	Stranded func(from netip.Addr) bool
	// DarkWakes says that the machine wakes by itself for a moment now and then (macOS), so that a sleep which only the
	// clocks know of is no reason to dial.
	DarkWakes bool
	// Chance gives numbers in [0, 1). nil: math/rand.
	Chance func() float64
	Log    *slog.Logger // nil: discarded
}

// Command is what the outside may ask for.
type Command interface{ command() }

type (
	// Connect makes the user want a line. It starts over where the machine is stuck, waits or gave up. Wake also allows
	// a sleeping sandbox to be resumed.
	Connect struct{ Wake bool }
	// Disconnect ends the wish and hangs up, in any phase within 100 ms.
	Disconnect struct{}
	// Reconnect hangs up and dials anew; without a wish it is Connect.
	Reconnect struct{}
	// Use changes what to connect with. A wanted line moves there.
	Use struct{ Target wire.Target }
	// Tune changes the numbers.
	Tune struct {
		Retry     Retry
		Heartbeat Heartbeat
	}
	// KeyChanged says that another key, or none, is stored for the server.
	KeyChanged struct{}
	// Look says that somebody watches for the given time, so that the pulse is taken every 5 s.
	Look struct{ For time.Duration }
	// Nudge says that the machine's surroundings changed.
	Nudge struct {
		Woke  time.Duration // it slept this long, 0 = it did not; where Options.Slept is given, Run asks that instead
		Dark  bool          // with Woke: nobody opened the lid, the machine may fall asleep again at once
		Lid   bool          // the system told that the machine woke: somebody is there
		Link  bool          // the network changed
		Route bool          // with Link: there is a route to the server
		// Stranded, with Link: the line's own address is gone; where Options.Stranded is given, Run asks that instead.
		Stranded bool
	}
	// Send takes a message that is on disk. Manager.Send is the way in.
	Send struct{ Message persistence.Message }
	// Decide says what is to become of a message. A verb that does not fit its state any more does nothing.
	Decide struct {
		ID   string
		Verb Verb
	}
)

func (Connect) command()    {}
func (Disconnect) command() {}
func (Reconnect) command()  {}
func (Use) command()        {}
func (Tune) command()       {}
func (KeyChanged) command() {}
func (Look) command()       {}
func (Nudge) command()      {}
func (Send) command()       {}
func (Decide) command()     {}

// Manager owns one line.
type Manager struct {
	opt   Options
	saver *saver
	inbox chan input
	gone  chan struct{} // closed when Run has returned
	board board[Snapshot]
	mail  board[[]Message]
}

// New makes a Manager; nothing happens before Run.
func New(o Options) *Manager {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Chance == nil {
		o.Chance = rand.Float64
	}
	if o.Save == nil {
		o.Save = func(persistence.Batch) error { return nil }
	}
	if o.Enqueue == nil {
		o.Enqueue = func(m persistence.Message) (persistence.Message, error) { return m, errors.New("there is no outbox") }
	}
	if o.Load == nil {
		o.Load = func(string, string) (persistence.Cursor, error) { return persistence.Cursor{}, nil }
	}
	m := &Manager{opt: o, saver: newSaver(o.Save, o.Log), inbox: make(chan input, 64), gone: make(chan struct{})}
	m.board.init(newMachine(o.Target, o.Retry, o.Heartbeat, time.Time{}).snapshot())
	m.mail.init(nil)
	return m
}

// Run owns the line until ctx ends, then hangs up and stores what is left. It returns after every goroutine it started
// has ended. It is called once.
func (m *Manager) Run(ctx context.Context) error {
	defer close(m.gone)
	defer m.board.close()
	defer m.mail.close()
	w := newWorks(m)
	timer := time.NewTimer(time.Hour)
	defer func() { timer.Stop() }()
	state := newMachine(m.opt.Target, m.opt.Retry, m.opt.Heartbeat, time.Now())
	state.outbox = newOutbox(m.messages(w))
	m.mail.post(state.outbox.messages())
	var in input = tick{}
	if m.opt.Wanted {
		in = Connect{}
	}
	quit := ctx.Done()
	var latest <-chan time.Time // by when Run returns, once it was asked to
	for {
		// All connection state is owned by this goroutine.
		now := time.Now()
		before := state.outbox
		var effects []effect
		state, effects = state.step(moment{now, m.opt.Chance()}, in)
		for _, e := range effects {
			w.do(e)
		}
		m.publish(state, before)
		// A fresh timer each time: one that was set to later still wakes the machine at its old time, and each ping sets a
		// deadline that its pong moves away.
		timer.Stop()
		if at := state.wakeAt(now); !at.IsZero() {
			timer = time.NewTimer(time.Until(at))
		}
		if latest != nil && !state.busy() {
			return w.stop()
		}
		select {
		case <-quit:
			if !state.busy() {
				return w.stop()
			}
			// What is on its way gets a moment to arrive; what does not is on disk.
			quit, latest, in = nil, time.After(flushTime), tick{}
		case <-latest:
			return w.stop()
		case in = <-m.inbox:
			in = m.measured(in, state.from)
		case <-timer.C:
			in = m.ticked()
		}
	}
}

// Do hands a command to the machine: taken, not done. Anyone may call it, at any time while Run runs.
func (m *Manager) Do(ctx context.Context, c Command) error {
	select {
	case m.inbox <- c:
		return nil
	case <-m.gone:
		return fmt.Errorf("asking the line: %w", context.Canceled)
	case <-ctx.Done():
		return fmt.Errorf("asking the line: %w", ctx.Err())
	}
}

// Snapshot is the latest state.
func (m *Manager) Snapshot() Snapshot { s, _ := m.board.read(); return s }

// Watch gives the latest snapshot at once and then each newer one; a slow reader skips, and never blocks anyone. It
// ends with ctx or with Run.
func (m *Manager) Watch(ctx context.Context) iter.Seq[Snapshot] { return m.board.watch(ctx) }

// Missed counts the dials that came to nothing and are not stored yet. Anyone may call it.
func (m *Manager) Missed() persistence.Failures { return m.saver.pending() }

// publish shows the machine to the outside, where it has changed.
func (m *Manager) publish(state machine, before outbox) {
	s := state.snapshot()
	last, _ := m.board.read()
	if s.Seq = last.Seq; s != last {
		s.Seq++
		m.board.post(s)
	}
	if b := &state.outbox; b.changes != before.changes || b.flight.id != before.flight.id {
		m.mail.post(b.messages())
	}
}

// board holds the latest of something. The channel is closed when a newer one is posted.
type board[T any] struct {
	mu   sync.Mutex
	last T
	next chan struct{} // nil = closed for good
}

func (b *board[T]) init(v T) { b.last, b.next = v, make(chan struct{}) }

func (b *board[T]) read() (T, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, b.next
}

func (b *board[T]) post(v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.last, b.next = v, make(chan struct{})
}

func (b *board[T]) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = nil
}

func (b *board[T]) watch(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, next := b.read()
			if !yield(v) || next == nil {
				return
			}
			select {
			case <-next:
			case <-ctx.Done():
				return
			}
		}
	}
}
