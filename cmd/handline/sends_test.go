//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
)

// A person sends, and the program is killed again and again, at any instant. What the servers wrote down is the truth:
// every message once, in the order in which they were sent.

// hearer is a real server that messages are sent to.
type hearer struct {
	url, conversation string
	said              func() []string // what users said, as the server keeps it
	restart           func()          // nil: it is left alone
}

// HANDLINE_KILLS changes how often the program is killed.
func TestKillsWhileSending(t *testing.T) {
	if testing.Short() {
		t.Skip("short: real servers take a minute")
	}
	t.Parallel()
	kills, err := strconv.Atoi(os.Getenv("HANDLINE_KILLS"))
	if err != nil {
		kills = 25
	}
	realServers(t, func(t *testing.T, h hearer) {
		a := newTyped(t, nil)
		a.run()
		a.must("connect", h.conversation, "--server", h.url)
		sent := a.sendsThroughKills(h, kills)
		a.drains(2 * time.Minute)
		require.Equal(t, sent, h.said(), "each once and in order")
		t.Logf("%d messages through %d kills", len(sent), kills)
	})
}

// realServers plays a test before each of them, side by side.
func realServers(t *testing.T, test func(t *testing.T, h hearer)) {
	for name, hears := range map[string]func(*testing.T) hearer{"npm socket.io": nodeHearer, "python-socketio": pythonHearer, "agent-server": agentHearer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, hears(t))
		})
	}
}

func nodeHearer(t *testing.T) hearer   { return v0Hearer(t, nodePeer(t)) }
func pythonHearer(t *testing.T) hearer { return v0Hearer(t, pythonPeer(t)) }

func v0Hearer(t *testing.T, command []string) hearer {
	p := newPeer(t, command)
	p.start()
	return hearer{p.url(), "c1", p.asked, func() { p.kill(); p.start() }}
}

// asked is what users said, as the server wrote it down.
func (p *peer) asked() (texts []string) {
	text, err := os.ReadFile(p.log)
	require.NoError(p.t, err)
	for line := range strings.Lines(string(text)) {
		var e struct {
			Source, Action string
			Args           struct{ Content string }
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Source == "user" && e.Action == "message" {
			texts = append(texts, e.Args.Content)
		}
	}
	return texts
}

// agentHearer is OpenHands' own agent-server. Its agent has no model and fails at once, which is no business of a message.
func agentHearer(t *testing.T) hearer {
	p := newAgentPeer(t, "")
	p.start()
	id := p.converse()
	return hearer{url: p.url, conversation: id, said: func() (texts []string) {
		for _, e := range p.history(id) {
			if e.Source == "user" && e.Kind == "MessageEvent" {
				texts = append(texts, e.Message.Content[0].Text)
			}
		}
		return texts
	}}
}

// sendsThroughKills gives what was sent: all that the program said it had taken.
func (a *typed) sendsThroughKills(h hearer, kills int) (sent []string) {
	dice := rand.New(rand.NewPCG(2, 2))
	pause := func(most int) { time.Sleep(time.Duration(dice.IntN(most)) * time.Millisecond) }
	for n := range kills {
		for range 1 + dice.IntN(3) {
			text := []string{"yes", "no", fmt.Sprintf("message %d: \"schön\" 🚀", n)}[dice.IntN(3)]
			_, err := a.client.Send(context.Background(), text)
			require.NoError(a.t, err)
			sent = append(sent, text)
			if dice.IntN(2) == 0 {
				pause(20)
			}
		}
		if dice.IntN(2) == 0 {
			pause(3500) // into the look, the second try, the rest of the queue
		}
		a.kill()
		if h.restart != nil && dice.IntN(4) == 0 {
			h.restart()
		}
		a.run()
		if n%20 == 19 {
			a.drains(time.Minute) // or the outbox is full
		}
	}
	return sent
}

// drains waits until all that was sent is confirmed.
func (a *typed) drains(most time.Duration) {
	a.t.Helper()
	var left []connection.Message
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		all, err := a.client.Outbox(context.Background())
		require.NoError(a.t, err)
		left = slices.DeleteFunc(all, func(m connection.Message) bool { return m.State == connection.Confirmed })
		if len(left) == 0 {
			return
		}
		for _, m := range left {
			require.Contains(a.t, []string{connection.Queued, connection.Sending, connection.Accepted}, m.State, "%+v", m)
		}
	}
	a.t.Fatalf("still there: %+v", left)
}
