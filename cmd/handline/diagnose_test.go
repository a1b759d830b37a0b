//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

// fault is something that keeps a person from their server, and what must be found.
type fault struct {
	name    string
	failed  string        // the check that fails, "" = none
	code    network.Cause // and its cause
	summary string
	set     func(c *clinic) (server string)
}

const (
	well    = "All systems operational"
	offline = "Issues detected: No internet connection"
	away    = "Issues detected: Server is unreachable"
	shut    = "Issues detected: WebSocket connection failed"
	refused = "Issues detected: Authentication failed"
)

// far makes the server one of the internet, so that a captive portal may be behind what is wrong.
func far(c *clinic, scheme, address string) string {
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	c.leads["openhands.example:"+port] = address
	return scheme + "://openhands.example"
}

func (c *clinic) probe(h http.HandlerFunc) { c.leads["probe.example:80"] = answering(c.t, h) }

func (c *clinic) openWay() {
	c.probe(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "success") })
}

func faults() []fault {
	page := `default_type text/html; return 200 "<!doctype html><html><body>It works!</body></html>";`
	now := time.Now()
	lastYear, nextYear := now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
	secure := func(name string, from, to time.Time, self bool) func(*clinic) string {
		return func(c *clinic) string {
			c.openWay()
			ca := c.ca
			if self {
				ca = nil
			}
			cert, key := ca.files(c.t, name, from, to)
			return far(c, "https", nginx(c.t, cert, key, page))
		}
	}
	portal := func(answer http.HandlerFunc) func(*clinic) string {
		return func(c *clinic) string {
			c.probe(answer)
			return far(c, "http", answering(c.t, answer))
		}
	}
	return []fault{
		{"not set up", "server", network.NotSetUp, away, func(*clinic) string { return "" }},
		{"no such port", "tcp", network.Refused, away, func(c *clinic) string { return "http://" + free(c.t) }},
		{"black hole", "tcp", network.Timeout, away, func(c *clinic) string { return "http://" + hole(c.t) }},
		{"nginx with a web page", "server", network.NotABackend, away, func(c *clinic) string { return "http://" + nginx(c.t, "", "", page) }},
		{"nginx with 404", "server", network.NotABackend, away, func(c *clinic) string { return "http://" + nginx(c.t, "", "", "return 404;") }},
		{"nginx without its server", "server", network.Unavailable, away, func(c *clinic) string {
			return "http://" + nginx(c.t, "", "", "proxy_pass http://"+free(c.t)+";")
		}},
		{"nginx that passes no WebSockets", "upgrade", network.Protocol, shut, func(c *clinic) string {
			_, behind := plays(c.t, demo.Options{Dialect: demo.AgentServer, Mood: demo.Quiet})
			return "http://" + nginx(c.t, "", "", "proxy_pass http://"+behind+";")
		}},
		{"expired certificate", "tls", network.TLSExpired, away, secure("openhands.example", lastYear, now.AddDate(0, 0, -1), false)},
		{"self-signed certificate", "tls", network.TLSAuthority, away, secure("openhands.example", lastYear, nextYear, true)},
		{"certificate for another name", "tls", network.TLSName, away, secure("other.example", lastYear, nextYear, false)},
		{"certificate not valid yet", "tls", network.TLSClock, away, secure("openhands.example", now.AddDate(0, 0, 1), nextYear, false)},
		{"https to a port that speaks http", "tls", network.NotABackend, away, func(c *clinic) string {
			return "https://" + nginx(c.t, "", "", page)
		}},
		{"tinyproxy wants a password", "proxy", network.ProxyAuth, away, func(c *clinic) string {
			proxy := tinyproxy(c.t)
			c.edit = func(v *persistence.Config) { v.Proxy = "http://" + proxy }
			return "http://openhands.example"
		}},
		{"proxy that is not there", "proxy", network.Proxy, away, func(c *clinic) string {
			proxy := free(c.t)
			c.edit = func(v *persistence.Config) { v.Proxy = "http://" + proxy }
			return "http://openhands.example"
		}},
		{"captive portal that redirects", "server", network.Captive, offline, portal(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
		})},
		{"captive portal with a page", "server", network.Captive, offline, portal(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<!doctype html><html><body>Welcome to the hotel</body></html>")
		})},
		{"captive portal with 511", "server", network.Captive, offline, portal(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNetworkAuthenticationRequired)
		})},
		{"captive portal that drops everything else", "tcp", network.Captive, offline, func(c *clinic) string {
			c.probe(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
			})
			return far(c, "https", hole(c.t))
		}},
		{"key over plain http", "key", network.Plaintext, refused, func(c *clinic) string {
			c.openWay()
			c.key, c.edit = "planted-key", func(v *persistence.Config) { v.AllowPlaintext = []string{} }
			_, at := plays(c.t, demo.Options{Dialect: demo.V0, Mood: demo.Quiet})
			return far(c, "http", at)
		}},
		{"wrong key", "key", network.Auth, refused, func(c *clinic) string {
			c.key = "planted-key"
			_, at := plays(c.t, demo.Options{Dialect: demo.AgentServer, Key: "another", Mood: demo.Quiet})
			return "http://" + at
		}},
		{"unknown conversation", "ready", network.Gone, shut, func(c *clinic) string {
			c.edit = func(v *persistence.Config) { v.Conversation = "5f0c5d1f-2b0e-4f6b-8f4f-0a7c9d3e1b22" }
			_, at := plays(c.t, demo.Options{Dialect: demo.AgentServer, Mood: demo.Quiet})
			return "http://" + at
		}},
	}
}

