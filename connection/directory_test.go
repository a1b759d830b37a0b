package connection

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
)

// inDirectory is inWorld with an app server and all that the client sends to each host on record.
func inDirectory(t *testing.T, o demo.Options, story func(w *world, sent *record)) {
	o.Dialect, o.Key = demo.AppServer, "cloud-key"
	inWorld(t, o, func(w *world) {
		w.stop()
		sent := &record{to: map[string]*bytes.Buffer{}}
		w.opt.Dialer.Raw = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := w.pipe.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return tap{conn, address, sent}, nil
		}
		w.rewire(o)
		w.start()
		story(w, sent)
	})
}

// record is what was sent, by host and port.
type record struct {
	mu sync.Mutex
	to map[string]*bytes.Buffer
}

type tap struct {
	net.Conn
	address string
	sent    *record
}

func (c tap) Write(b []byte) (int, error) {
	c.sent.mu.Lock()
	if c.sent.to[c.address] == nil {
		c.sent.to[c.address] = new(bytes.Buffer)
	}
	c.sent.to[c.address].Write(b)
	c.sent.mu.Unlock()
	return c.Conn.Write(b)
}

func (r *record) text(address string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to[address] == nil {
		return ""
	}
	return r.to[address].String()
}

// looks counts the questions that the user's rate limit counts: those that carry the key.
func (r *record) looks() int { return strings.Count(r.text("hands.example:3000"), "Bearer cloud-key") }

func TestADirectoryThatRotatesEverything(t *testing.T) {
	inDirectory(t, demo.Options{Rotating: true, Runtime: "http://runtime.example:80", Mood: demo.Steady}, func(w *world, sent *record) {
		w.until(Connected, time.Minute)
		for range 20 {
			w.pass(40 * time.Second)
			w.pipe.Cut()
			w.until(Reconnecting, time.Minute)
			w.until(Connected, time.Minute)
		}
		w.pass(time.Hour)
		dials := w.server.Dials()
		require.Equal(w.t, 21, dials, "each reconnect finds the new place at once")
		require.Equal(w.t, dials, sent.looks(), "one look for each, and none while the line is up")
		w.server.SetMood(demo.Quiet)
		w.whole()

		runtime := sent.text("runtime.example:80")
		require.Contains(w.t, runtime, "runtime-key-")
		require.NotContains(w.t, runtime, "cloud-key", "the directory's key stays with the directory")
		require.NotContains(w.t, sent.text("hands.example:3000"), "runtime-key-")
	})
}

func TestASandboxThatSleeps(t *testing.T) {
	inDirectory(t, demo.Options{Mood: demo.Steady}, func(w *world, sent *record) {
		w.until(Connected, time.Minute)
		w.pass(time.Minute)
		w.server.SetMood(demo.Asleep)
		before := sent.looks()
		w.until(Reconnecting, time.Minute)
		w.pass(time.Hour)
		s := w.manager.Snapshot()
		require.Equal(w.t, network.Asleep, s.Cause.Code)
		require.False(w.t, s.RetryAt.IsZero(), "somebody else may wake it")
		require.Zero(w.t, w.server.Seen().Wakes, "only a click wakes a sandbox")
		require.LessOrEqual(w.t, sent.looks()-before, 61, "a look a minute")

		for _, c := range []Command{Connect{}, Reconnect{}, Nudge{Link: true, Route: true}, Nudge{Woke: time.Hour}} {
			w.do(c)
			w.pass(10 * time.Second)
			require.Equal(w.t, network.Asleep, w.manager.Snapshot().Cause.Code)
			require.Zero(w.t, w.server.Seen().Wakes)
		}

		w.do(Connect{Wake: true})
		w.pass(time.Second)
		require.Equal(w.t, "The sandbox is starting", w.manager.Snapshot().Cause.Text)
		w.until(Connected, 20*time.Second)
		require.Equal(w.t, 1, w.server.Seen().Wakes)
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}

func TestAConversationThatTheDirectoryDoesNotKnow(t *testing.T) {
	inDirectory(t, demo.Options{Mood: demo.Steady}, func(w *world, sent *record) {
		target := w.opt.Target
		target.Conversation = "00000000-0000-4000-8000-000000000001"
		w.do(Use{target})
		w.until(Error, time.Minute)
		require.Equal(w.t, network.Gone, w.manager.Snapshot().Cause.Code)
		before := sent.looks()
		w.pass(time.Hour)
		require.Equal(w.t, before, sent.looks())
	})
}

// The limit of 100 requests a minute is shared with the user's browser.
func TestADirectoryThatAsksForAPause(t *testing.T) {
	inDirectory(t, demo.Options{Mood: demo.Steady}, func(w *world, sent *record) {
		w.until(Connected, time.Minute)
		w.pass(time.Minute)
		w.server.SetMood(demo.Throttled)
		w.until(Reconnecting, time.Minute)
		w.pass(10 * time.Second)
		require.Equal(w.t, network.Throttled, w.manager.Snapshot().Cause.Code)
		before, dials := w.server.Seen().Requests, len(w.pipe.Dials())
		w.pass(10 * time.Minute)
		require.LessOrEqual(w.t, w.server.Seen().Requests-before, 121, "it asked for five seconds, each time")
		for i, at := range w.pipe.Dials()[dials:] {
			if i > 0 {
				require.GreaterOrEqual(w.t, at.Sub(w.pipe.Dials()[dials+i-1]), 5*time.Second)
			}
		}
		w.server.SetMood(demo.Steady)
		w.until(Connected, 10*time.Second)
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}

// A self-hosted directory names its runtimes by localhost, which is not ours. The place that is meant is held to the
// same rule as any other before a key travels there in the clear.
func TestALocalhostThatIsNotOurs(t *testing.T) {
	const home, runtime = "http://hands.example:3000", "http://hands.example:41022"
	for _, c := range []struct {
		allowed []string
		want    network.Cause
	}{
		{nil, network.Plaintext},
		{[]string{home}, network.Plaintext},
		{[]string{home, runtime}, ""},
	} {
		inDirectory(t, demo.Options{Mood: demo.Steady, Runtime: "http://localhost:41022"}, func(w *world, sent *record) {
			w.stop()
			before := len(sent.text("hands.example:41022"))
			w.opt.MayCarry = func(u *url.URL) error { return network.MayCarryKey(u, c.allowed) }
			w.rewire(demo.Options{Dialect: demo.AppServer})
			w.start()
			if c.want == "" {
				w.until(Connected, time.Minute)
				require.Contains(w.t, sent.text("hands.example:41022"), "runtime-key-")
				require.Empty(w.t, sent.text("localhost:41022"))
				return
			}
			w.until(Error, time.Minute)
			require.Equal(w.t, c.want, w.manager.Snapshot().Cause.Code)
			require.NotContains(w.t, sent.text("hands.example:41022")[before:], "key-")
		})
	}
}
