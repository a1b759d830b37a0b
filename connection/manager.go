// Package connection keeps one line to one backend: Manager is the one owner of all connection state. step.go decides,
// session.go talks, manager.go runs.
package connection

import (
	"context"
	"iter"
	"log/slog"
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
	// Portal looks for a captive portal. nil: never looked for.
	Portal func(ctx context.Context) network.Portal
	// Load gives the stored cursor, Save stores what changed. nil: nothing is kept.
	Load func(identity, conversation string) (persistence.Cursor, error)
	Save func(persistence.Batch) error
	// Deliver is called for each event of the conversation, once, in order, by the session's reader. It must not block
	// and must not keep the event's slices. nil: nobody listens.
	Deliver func(t wire.Target, e wire.Event)
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
		Woke  time.Duration // it slept this long, 0 = it did not
		Link  bool          // the network changed
		Route bool          // with Link: there is a route to the server
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

// Manager owns one line.
type Manager struct{ opt Options }

// New makes a Manager; nothing happens before Run.
func New(o Options) *Manager { return &Manager{opt: o} }

// Run owns the line until ctx ends. It returns after every goroutine it started has ended.
func (m *Manager) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Do hands a command to the machine: taken, not done. Anyone may call it.
func (m *Manager) Do(ctx context.Context, c Command) error { return nil }

// Snapshot is the latest state.
func (m *Manager) Snapshot() Snapshot { return Snapshot{} }

// Watch gives the latest snapshot at once and then each newer one; a slow reader skips, and never blocks anyone. It
// ends with ctx or with Run.
func (m *Manager) Watch(ctx context.Context) iter.Seq[Snapshot] {
	return func(yield func(Snapshot) bool) {}
}

