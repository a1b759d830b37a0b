//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
	program := filepath.Join(t.TempDir(), "handline")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	kills, err := strconv.Atoi(os.Getenv("HANDLINE_KILLS"))
	if err != nil {
		kills = 25
	}
	for name, hears := range map[string]func(t *testing.T) hearer{"npm socket.io": nodeHearer, "python-socketio": pythonHearer, "agent-server": agentHearer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hears(t)
			a := newTyped(t, program, nil)
			a.run()
			code, out := a.types("", "connect", h.conversation, "--server", h.url)
			require.Zero(t, code, out)
			sent := a.sendsThroughKills(h, kills)
			a.drains(2 * time.Minute)
			require.Equal(t, sent, h.said(), "each once and in order")
			t.Logf("%d messages through %d kills", len(sent), kills)
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
	script, err := filepath.Abs(filepath.Join("..", "..", "connection", "backend", "testdata", "agentserver.sh"))
	require.NoError(t, err)
	if out, err := exec.Command(script, "install").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s", out)
		}
		t.Skipf("%s", bytes.TrimSpace(out))
	}
	address, home := free(t), t.TempDir()
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.Command(script, "run", port, "", home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group is this test's own
		_ = cmd.Wait()
	})
	url := "http://" + address
	require.Eventually(t, func() bool {
		res, err := http.Get(url + "/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond)
	var made struct{ ID string }
	agentCall(t, http.MethodPost, url+"/api/conversations", map[string]any{
		"agent": map[string]any{"kind": "Agent", "tools": []any{}, "llm": map[string]any{"usage_id": "test", "model": "openai/none",
			"api_key": "none", "base_url": "http://127.0.0.1:9", "num_retries": 0}},
		"workspace": map[string]any{"kind": "LocalWorkspace", "working_dir": filepath.Join(home, "project")},
		"autotitle": false,
	}, &made)
	return hearer{url: url, conversation: made.ID, said: func() []string { return agentAsked(t, url, made.ID) }}
}

func agentCall(t *testing.T, method, url string, body, into any) {
	t.Helper()
	b, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequest(method, url, bytes.NewReader(b))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 2, res.StatusCode/100, "%s %s: %s", method, url, res.Status)
	require.NoError(t, json.NewDecoder(res.Body).Decode(into))
}

func agentAsked(t *testing.T, url, conversation string) (texts []string) {
	for page := ""; ; {
		var answer struct {
			Items []struct {
				Source, Kind string
				Message      struct{ Content []struct{ Text string } } `json:"llm_message"`
			}
			Next string `json:"next_page_id"`
		}
		agentCall(t, http.MethodGet, url+"/api/conversations/"+conversation+"/events/search?limit=100&page_id="+page, nil, &answer)
		for _, e := range answer.Items {
			if e.Source == "user" && e.Kind == "MessageEvent" {
				texts = append(texts, e.Message.Content[0].Text)
			}
		}
		if page = answer.Next; page == "" {
			return texts
		}
	}
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