func TestFaultsAreFoundAndSaid(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "diagnose.golden")
	want, _ := os.ReadFile(golden)
	said := make([]string, len(faults()))
	t.Run("all", func(t *testing.T) {
		for i, f := range faults() {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				c := newClinic(t)
				begun := time.Now()
				r, text := c.examine(f.set(c))
				require.Less(t, time.Since(begun), promised(diagnostics.Budget+2*time.Second), "what is set up takes time too")
				require.Less(t, r.Took, int(promised(diagnostics.Budget).Milliseconds()))
				worst, _ := r.Worst()
				require.Equal(t, f.failed, worst.Name, text)
				require.Equal(t, f.code, worst.Code, text)
				require.Equal(t, f.summary, r.Summary, text)
				for _, found := range r.Findings {
					require.NotEmpty(t, found.Saw, found.Name)
					require.NotContains(t, fmt.Sprint(found), "planted-key")
					if found.Outcome == diagnostics.Failed {
						require.NotEmpty(t, found.Means)
						require.NotEmpty(t, found.Advice)
					}
				}
				said[i] = "# " + f.name + "\n" + steady(text)
			})
		}
	})
	got := strings.Join(said, "\n")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		return
	}
	require.Equal(t, string(want), got, "run with -update and read the difference aloud")
}

// steady takes out what differs from run to run: ports and dates.
func steady(text string) string {
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:3000")
	return regexp.MustCompile(`\d+ [A-Z][a-z]+ 20\d\d`).ReplaceAllString(text, "1 March 2026")
}

func tinyproxy(t *testing.T) string {
	need(t, "tinyproxy")
	address := free(t)
	_, port, _ := strings.Cut(address, ":")
	path := filepath.Join(t.TempDir(), "tinyproxy.conf")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "Listen 127.0.0.1\nPort %s\nBasicAuth name word\nMaxClients 9\n", port), 0o600))
	start(t, exec.Command("tinyproxy", "-d", "-c", path), address, nil)
	return address
}

