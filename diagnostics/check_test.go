package diagnostics_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
	"handline/diagnostics"
)

// patient has a server behind connections in memory; a test spoils what it is about.
func patient() diagnostics.Deps {
	return diagnostics.Deps{
		Dialer: network.Dialer{Raw: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			theirs.Close()
			return ours, nil
		}},
		Resolve:  func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "::1"}, nil },
		Route:    func(string) bool { return true },
		Identify: func(context.Context) (backend.Server, error) { return backend.Server{Kind: backend.AgentServer}, nil },
		Secret:   func(context.Context) (string, error) { return "planted-key", nil },
		Key:      func(context.Context, string) error { return nil },
		Locate: func(context.Context, string) (diagnostics.Socket, error) {
			return diagnostics.Socket{}, network.Failure{Cause: network.Asleep}
		},
	}
}

func examined(d diagnostics.Deps) (outcomes map[string]diagnostics.Outcome, r diagnostics.Report) {
	outcomes = map[string]diagnostics.Outcome{}
	r = diagnostics.Examine(context.Background(), "http://server.example", d, func(f diagnostics.Finding) { outcomes[f.Name] = f.Outcome })
	return outcomes, r
}

// What has no answer takes the budget and not a moment more, and what comes after it is not reached.
func TestNothingAnswersWithinTheBudget(t *testing.T) {
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, spoil := range map[string]func(*diagnostics.Deps){
		"dns": func(d *diagnostics.Deps) {
			d.Resolve = func(ctx context.Context, _ string) ([]string, error) { return nil, silent(ctx) }
		},
		"tcp": func(d *diagnostics.Deps) {
			d.Dialer.Raw = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, silent(ctx) }
		},
		"server": func(d *diagnostics.Deps) {
			d.Identify = func(ctx context.Context) (backend.Server, error) { return backend.Server{}, silent(ctx) }
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := patient()
			looks := 0
			d.Portal = func(ctx context.Context) network.Portal {
				looks++
				<-ctx.Done()
				return network.Portal{}
			}
			spoil(&d)
			begun := time.Now()
			got, r := examined(d)
			require.Less(t, time.Since(begun), diagnostics.Budget)
			require.Equal(t, diagnostics.Failed, got[name])
			require.Equal(t, diagnostics.NotReached, got["key"])
			require.Equal(t, diagnostics.NotReached, got["round-trip"])
			require.Equal(t, "Issues detected: Server is unreachable", r.Summary)
			require.Equal(t, 1, looks, "the way is doubted once")
		})
	}
}

func TestNoPortalIsLookedForWhileAllIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := patient()
		d.Portal = func(context.Context) network.Portal { t.Error("looked"); return network.Portal{} }
		got, _ := examined(d)
		require.Equal(t, diagnostics.OK, got["server"])
	})
}

// Without a route the network is what is wrong, unless the server is reached all the same: a table of routes can err.
func TestTheRouteIsAHint(t *testing.T) {
	d := patient()
	d.Route = func(string) bool { return false }
	got, _ := examined(d)
	require.Equal(t, diagnostics.OK, got["link"])
	require.Equal(t, diagnostics.OK, got["server"])

	d.Resolve = func(context.Context, string) ([]string, error) { return nil, &net.DNSError{Err: "unreachable"} }
	got, r := examined(d)
	require.Equal(t, diagnostics.Failed, got["link"])
	require.Equal(t, diagnostics.NotReached, got["dns"])
	require.Equal(t, "Issues detected: No internet connection", r.Summary)
}

// A system may have a proxy for https alone. The way there is tried by it, although TLS is another check's.
func TestTheProxyIsTheServers(t *testing.T) {
	d := patient()
	d.Dialer.Proxy = func(to *url.URL) (*url.URL, error) {
		if to.Scheme != "https" {
			return nil, nil
		}
		return url.Parse("http://proxy.example:3128")
	}
	var dialled []string
	d.Dialer.Raw = func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	r := diagnostics.Examine(t.Context(), "https://server.example", d, nil)
	require.Equal(t, []string{"proxy.example:3128"}, dialled)
	require.Equal(t, "proxy", r.Findings[1].Name)
	require.Equal(t, network.Proxy, r.Findings[1].Code)
}

