package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/wire"
)

// This file runs OpenHands' own agent-server, once for all tests of the package.

const sesame = "sesame"

// peer is a running agent-server.
type peer struct {
	url  string
	cmd  *exec.Cmd
	home string
}

var startPeer = sync.OnceValues(func() (*peer, error) {
	script, err := filepath.Abs("testdata/agentserver.sh")
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command(script, "install").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("installing the agent-server: %w: %s", err, bytes.TrimSpace(out))
	}
	home, err := os.MkdirTemp("", "agent-server")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &peer{url: "http://127.0.0.1:" + port, home: home, cmd: exec.Command(script, "run", port, sesame, home)}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.await(time.Minute)
})

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// await polls until the server says that it is ready.
func (p *peer) await(patience time.Duration) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		res, err := http.Get(p.url + "/ready")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the agent-server did not become ready")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if started {
		if p, _ := startPeer(); p != nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
			os.RemoveAll(p.home)
		}
	}
	os.Exit(code)
}

var started bool // by any test; tests of this package that use the peer are not parallel

// agentServer gives the running server, or skips the test with the reason why there is none.
func agentServer(t *testing.T) *peer {
	t.Helper()
	started = true
	p, err := startPeer()
	switch {
	case err == nil:
		return p
	case os.Getenv("CI") == "true" && !isOffline(err):
		t.Fatal(err)
	}
	t.Skip("NOT TESTED against the real agent-server: ", err)
	return nil
}

// isOffline says whether no package registry could be reached, which is nobody's failure.
func isOffline(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 4
}

func (p *peer) target(conversation string) wire.Target {
	return wire.Target{Server: p.url, Conversation: conversation, Dialect: wire.Auto}
}

// call is the test's own hand on the server: it shares no code with the package.
func (p *peer) call(t *testing.T, method, path string, body, into any) {
	t.Helper()
	b, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, bytes.NewReader(b))
	require.NoError(t, err)
	req.Header.Set("X-Session-API-Key", sesame)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, 2, res.StatusCode/100, "%s %s: %s", method, path, answer)
	if into != nil {
		require.NoError(t, json.Unmarshal(answer, into))
	}
}

// conversation makes one whose agent never runs, so that no model is needed.
func (p *peer) conversation(t *testing.T) string {
	t.Helper()
	var made struct{ ID string }
	p.call(t, http.MethodPost, "/api/conversations", map[string]any{
		"agent": map[string]any{"kind": "Agent", "tools": []any{}, "llm": map[string]any{
			"usage_id": "test", "model": "openai/none", "api_key": "none", "base_url": "http://127.0.0.1:9"}},
		"workspace": map[string]any{"kind": "LocalWorkspace", "working_dir": filepath.Join(p.home, "project")},
		"autotitle": false,
	}, &made)
	require.NotEmpty(t, made.ID)
	return made.ID
}

// say adds a user message, which is two events: the message, and the state that names it.
func (p *peer) say(t *testing.T, conversation, text string) {
	t.Helper()
	p.call(t, http.MethodPost, "/api/conversations/"+conversation+"/events", map[string]any{
		"role": "user", "run": false, "content": []any{map[string]any{"type": "text", "text": text}}}, nil)
}

// log is the server's own history, all of it, in order: the truth.
func (p *peer) log(t *testing.T, conversation string) []string {
	t.Helper()
	var ids []string
	for page := ""; ; {
		var answer struct {
			Items []struct{ ID string }
			Next  string `json:"next_page_id"`
		}
		p.call(t, http.MethodGet, "/api/conversations/"+conversation+"/events/search?limit=100&page_id="+url.QueryEscape(page), nil, &answer)
		for _, item := range answer.Items {
			ids = append(ids, item.ID)
		}
		if page = answer.Next; page == "" {
			return ids
		}
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
