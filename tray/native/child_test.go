//go:build linux

package native

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"handline/connection"
	"handline/connection/network"
	"handline/tray"
)

// childEnv makes the test binary the tray app that the tests drive: systray runs once a process, on the main goroutine.
const childEnv = "HANDLINE_TRAY_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// order is one line of a child's standard input.
type order struct {
	Snapshot *connection.Snapshot `json:",omitempty"`
	Storm    int                  `json:",omitempty"` // so many changes of state, one after the other
	Drawn    bool                 `json:",omitempty"` // each of them waits until the bar has taken the one before
	Stats    bool                 `json:",omitempty"`
}

// answer is one line of its standard output.
type answer struct {
	Do         string        `json:",omitempty"` // a command to the line
	Act        tray.Action   `json:",omitempty"`
	Arg        string        `json:",omitempty"`
	Ready      bool          `json:",omitempty"`
	Stormed    bool          `json:",omitempty"`
	Goroutines int           `json:",omitempty"`
	Heap       uint64        `json:",omitempty"`
	Returned   string        `json:",omitempty"`
	After      time.Duration `json:",omitempty"` // from the end of start to the end of Run
}

func prefs() tray.Prefs {
	return tray.Prefs{Version: "0.1", Window: true, LoginItem: true,
		Notify:        tray.Notify{Waiting: true, Finished: true, Failed: true, Outage: true, Recovery: true},
		Conversations: []tray.Conversation{{ID: "c-81f2", Title: "build_and_test", State: "running"}, {ID: "c-7700", Title: "Tidy the docs"}}}
}

// child is a whole tray app whose line is its standard input.
func child() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var mu sync.Mutex
	say := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(a)
	}
	first := connection.Snapshot{Status: connection.Disconnected, Text: "Disconnected", Cause: connection.Why{Code: network.NotSetUp}}
	var ended time.Time
	err := Run(ctx, Options{Name: "Handline", First: tray.Render(first, prefs(), time.Now()), Act: os.Getenv(childEnv) == "act",
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))},
		func(ctx context.Context, bar tray.Bar) error {
			defer func() { ended = time.Now() }()
			ctx, quit := context.WithCancel(ctx)
			defer quit()
			say(answer{Ready: true})
			tray.Run(ctx, bar, tray.Line{
				Watch: func(ctx context.Context) iter.Seq[connection.Snapshot] { return orders(ctx, os.Stdin, bar, say) },
				Do: func(_ context.Context, c connection.Command) error {
					if _, look := c.(connection.Look); !look {
						say(answer{Do: fmt.Sprintf("%T", c)})
					}
					return nil
				},
			}, tray.Options{Prefs: prefs(), Act: func(c tray.Click) {
				say(answer{Act: c.Action, Arg: c.Arg})
				if c.Action == tray.Quit {
					quit()
				}
			}})
			return nil
		})
	say(answer{Returned: fmt.Sprint(err), After: time.Since(ended)})
	if errors.Is(err, ErrSessionOver) {
		return 4
	}
	return 0
}

// orders turns standard input into snapshots. It does not end before ctx, and leaves its reader to the process's end.
func orders(ctx context.Context, in io.Reader, on tray.Bar, say func(answer)) iter.Seq[connection.Snapshot] {
	lines := make(chan order)
	go func() {
		for s := bufio.NewScanner(in); s.Scan(); {
			var o order
			if err := json.Unmarshal(s.Bytes(), &o); err != nil {
				panic(err)
			}
			lines <- o
		}
	}()
	return func(yield func(connection.Snapshot) bool) {
		for {
			select {
			case o := <-lines:
				if o.Snapshot != nil && !yield(*o.Snapshot) {
					return
				}
				for i := range o.Storm {
					for b, ok := on.(*bar); ok && o.Drawn && len(b.views) > 0; {
						time.Sleep(50 * time.Microsecond)
					}
					if !yield(stormy(i)) {
						return
					}
				}
				if o.Storm > 0 {
					say(answer{Stormed: true})
				}
				if o.Stats {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					say(answer{Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc})
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// stormy is the i-th snapshot of a storm: icon, tooltip and rows all differ from the one before.
func stormy(i int) connection.Snapshot {
	s := states()[i%len(states())].s
	s.Title = fmt.Sprintf("storm %d", i)
	return s
}

type state struct {
	name string
	s    connection.Snapshot
}

// states are those that have a picture of their own.
func states() []state {
	base := connection.Snapshot{Server: "http://localhost:3000", Conversation: "c-81f2", Title: "build_and_test", MaxAttempts: 10}
	with := func(f func(*connection.Snapshot)) connection.Snapshot { s := base; f(&s); return s }
	return []state{
		{"disconnected", with(func(s *connection.Snapshot) { s.Status, s.Text = connection.Disconnected, "Disconnected" })},
		{"connecting", with(func(s *connection.Snapshot) { s.Status, s.Text = connection.Connecting, "Connecting..." })},
		{"connected", with(func(s *connection.Snapshot) {
			s.Status, s.Text, s.Quality, s.RTT, s.Agent = connection.Connected, "Connected", connection.Excellent, 24, "working"
		})},
		{"poor", with(func(s *connection.Snapshot) {
			s.Status, s.Text, s.Quality, s.RTT, s.Agent = connection.Connected, "Connected", connection.Poor, 740, "working"
		})},
		{"reconnecting", with(func(s *connection.Snapshot) {
			s.Status, s.Text, s.Attempt = connection.Reconnecting, "Reconnecting (3/10)...", 3
			s.Cause = connection.Why{Code: network.Timeout, Text: "Nothing answered in time"}
			s.RetryAt = time.Date(2100, 1, 1, 14, 32, 5, 0, time.Local)
		})},
		{"error", with(func(s *connection.Snapshot) {
			s.Cause = connection.Why{Code: network.Auth, Text: "The server did not accept your key", Advice: "Enter a new key."}
			s.Status, s.Text = connection.Error, "Error: "+s.Cause.Text
		})},
	}
}
