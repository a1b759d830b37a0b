//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/diagnostics"
	"handline/persistence"
)

// The main job on real input: the built program, typed at as a user would, against real Socket.IO servers of OpenHands
// V0's shape that are killed, stopped, restarted and refuse. What the servers wrote down is the truth.

func TestRealPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("short: real servers take a minute")
	}
	t.Parallel()
	for name, command := range map[string]func(t *testing.T) []string{"npm socket.io": nodePeer, "python-socketio": pythonPeer} {
		for what, lives := range map[string]func(*typed){"dies": (*typed).livesThroughDeaths, "falls silent": (*typed).livesThroughSilence} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				a := newTyped(t, newPeer(t, command(t)))
				a.start()
				a.connects()
				lives(a)
			})
		}
	}
}

// livesThroughDeaths: HANDLINE_KILLS changes how often the server is killed.
func (a *typed) livesThroughDeaths() {
	kills, err := strconv.Atoi(os.Getenv("HANDLINE_KILLS"))
	if err != nil {
		kills = 20
	}
	// The ladder is for servers that stay away. Here it would let most kills meet no line.
	a.must("config", "set", "retry.maxDelay", "1s")
	a.survivesKills(kills)
	a.wholeSoFar()
	a.resumesAfterItsOwnDeath()
	a.obeysARefusal()
	a.leaksNoKey()
}

func (a *typed) livesThroughSilence() {
	a.isBackAfterAnOutage()
	a.noticesAHang()
	a.wholeSoFar()
}

func nodePeer(t *testing.T) []string {
	need(t, "node", "npm")
	dir := cached(t, "node")
	installs(t, "npm socket.io", once(filepath.Join(dir, "socket.io-4.8.ok"), "npm install --no-audit --no-fund --prefix '"+dir+"' socket.io@4.8 socket.io-client@4.8")...)
	return []string{"env", "NODE_PATH=" + filepath.Join(dir, "node_modules"), "node", script(t, "v0.js")}
}

func pythonPeer(t *testing.T) []string {
	need(t, "python3")
	dir := cached(t, "python")
	python := filepath.Join(dir, "bin", "python")
	installs(t, "python-socketio", once(filepath.Join(dir, "socketio.ok"), fmt.Sprintf("python3 -m venv '%s' && '%s' -m pip install -q python-socketio aiohttp", dir, python))...)
	return []string{python, script(t, "v0.py")}
}

func script(t *testing.T, name string) string {
	path, err := filepath.Abs(filepath.Join("..", "..", "connection", "testdata", "peers", name))
	require.NoError(t, err)
	return path
}

// peer is one real server, which is started again and again on the same port and log.
type peer struct {
	t       *testing.T
	command []string
	port    int
	log     string
	every   string
	process *exec.Cmd
	stderr  bytes.Buffer
}

func newPeer(t *testing.T, command []string) *peer {
	_, text, _ := strings.Cut(free(t), ":")
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	p := &peer{t: t, command: command, port: port, log: filepath.Join(t.TempDir(), "events"), every: "20"}
	t.Cleanup(func() {
		if p.process != nil {
			p.kill()
		}
		if t.Failed() {
			t.Logf("the server said: %s", p.stderr.String())
		}
	})
	return p
}

func (p *peer) url() string { return fmt.Sprintf("http://127.0.0.1:%d", p.port) }

// start runs the server and waits until its port listens.
func (p *peer) start(key ...string) {
	args := append(append(p.command[1:len(p.command):len(p.command)], strconv.Itoa(p.port), p.log, p.every), key...)
	p.process = exec.Command(p.command[0], args...)
	p.process.Stderr = &p.stderr
	require.NoError(p.t, p.process.Start())
	require.Eventually(p.t, func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, 5*time.Millisecond, "%s", &p.stderr)
}

func (p *peer) signal(s syscall.Signal) { require.NoError(p.t, p.process.Process.Signal(s)) }