// Every mood of every dialect: what is found, and that nobody was disturbed by the finding.
func TestDiagnosingDisturbsNobody(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mood   demo.Mood
		failed string // "" = all is well
		code   network.Cause
	}{
		{demo.Steady, "", ""},
		{demo.Chatty, "", ""},
		{demo.Huge, "", ""},
		{demo.HangGreeting, "", ""},
		{demo.Down, "tcp", network.Refused},
		{demo.Refusing, "key", network.Auth},
		{demo.Unavailable, "server", network.Unavailable},
		{demo.Throttled, "server", network.Throttled},
		{demo.Captive, "server", network.Captive},
		{demo.CaptiveHTML, "server", network.Captive},
		{demo.Hang, "upgrade", network.Timeout},
		{demo.Silent, "server", network.Timeout},
	} {
		for _, dialect := range []demo.Dialect{demo.V0, demo.AgentServer, demo.AppServer, demo.Plain, demo.VoiceCode} {
			mute := dialect == demo.Plain || dialect == demo.VoiceCode
			switch {
			case mute && row.mood == demo.Refusing: // it cannot be asked for its opinion of a key
				continue
			case row.code == network.Timeout && (mute || dialect == demo.AppServer): // each takes the whole budget
				continue
			}
			t.Run(row.mood.Name()+"/"+string(dialect), func(t *testing.T) {
				t.Parallel()
				c := newClinic(t)
				c.key = "planted-key"
				portal := row.mood == demo.Captive || row.mood == demo.CaptiveHTML
				c.probe(func(w http.ResponseWriter, r *http.Request) {
					if portal {
						http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
						return
					}
					fmt.Fprint(w, "success")
				})
				c.edit = func(v *persistence.Config) {
					if mute {
						v.Conversation = ""
					}
					if dialect == demo.VoiceCode { // which is never guessed
						v.Dialect = "voicecode"
					}
				}
				s, at := plays(t, demo.Options{Dialect: dialect, Key: c.key, Mood: row.mood})
				if row.mood == demo.Down {
					s.Close()
					require.NoError(t, isShut(at))
				}
				r, text := c.examine(far(c, "http", at))
				worst, _ := r.Worst()
				require.Equal(t, row.failed, worst.Name, text)
				require.Equal(t, row.code, worst.Code, text)
				require.Less(t, r.Took, int(promised(diagnostics.Budget).Milliseconds()))
				seen := s.Seen()
				require.Zero(t, seen.Starts+seen.Wakes+seen.Typos, "%+v", seen)
				require.LessOrEqual(t, seen.Dials, 2)
				require.LessOrEqual(t, seen.Peak, 1)
			})
		}
	}
}

// What sleeps is not woken, and what is stopped is not started.
func TestDiagnosingWakesNobody(t *testing.T) {
	t.Parallel()
	for _, dialect := range []demo.Dialect{demo.V0, demo.AppServer} {
		c := newClinic(t)
		c.openWay()
		s, at := plays(t, demo.Options{Dialect: dialect, Mood: demo.Asleep})
		r, text := c.examine(far(c, "http", at))
		worst, _ := r.Worst()
		require.Equal(t, "ready", worst.Name, text)
		require.Equal(t, network.Asleep, worst.Code, text)
		require.Equal(t, "resume", worst.Action)
		seen := s.Seen()
		require.Zero(t, seen.Starts+seen.Wakes+seen.Typos, "%s: %+v", dialect, seen)
	}
}

// A server that takes the WebSocket and never finishes its greeting is what keeps the line down, and nothing else is.
func TestAGreetingThatHangsIsFound(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	_, at := plays(t, demo.Options{Dialect: demo.V0, Mood: demo.HangGreeting})
	a := c.app("http://" + at)
	ctx, stop := context.WithCancel(t.Context())
	var line sync.WaitGroup
	line.Go(func() { _ = a.line.Run(ctx) })
	defer line.Wait()
	defer stop()
	require.NoError(t, a.line.Do(ctx, connection.Connect{}))
	require.Eventually(t, func() bool { return a.line.Snapshot().Wanted }, patience, tick)
	r := a.examine(ctx, nil)
	worst, _ := r.Worst()
	require.Equal(t, "ready", worst.Name, r.Findings)
	require.Equal(t, network.Timeout, worst.Code)
	require.Equal(t, at+" stopped answering", worst.Saw)
	require.Equal(t, shut, r.Summary)
	require.LessOrEqual(t, r.Took, int(promised(diagnostics.Budget).Milliseconds()))
}