func TestAPACFileIsSaidNotToBeEvaluated(t *testing.T) {
	d := patient()
	d.PAC = func() bool { return true }
	got, r := examined(d)
	require.Equal(t, diagnostics.NotTested, got["proxy"])
	require.Equal(t, diagnostics.OK, got["server"], "the direct way may do")
	require.Contains(t, r.Findings[1].Means, "direct")
	require.Equal(t, "open-settings", r.Findings[1].Action)
	require.Equal(t, diagnostics.OK, r.Headlines[1].Outcome)

	d.Dialer.Proxy = func(*url.URL) (*url.URL, error) { return nil, errors.New("not an address") }
	got, _ = examined(d)
	require.Equal(t, diagnostics.Failed, got["proxy"], "a setting goes before the system")

	d = patient()
	d.PAC = func() bool { return true }
	r = diagnostics.Examine(t.Context(), "http://127.0.0.1:3000", d, nil)
	require.Equal(t, "dns", r.Findings[1].Name, "nothing stands before this computer")
}

func TestTheConversationIsTheLinesToTell(t *testing.T) {
	d := patient()
	got, r := examined(d)
	require.Equal(t, diagnostics.NotTested, got["upgrade"], "an app server names no socket of what sleeps")
	require.Equal(t, diagnostics.Failed, got["ready"])
	require.False(t, r.OK)

	line := connection.Snapshot{Server: "http://server.example", Status: connection.Connected, Quality: connection.Good, RTT: 84}
	d.Line = func() (connection.Snapshot, bool) { return line, true }
	got, r = examined(d)
	require.Equal(t, diagnostics.OK, got["ready"])
	require.Equal(t, "Good, 84 ms", r.Findings[8].Saw)
	require.True(t, r.OK)

	line.Server = "http://another.example"
	got, _ = examined(d)
	require.Equal(t, diagnostics.Failed, got["ready"], "a line to another server says nothing of this one")

	d.Locate = func(context.Context, string) (diagnostics.Socket, error) {
		return diagnostics.Socket{}, network.Failure{Cause: network.Reset}
	}
	got, _ = examined(d)
	require.Equal(t, diagnostics.Failed, got["upgrade"])
}

// greets upgrades a connection and says one word, whatever it is asked (RFC 6455, section 4.2.2).
func greets(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return // TCP alone was tried
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi",
		base64.StdEncoding.EncodeToString(sum[:]))
	_, _ = io.Copy(io.Discard, r)
}

// watched is a line that shows the given states one after the other, each for a while, and stays with the last.
func watched(d *diagnostics.Deps, each time.Duration, states ...connection.Snapshot) {
	d.Dialer.Raw = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go greets(theirs)
		return ours, nil
	}
	d.Locate = func(context.Context, string) (diagnostics.Socket, error) {
		return diagnostics.Socket{URL: &url.URL{Scheme: "ws", Host: "server.example"}}, nil
	}
	for i := range states {
		states[i].Server, states[i].Wanted = "http://server.example", true
	}
	d.Line = func() (connection.Snapshot, bool) { return states[0], true }
	d.Watch = func(ctx context.Context) iter.Seq[connection.Snapshot] {
		return func(yield func(connection.Snapshot) bool) {
			for _, s := range states {
				if !yield(s) {
					return
				}
				select {
				case <-time.After(each):
				case <-ctx.Done():
					return
				}
			}
			<-ctx.Done()
		}
	}
}