func (p *peer) kill() {
	_ = p.process.Process.Kill()
	_ = p.process.Wait()
	p.process = nil
}

// truth is the ids of everything the server published, without the states, which no V0 server replays whole.
func (p *peer) truth() (ids []string) {
	text, err := os.ReadFile(p.log)
	require.NoError(p.t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(line, "}\n") && !strings.Contains(line, "agent_state_changed") {
			ids = append(ids, eventID(p.t, []byte(line)))
		}
	}
	return ids
}

func eventID(t *testing.T, body []byte) string {
	var e struct{ ID int }
	require.NoError(t, json.Unmarshal(body, &e))
	return strconv.Itoa(e.ID)
}

// record is a buffer that several processes may write to at once.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// typed is a user's Handline: a home of its own, the program running in it, and somebody who follows the events.
type typed struct {
	t       *testing.T
	program string
	peer    *peer
	home    string
	inside  []string // the command that runs the app in a network of its own, nil = in everybody's
	client  *diagnostics.Client
	process *exec.Cmd
	said    record // everything any process of the program printed

	mu      sync.Mutex
	applied []string
	done    chan struct{} // of the follower
}

func newTyped(t *testing.T, p *peer) *typed {
	a := &typed{t: t, program: built(t), peer: p, home: filepath.Join(t.TempDir(), "home")}
	a.client = diagnostics.NewClient(filepath.Join(a.home, "handline.sock"))
	t.Cleanup(func() {
		if a.process != nil {
			_ = a.process.Process.Kill()
			_ = a.process.Wait()
		}
		if t.Failed() {
			log, _ := exec.Command(a.program, "--home", a.home, "logs").CombinedOutput()
			t.Logf("the log: %s", last(string(log), 6000))
		}
	})
	// Twenty kills in a minute are more than the ladder has rungs; a user who does that says so.
	a.must("config", "set", "retry.maxAttempts", "100")
	return a
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }

// types runs one command to its end.
func (a *typed) types(stdin string, args ...string) (code int, out string) {
	cmd := exec.Command(a.program, append([]string{"--home", a.home}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	b, err := cmd.CombinedOutput()
	a.said.Write(b)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(a.t, err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// start runs the app and begins to follow.
func (a *typed) start(env ...string) {
	a.run(env...)
	res, err := a.web().Get("http://handline/v1/events?follow") // its answer begins when nothing is missed any more
	require.NoError(a.t, err)
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)
		defer res.Body.Close()
		a.follow(bufio.NewReader(res.Body))
	}()
}

// run runs the app without an icon.
func (a *typed) run(env ...string) { a.runs([]string{"--headless"}, env...) }

// runs runs the app, and waits until it answers.
func (a *typed) runs(how []string, env ...string) {
	argv := append(slices.Clone(a.inside), append([]string{a.program, "--home", a.home, "run"}, how...)...)
	a.process = exec.Command(argv[0], argv[1:]...)
	a.process.Env = append(os.Environ(), env...)
	a.process.Stdout, a.process.Stderr = &a.said, &a.said
	require.NoError(a.t, a.process.Start())
	require.Eventually(a.t, func() bool {
		_, err := a.client.Status(context.Background())
		return err == nil
	}, patience, 5*time.Millisecond)
}

// kill ends the app as kill -9 does.
func (a *typed) kill() {
	_ = a.process.Process.Kill()
	_ = a.process.Wait()
}

func (a *typed) follow(lines *bufio.Reader) {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e diagnostics.Event
		if json.Unmarshal(bytes.TrimPrefix(line, []byte("data: ")), &e) != nil || e.ID == "" || bytes.Contains(e.Body, []byte("agent_state_changed")) {
			continue
		}
		a.mu.Lock()
		a.applied = append(a.applied, e.ID)
		a.mu.Unlock()
	}
}

func (a *typed) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.applied)
}

