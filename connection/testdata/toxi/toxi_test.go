// Package toxi puts Toxiproxy between a line and a demo backend, on real TCP. It is a module of its own, so that what the
// proxy needs is nobody's dependency.
package toxi

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// lab is a line to a demo backend through a proxy that can be poisoned.
type lab struct {
	t      *testing.T
	server *demo.Server
	proxy  *toxiproxy.Proxy
	line   *connection.Manager

	mu      sync.Mutex
	applied []string
}

// newLab lives at a pace; the zero Heartbeat is the default one.
func newLab(t *testing.T, pace connection.Heartbeat) *lab {
	l := &lab{t: t, server: demo.New(demo.Options{Dialect: demo.V0, Mood: demo.Quiet})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() { defer close(served); _ = l.server.Serve(ln) }()
	t.Cleanup(func() { l.server.Close(); <-served })
	toxic := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	l.proxy = toxiproxy.NewProxy(toxic, "line", "127.0.0.1:0", ln.Addr().String())
	require.NoError(t, l.proxy.Start())
	t.Cleanup(l.proxy.Stop)

	dialer := network.Dialer{Raw: func(ctx context.Context, kind, addr string) (net.Conn, error) {
		require.True(t, strings.HasPrefix(addr, "127.0.0.1:"), addr)
		return new(net.Dialer).DialContext(ctx, kind, addr)
	}}
	asks := &backend.Client{Dialer: dialer}
	l.line = connection.New(connection.Options{
		Target: wire.Target{Server: "http://" + l.proxy.Listen, Conversation: demo.DefaultConversation, Dialect: wire.SocketIO},
		Wanted: true, Dialer: dialer, History: asks.History,
		Heartbeat: pace,
		Deliver: func(_ wire.Target, e wire.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(e.ID) > 0 && !strings.Contains(string(e.Body), "agent_state_changed") {
				l.applied = append(l.applied, string(e.ID))
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.line.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	l.until(connection.Connected, 5*time.Second)
	return l
}

// until waits for a status.
func (l *lab) until(s connection.Status, most time.Duration) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), most)
	defer cancel()
	for got := range l.line.Watch(ctx) {
		if got.Status == s {
			return
		}
	}
	l.t.Fatalf("not %s within %v, but %s", s, most, l.line.Snapshot().Headline(time.Now()))
}

// poison adds a toxic to what comes from the server and says how to take it away.
func (l *lab) poison(kind, stream string, attributes map[string]any) (cure func()) {
	l.t.Helper()
	body, err := json.Marshal(map[string]any{"name": kind, "type": kind, "stream": stream, "attributes": attributes})
	require.NoError(l.t, err)
	_, err = l.proxy.Toxics.AddToxicJson(strings.NewReader(string(body)))
	require.NoError(l.t, err)
	return func() {
		l.t.Helper()
		require.NoError(l.t, l.proxy.Toxics.RemoveToxic(context.Background(), kind))
	}
}

// whole checks that all the server has was applied once and in order, as soon as it can have come.
func (l *lab) whole(most time.Duration) {
	l.t.Helper()
	truth := l.server.Truth(demo.DefaultConversation)
	require.Eventually(l.t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.applied) >= len(truth)
	}, most, 20*time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Equal(l.t, truth, l.applied)
}

func TestToxics(t *testing.T) {
	for _, c := range []struct {
		name, kind, stream string
		attributes         map[string]any
		breaks             bool // the line is to be lost and to come back
	}{
		{"a slow line", "latency", "downstream", map[string]any{"latency": 700, "jitter": 300}, false},
		{"slow to the server", "latency", "upstream", map[string]any{"latency": 700, "jitter": 300}, false},
		{"in crumbs", "slicer", "downstream", map[string]any{"average_size": 3, "size_variation": 2, "delay": 50}, false},
		{"a thin line", "bandwidth", "downstream", map[string]any{"rate": 20}, false},
		{"silence", "timeout", "downstream", map[string]any{"timeout": 0}, true},
		{"silence to the server", "timeout", "upstream", map[string]any{"timeout": 0}, true},
		{"reset", "reset_peer", "downstream", map[string]any{"timeout": 100}, true},
		{"cut in the middle of a frame", "limit_data", "downstream", map[string]any{"bytes": 700}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, connection.Heartbeat{Idle: time.Second, Looking: time.Second}) // minutes in seconds
			l.server.Publish(20)
			l.whole(5 * time.Second)
			cure := l.poison(c.kind, c.stream, c.attributes)
			l.server.Publish(20)
			if c.breaks {
				l.until(connection.Reconnecting, 15*time.Second)
				l.server.Publish(20)
				time.Sleep(2 * time.Second)
			} else {
				time.Sleep(8 * time.Second)
				require.Equal(t, connection.Connected, l.line.Snapshot().Status)
				require.Equal(t, 1, l.server.Dials(), "slow is not dead")
			}
			cure()
			l.until(connection.Connected, 20*time.Second)
			l.server.Publish(20)
			l.whole(20 * time.Second)
		})
	}
}

// A line that becomes slow lives, whatever the quiet line before it has taught of round trips, and at the pace that
// everybody has who changed nothing: it is never given up while it answers.
func TestASlowLineIsNeverGivenUp(t *testing.T) {
	for _, slow := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, connection.Heartbeat{})
			time.Sleep(20 * time.Second) // long enough to know the line as a quick one
			cure := l.poison("latency", "downstream", map[string]any{"latency": slow.Milliseconds(), "jitter": slow.Milliseconds() / 4})
			for range 8 {
				l.server.Publish(5)
				time.Sleep(15 * time.Second)
				require.Equal(t, connection.Connected, l.line.Snapshot().Status)
			}
			require.Equal(t, 1, l.server.Dials(), "slow is not dead")
			require.Greater(t, l.line.Snapshot().RTT, int(slow.Milliseconds()/2))
			cure()
			l.whole(20 * time.Second)
		})
	}
}