func TestTheCheckWaitsForTheLine(t *testing.T) {
	stale := connection.Explain(network.Failure{Cause: network.NoNetwork}, "http://server.example")
	refused := connection.Explain(network.Failure{Cause: network.Protocol}, "http://server.example")
	for _, row := range []struct {
		name   string
		each   time.Duration
		states []connection.Snapshot
		want   diagnostics.Outcome
		code   network.Cause
		within time.Duration
	}{
		{"a greeting that hangs", 0, []connection.Snapshot{{Phase: connection.Greeting, Status: connection.Connecting}},
			diagnostics.Failed, network.Timeout, diagnostics.Budget},
		{"a greeting that had no time yet", diagnostics.Budget - time.Second, []connection.Snapshot{{Phase: connection.Dialing}, {Phase: connection.Greeting}},
			diagnostics.NotTested, "", diagnostics.Budget},
		{"a greeting with a long history in it", time.Second, []connection.Snapshot{{Phase: connection.Greeting, Events: 1}, {Phase: connection.Greeting, Events: 2},
			{Phase: connection.Greeting, Events: 3}, {Phase: connection.Greeting, Events: 4}, {Phase: connection.Greeting, Events: 5}, {Phase: connection.Greeting, Events: 6}},
			diagnostics.NotTested, "", diagnostics.Budget},
		{"Wi-Fi is back", time.Second, []connection.Snapshot{
			{Phase: connection.Offline, Cause: stale}, {Phase: connection.Waiting, Cause: stale},
			{Phase: connection.Dialing, Cause: stale}, {Phase: connection.Online, Status: connection.Connected}},
			diagnostics.OK, "", 4 * time.Second},
		{"Wi-Fi is back, and nobody has told the line", 0, []connection.Snapshot{{Phase: connection.Offline, Cause: stale}},
			diagnostics.NotTested, "", diagnostics.Budget},
		{"a dial that comes to nothing", time.Second, []connection.Snapshot{
			{Phase: connection.Dialing, Cause: stale}, {Phase: connection.Waiting, Cause: refused}},
			diagnostics.Failed, network.Protocol, 2 * time.Second},
		{"a try that is far off", 0, []connection.Snapshot{{Phase: connection.Waiting, Cause: refused, RetryAt: time.Now().AddDate(9, 0, 0)}},
			diagnostics.Failed, network.Protocol, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := patient()
			watched(&d, row.each, row.states...)
			begun := time.Now()
			got, r := examined(d)
			require.Less(t, time.Since(begun), row.within, row.name)
			require.Equal(t, row.want, got["ready"], row.name)
			require.Equal(t, row.code, r.Findings[7].Code, row.name)
			require.Equal(t, row.want != diagnostics.Failed, r.OK, row.name)
			if row.code == network.Timeout {
				require.Equal(t, "Issues detected: WebSocket connection failed", r.Summary)
				require.Equal(t, "server.example stopped answering", r.Findings[7].Saw)
				require.Equal(t, "the server has not finished its greeting", r.Findings[7].Detail)
			}
		})
	}
}

func TestTheKey(t *testing.T) {
	for _, row := range []struct {
		name   string
		secret string
		locked error
		answer error
		want   diagnostics.Outcome
		code   network.Cause
	}{
		{"accepted", "k", nil, nil, diagnostics.OK, ""},
		{"none is asked for", "", nil, nil, diagnostics.OK, ""},
		{"refused", "k", nil, network.Failure{Cause: network.Auth}, diagnostics.Failed, network.Auth},
		{"no way to ask", "k", nil, backend.ErrNoQuestion, diagnostics.NotTested, ""},
		{"locked away", "", network.Failure{Cause: network.KeychainLocked}, nil, diagnostics.Failed, network.KeychainLocked},
	} {
		d := patient()
		d.Secret = func(context.Context) (string, error) { return row.secret, row.locked }
		d.Key = func(context.Context, string) error { return row.answer }
		_, r := examined(d)
		require.Equal(t, "key", r.Findings[5].Name)
		require.Equal(t, row.want, r.Findings[5].Outcome, row.name)
		require.Equal(t, row.code, r.Findings[5].Code, row.name)
	}
}

// A keychain that waits for its owner must not look like a server that refuses.
func TestAKeychainThatAsksTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := patient()
		d.Secret = func(ctx context.Context) (string, error) { <-ctx.Done(); return "", errors.New("prompting") }
		got, r := examined(d)
		require.Equal(t, diagnostics.Failed, got["key"])
		require.Equal(t, network.KeychainLocked, r.Findings[5].Code)
		require.Equal(t, "The keychain has not answered yet", r.Findings[5].Saw)
		require.Contains(t, r.Findings[5].Advice, "Unlock")
		require.Equal(t, diagnostics.NotReached, got["upgrade"])
		require.Equal(t, "Issues detected: Authentication failed", r.Summary)
	})
}