// until waits for a status and says how long it took.
func (a *typed) until(s connection.Status, most time.Duration) time.Duration {
	a.t.Helper()
	from := time.Now()
	var got connection.Snapshot
	for time.Since(from) < most {
		st, err := a.client.Status(context.Background())
		require.NoError(a.t, err)
		got = st.Snapshot
		lowest := got.Status == connection.Error && !got.RetryAt.IsZero() // a slow machine comes to the end of the ladder
		if got.Status == s || s == connection.Reconnecting && lowest {
			return time.Since(from)
		}
		time.Sleep(10 * time.Millisecond)
	}
	a.t.Fatalf("not %s within %v: %s", s, most, got.Headline(time.Now()))
	return 0
}

func (a *typed) connects() {
	a.peer.start()
	from := time.Now()
	require.Contains(a.t, a.must("connect", "c1", "--server", a.peer.url()), "Connected")
	require.LessOrEqual(a.t, time.Since(from), promised(time.Second), "the server is there")
	a.t.Logf("connected after %v", time.Since(from).Round(time.Millisecond))
}

func (a *typed) survivesKills(kills int) {
	dice := rand.New(rand.NewPCG(1, 1))
	for range kills {
		time.Sleep(time.Duration(dice.IntN(1200)) * time.Millisecond)
		a.peer.kill()
		time.Sleep(time.Duration(dice.IntN(500)) * time.Millisecond)
		a.peer.start()
	}
	a.until(connection.Connected, patience)
}

func (a *typed) isBackAfterAnOutage() {
	a.peer.kill()
	time.Sleep(10 * time.Second)
	a.peer.start()
	took := a.until(connection.Connected, promised(3*time.Second))
	a.t.Logf("back %v after a 10 s outage", took.Round(time.Millisecond))
}

// noticed says how long after a moment the timeline has a status. It looks at nothing that would quicken the pulse.
func (a *typed) noticed(s connection.Status, from time.Time, most time.Duration) time.Duration {
	a.t.Helper()
	for time.Since(from) < most {
		for _, e := range a.timeline() {
			if e.At.After(from) && e.Status == string(s) {
				return e.At.Sub(from)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	a.t.Fatalf("not %s within %v", s, most)
	return 0
}

// web is a script's way to the local API.
func (a *typed) web() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(a.home, "handline.sock"))
	}, DisableKeepAlives: true}}
}

func (a *typed) timeline() []persistence.Entry {
	res, err := a.web().Get("http://handline/v1/timeline?limit=200")
	require.NoError(a.t, err)
	defer res.Body.Close()
	var answer struct{ Entries []persistence.Entry }
	require.NoError(a.t, json.NewDecoder(res.Body).Decode(&answer))
	return answer.Entries
}

func (a *typed) noticesAHang() {
	time.Sleep(35 * time.Second) // nobody has looked for a while
	stopped := time.Now()
	a.peer.signal(syscall.SIGSTOP)
	took := a.noticed(connection.Reconnecting, stopped, promised(25*time.Second))
	a.peer.signal(syscall.SIGCONT)
	a.until(connection.Connected, patience)

	watch := exec.Command(a.program, "--home", a.home, "status", "--watch", "--json")
	require.NoError(a.t, watch.Start())
	time.Sleep(6 * time.Second)
	stopped = time.Now()
	a.peer.signal(syscall.SIGSTOP)
	looked := a.noticed(connection.Reconnecting, stopped, promised(9*time.Second))
	a.peer.signal(syscall.SIGCONT)
	a.until(connection.Connected, patience)
	_ = watch.Process.Kill()
	_ = watch.Wait()
	a.t.Logf("a stopped server noticed after %v, %v while someone looked", took.Round(time.Millisecond), looked.Round(time.Millisecond))
}

