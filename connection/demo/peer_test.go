package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The demo is believed because clients that know nothing of it believe it: npm's socket.io-client and python-socketio's.

// told is one line of a client's output.
type told struct {
	Connect    bool
	Refused    string
	Disconnect string
	Event      *struct {
		ID     any
		Source string
		Args   struct{ Content string }
	}
}

// run starts a client and gives what it prints. The client ends with the test.
func run(t *testing.T, env []string, name string, args ...string) <-chan told {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := make(chan told)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var v told
			if json.Unmarshal(s.Bytes(), &v) == nil {
				lines <- v
			}
		}
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		cancel()
		for range lines {
		}
	})
	return lines
}

// need installs packages once into a cache that outlives the test.
func need(t *testing.T, name, proof string, install ...[]string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(cache, "handline-test", name)
	if _, err := os.Stat(filepath.Join(dir, proof)); err == nil {
		return dir
	}
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for _, args := range install {
		if _, err := exec.LookPath(args[0]); err != nil && filepath.Base(args[0]) == args[0] {
			lack(t, args[0]+" is not installed")
		}
		cmd := exec.Command(args[0], args[1:]...) // a path is looked up in dir
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("NOT TESTED: %s could not be installed: %v\n%s", name, err, out)
		}
	}
	return dir
}

// lack skips the test, and fails it where everything must be tested.
func lack(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func node(t *testing.T, base string, query url.Values) <-chan told {
	dir := need(t, "socket.io-client-4.8.4", "node_modules/socket.io-client/package.json",
		[]string{"npm", "install", "--no-audit", "--no-fund", "--prefix", ".", "socket.io-client@4.8.4"})
	flat := map[string]string{}
	for k := range query {
		flat[k] = query.Get(k)
	}
	q, err := json.Marshal(flat)
	require.NoError(t, err)
	return run(t, []string{"NODE_PATH=" + filepath.Join(dir, "node_modules")}, "node", "testdata/client.js", base, string(q))
}

func python(t *testing.T, base string, query url.Values) <-chan told {
	dir := need(t, "python-socketio-5.13.0-asyncio", "ready",
		[]string{"python3", "-m", "venv", "."},
		[]string{filepath.Join("bin", "python"), "-m", "pip", "install", "-q", "python-socketio==5.13.0", "aiohttp==3.14.5"},
		[]string{"touch", "ready"})
	return run(t, nil, filepath.Join(dir, "bin", "python"), "testdata/client.py", base+"?"+query.Encode())
}

func TestStockClients(t *testing.T) {
	for name, client := range map[string]func(*testing.T, string, url.Values) <-chan told{"node": node, "python": python} {
		t.Run(name, func(t *testing.T) {
			s := New(Options{Dialect: V0, Key: "sesame", Mood: Quiet})
			t.Cleanup(s.Close)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			served := make(chan error, 1)
			go func() { served <- s.Serve(ln) }()
			t.Cleanup(func() { s.Close(); require.NoError(t, <-served) })
			base := "http://" + ln.Addr().String()
			s.Publish(30)

			query := url.Values{"conversation_id": {DefaultConversation}, "session_api_key": {"sesame"}, "latest_event_id": {"-1"}}
			lines := client(t, base, query)
			var ids []string
			echoed := false
			live := len(s.Truth(DefaultConversation)) + 21 // 20 that are published, and one that the client says
			for v := range lines {
				if v.Connect {
					s.Publish(20)
				}
				if v.Event == nil {
					continue
				}
				require.Empty(t, v.Refused+v.Disconnect)
				if id, ok := v.Event.ID.(float64); ok && (v.Event.Source == "user" || known(s, id)) {
					ids = append(ids, fmt.Sprint(id))
					echoed = echoed || v.Event.Args.Content == "from "+name
				}
				if len(ids) == live {
					break
				}
			}
			require.True(t, echoed)
			require.Equal(t, s.Truth(DefaultConversation), ids)

			query.Set("session_api_key", "wrong")
			for v := range client(t, base, query) {
				if v.Refused != "" {
					require.Contains(t, v.Refused, "invalid_session_api_key")
					return
				}
				require.False(t, v.Connect)
			}
			t.Fatal("the client was not told that it is refused")
		})
	}
}

// known says that an id is part of the truth: a change of the agent's state is not.
func known(s *Server, id float64) bool {
	for _, v := range s.Truth(DefaultConversation) {
		if v == fmt.Sprint(id) {
			return true
		}
	}
	return false
}
