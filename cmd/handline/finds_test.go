//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/persistence"
)

// handline connect --server URL, and nothing else: what is there is found, or said. The real agent-server is found in
// TestRealPeersOfToday.

func TestConnectFindsTheDialect(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		command      func(t *testing.T) []string
		conversation string
	}{
		"OpenHands V0 on python-socketio": {pythonPeer, "c1"},
		"OpenHands V0 on npm socket.io":   {nodePeer, "c1"},
		"plain npm socket.io":             {plainPeer, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, row.command(t))
			p.every = "150"
			p.start()
			a := newTyped(t, p)
			a.start()
			require.Contains(t, a.must("connect", "--server", p.url()), "Connected")
			require.Equal(t, "socketio", a.snapshot().Dialect)
			require.Equal(t, row.conversation, a.snapshot().Conversation)
			if row.conversation != "" {
				a.showsTheAgent(p)
				p.kill()
				a.until(connection.Reconnecting, patience)
				p.start()
				a.until(connection.Connected, patience)
				a.showsTheAgent(p)
			} else {
				require.Eventually(t, func() bool { return a.snapshot().Events == 3 }, patience, tick, "news, bytes that want an ack, and news of the ack")
			}
		})
	}
}

// showsTheAgent waits for the agent's next change, and holds that what the server says of it is known within a second.
func (a *typed) showsTheAgent(p *peer) {
	a.t.Helper()
	before := len(p.states())
	require.Eventually(a.t, func() bool { return len(p.states()) > before }, patience, tick)
	word := map[string]string{"running": "working", "awaiting_user_input": "waiting"}
	require.Eventually(a.t, func() bool {
		all := p.states() // it goes on changing
		return a.snapshot().Agent == word[all[len(all)-1]]
	}, promised(time.Second), 10*time.Millisecond)
}

// states are the agent's, as the server wrote them down.
func (p *peer) states() (all []string) {
	text, _ := os.ReadFile(p.log) // there is none before the first event
	for line := range strings.Lines(string(text)) {
		var e struct {
			Extras struct {
				State string `json:"agent_state"`
			}
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Extras.State != "" {
			all = append(all, e.Extras.State)
		}
	}
	return all
}

func plainPeer(t *testing.T) []string {
	command := nodePeer(t)
	return append(command[:len(command)-1], script(t, "plain.js"))
}

func TestConnectSaysWhatItFound(t *testing.T) {
	t.Parallel()
	page := `default_type text/html; return 200 "<!doctype html><html><body>It works!</body></html>";`
	portal := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
	}
	for _, row := range []struct {
		name, first, headline, means string // first is said while it is still tried
		server                       func(c *clinic) string
	}{
		{"a web page", "127.0.0.1:3000 shows a web page. Still trying.", "127.0.0.1:3000 shows a web page",
			"It is no backend that Handline knows. It may be a website, or this network's login page.",
			func(c *clinic) string { return "http://" + nginx(c.t, "", "", page) }},
		{"a web server without pages", "127.0.0.1:3000 is a web server of another kind. Still trying.", "Error: 127.0.0.1:3000 is a web server of another kind",
			"It answers requests, but it is no backend that Handline knows.",
			func(c *clinic) string { return "http://" + nginx(c.t, "", "", "return 404;") }},
		{"a captive portal", "openhands.example sends visitors elsewhere. Still trying.", "Error: This network wants you to log in",
			"It answers in place of your server until you do.",
			func(c *clinic) string {
				c.probe(portal)
				return far(c, "http", answering(c.t, portal))
			}},
		{"an SSH port", "127.0.0.1:3000 is an SSH server. Still trying.", "Error: 127.0.0.1:3000 is an SSH server",
			"Terminals log in there. OpenHands listens on another port.",
			func(c *clinic) string { return "http://" + speaks(c.t, "SSH-2.0-OpenSSH_9.6\r\n", "") }},
		{"a mail server", "127.0.0.1:3000 is no web server. Still trying.", "Error: 127.0.0.1:3000 is no web server",
			"It speaks first, as mail servers do. OpenHands listens on another port.",
			func(c *clinic) string { return "http://" + speaks(c.t, "220 mail.example ESMTP\r\n", "") }},
		{"another protocol", "127.0.0.1:3000 does not speak HTTP. Still trying.", "127.0.0.1:3000 does not speak HTTP",
			"What it says is no web server's answer. It may be another program.",
			func(c *clinic) string { return "http://" + speaks(c.t, "", "-ERR unknown command 'GET'\r\n") }},
		{"nobody", "Nothing is listening at 127.0.0.1:3000. Still trying.", "Nothing is listening at 127.0.0.1:3000",
			"The computer answers, but the server is not running on that port.",
			func(c *clinic) string { return "http://" + free(c.t) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			server := row.server(c)
			c.edit = func(v *persistence.Config) { v.Server, v.Conversation = "", "" }
			a := c.app("")
			runs(t, a)
			require.Eventually(t, func() bool {
				conn, err := net.Dial("unix", a.home.Socket())
				if err == nil {
					conn.Close()
				}
				return err == nil
			}, patience, tick)

			var out bytes.Buffer
			hints, errs := io.Pipe()
			var reading sync.WaitGroup
			from, first, after := time.Now(), "", time.Duration(0)
			reading.Go(func() {
				b := make([]byte, 200)
				n, _ := hints.Read(b)
				first, after = steady(string(b[:n])), time.Since(from)
				_, _ = io.Copy(io.Discard, hints)
			})
			err := connectCmd{Server: server}.Run(&console{ctx: t.Context(), home: filepath.Dir(a.home.Config()), out: &out, err: errs})
			errs.Close()
			reading.Wait()
			require.Equal(t, standing(exitNotConnected), err)
			require.Less(t, time.Since(from), connectPatience+promised(2*time.Second))
			require.Equal(t, row.first, strings.TrimSpace(first))
			require.Less(t, after, promised(5*time.Second), "it is said as soon as it is known")
			said := steady(out.String())
			require.Contains(t, said, row.headline)
			require.Contains(t, said, row.means)
			t.Logf("after %v:\n%s%s", after.Round(time.Millisecond), first, said)
		})
	}
}

// speaks is a server that says something to everybody, or to whoever has asked.
func speaks(t *testing.T, first, answer string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
				_, _ = io.WriteString(conn, first)
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return ln.Addr().String()
}