// wholeSoFar checks what was applied against what the server wrote down.
func (a *typed) wholeSoFar() {
	a.until(connection.Connected, patience)
	a.peer.kill()
	truth := a.peer.truth()
	require.Greater(a.t, len(truth), 100)
	a.peer.every = "0"
	a.peer.start()
	require.Eventually(a.t, func() bool { return a.count() >= len(truth) }, patience, tick)
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Equal(a.t, truth, a.applied, "nothing lost, doubled or reordered")
	a.t.Logf("%d events, each once and in order", len(truth))
}

// resumesAfterItsOwnDeath kills the app. The next one must go on right after a place the dead one had stored.
func (a *typed) resumesAfterItsOwnDeath() {
	a.peer.kill()
	a.peer.every = "20"
	a.peer.start()
	a.until(connection.Connected, patience)
	time.Sleep(3 * time.Second)
	// The follower must be there before the line is, or it misses the first events.
	a.must("config", "set", "connectAtLaunch", "never")
	_ = a.process.Process.Kill()
	_ = a.process.Wait()
	<-a.done
	before := a.applied
	a.applied = nil
	time.Sleep(500 * time.Millisecond)
	a.start()
	a.must("connect")
	time.Sleep(2 * time.Second)
	a.peer.kill()
	truth := a.peer.truth()
	a.peer.every = "0"
	a.peer.start() // the dead one may have written down what it never sent
	require.Eventually(a.t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.applied) > 0 && a.applied[len(a.applied)-1] == truth[len(truth)-1]
	}, patience, tick)
	a.mu.Lock()
	defer a.mu.Unlock()
	again := len(before) + len(a.applied) - len(truth)
	require.GreaterOrEqual(a.t, again, 0, "nothing between the two was lost")
	require.LessOrEqual(a.t, time.Duration(again)*20*time.Millisecond, promised(2*time.Second), "a cursor is stored each second, and an event comes every 20 ms")
	require.Equal(a.t, truth, append(before[:len(before)-again:len(before)], a.applied...))
}

const planted = "planted-4f1c9a77e2"

// obeysARefusal gives the server a key, and Handline a wrong one.
func (a *typed) obeysARefusal() {
	a.must("disconnect") // or it might be back by itself before it is told to
	a.peer.kill()
	a.peer.every = "20"
	a.peer.start(planted)
	code, out := a.types("", "connect")
	require.Equal(a.t, 5, code, out)
	require.Contains(a.t, out, "Error: ")
	before, err := a.client.Status(context.Background())
	require.NoError(a.t, err)
	time.Sleep(5 * time.Second)
	after, err := a.client.Status(context.Background())
	require.NoError(a.t, err)
	require.Equal(a.t, before, after, "nothing is dialled until there is another key")
	require.Equal(a.t, connection.Stuck, after.Snapshot.Phase)
	alerts := 0
	for _, e := range a.timeline() {
		if e.Cause == "auth" {
			alerts++
		}
	}
	require.Equal(a.t, 1, alerts, "one line about the key")

	// The keychain is another test's business: this key comes by the environment, as on a headless machine.
	_ = a.process.Process.Signal(syscall.SIGTERM)
	require.NoError(a.t, a.process.Wait())
	<-a.done
	a.start("HANDLINE_TOKEN=" + planted)
	a.must("connect")
}

// leaksNoKey looks for the planted key wherever it could have been left.
func (a *typed) leaksNoKey() {
	argv, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(a.t, err)
	for _, path := range argv {
		b, _ := os.ReadFile(path)
		server := bytes.Contains(b, []byte("v0.js")) || bytes.Contains(b, []byte("v0.py"))
		require.False(a.t, !server && bytes.Contains(b, []byte(planted)), "in the arguments of %s", path)
	}
	_, logs := a.types("", "logs")
	require.NotContains(a.t, logs, planted)
	_ = a.process.Process.Signal(syscall.SIGTERM)
	require.NoError(a.t, a.process.Wait())
	a.process = nil
	require.NotContains(a.t, a.said.String(), planted)
	require.NoError(a.t, filepath.WalkDir(a.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NotContains(a.t, string(b), planted, "in %s", path)
		return err
	}))
}
