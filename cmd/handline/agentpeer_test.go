//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// agentPeer is OpenHands' own agent-server, which is started again and again on the same port and folder. Each server is a
// process of its own; only their common parent has loaded the code, which takes seconds.
type agentPeer struct {
	t              *testing.T
	url, home, key string
	model          string // where its agents' model is; there is none unless the test plays one

	parent *exec.Cmd
	orders io.Writer
	told   *bufio.Reader
	pid    int // 0 = none runs
	said   record
}

// newAgentPeer gives one that does not run yet, or skips the test with the reason why there is none. key "" leaves it open
// to everybody.
func newAgentPeer(t *testing.T, key string) *agentPeer {
	script, err := filepath.Abs(filepath.Join("..", "..", "connection", "backend", "testdata", "agentserver.sh"))
	require.NoError(t, err)
	installs(t, "the real agent-server", script, "install")
	address := free(t)
	p := &agentPeer{t: t, url: "http://" + address, home: t.TempDir(), key: key, model: "http://127.0.0.1:9"}
	_, port, _ := strings.Cut(address, ":")
	p.parent = exec.Command(script, "rerun", port, key, p.home)
	p.parent.Stderr = &p.said
	p.parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.orders, err = p.parent.StdinPipe()
	require.NoError(t, err)
	out, err := p.parent.StdoutPipe()
	require.NoError(t, err)
	p.told = bufio.NewReader(out)
	require.NoError(t, p.parent.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-p.parent.Process.Pid, syscall.SIGKILL) // the group is this test's own
		_ = p.parent.Wait()
		if t.Failed() {
			t.Logf("the server said: %s", last(p.said.String(), 4000))
		}
	})
	return p
}

// start runs the server and waits until it is ready.
func (p *agentPeer) start() {
	_, err := fmt.Fprintln(p.orders)
	require.NoError(p.t, err)
	p.pid, err = strconv.Atoi(p.tells())
	require.NoError(p.t, err)
	require.Eventually(p.t, func() bool {
		res, err := http.Get(p.url + "/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 2*patience, tick)
}

// tells is the next thing that the parent says.
func (p *agentPeer) tells() string {
	line, err := p.told.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSpace(line)
}

func (p *agentPeer) signal(s syscall.Signal) { require.NoError(p.t, syscall.Kill(p.pid, s)) }

// ends ends the server by a signal and waits until it has.
func (p *agentPeer) ends(how syscall.Signal) {
	p.signal(how)
	require.Equal(p.t, "ended", p.tells())
	p.pid = 0
}

func (p *agentPeer) kill() { p.ends(syscall.SIGKILL) }

// ask is the test's own hand on the server. It shares no code with the program.
func (p *agentPeer) ask(method, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, p.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Session-API-Key", p.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	case into == nil:
		return nil
	}
	return json.Unmarshal(answer, into)
}

func (p *agentPeer) call(method, path string, body, into any) {
	p.t.Helper()
	require.NoError(p.t, p.ask(method, path, body, into))
}

// converse makes a conversation whose agent is ready to run.
func (p *agentPeer) converse() string {
	var made struct{ ID string }
	p.call(http.MethodPost, "/api/conversations", map[string]any{
		"agent": map[string]any{"kind": "Agent", "tools": []any{}, "llm": map[string]any{"usage_id": "test", "model": "openai/none",
			"api_key": "none", "base_url": p.model, "num_retries": 0}},
		"workspace": map[string]any{"kind": "LocalWorkspace", "working_dir": filepath.Join(p.home, "project")},
		"autotitle": false,
	}, &made)
	return made.ID
}

// say adds a user's message, which is two events: the message, and the state that names it.
func (p *agentPeer) say(conversation, text string, run bool) error {
	return p.ask(http.MethodPost, "/api/conversations/"+conversation+"/events", map[string]any{
		"role": "user", "run": run, "content": []any{map[string]any{"type": "text", "text": text}}}, nil)
}

// agentEvent is an event as the server keeps it, as far as it matters here.
type agentEvent struct {
	ID, Source, Kind string
	Message          struct{ Content []struct{ Text string } } `json:"llm_message"`
}

// history is the server's own, all of it, in order: the truth.
func (p *agentPeer) history(conversation string) (all []agentEvent) {
	for page := ""; ; {
		var answer struct {
			Items []agentEvent
			Next  string `json:"next_page_id"`
		}
		p.call(http.MethodGet, "/api/conversations/"+conversation+"/events/search?limit=100&page_id="+url.QueryEscape(page), nil, &answer)
		all = append(all, answer.Items...)
		if page = answer.Next; page == "" {
			return all
		}
	}
}

func (p *agentPeer) ids(conversation string) (ids []string) {
	for _, e := range p.history(conversation) {
		ids = append(ids, e.ID)
	}
	return ids
}

// status is the conversation's, in the server's word.
func (p *agentPeer) status(conversation string) string {
	var found struct {
		Status string `json:"execution_status"`
	}
	p.call(http.MethodGet, "/api/conversations/"+conversation, nil, &found)
	return found.Status
}

// publishes says something every so often, whatever becomes of the server meanwhile, until it is stopped and at least so
// many times. stop gives how many times it was.
func (p *agentPeer) publishes(conversation string, every time.Duration, least int) (stop func() int) {
	over, done := make(chan struct{}), make(chan int, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		said, stopping := 0, false
		for !stopping || said < least {
			select {
			case <-over:
				over, stopping = nil, true
			case <-tick.C:
				if p.say(conversation, fmt.Sprintf("message %d", said), false) == nil {
					said++
				}
			}
		}
		done <- said
	}()
	return sync.OnceValue(func() int { close(over); return <-done })
}
