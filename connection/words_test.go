package connection

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
)

var update = flag.Bool("update", false, "write the golden files anew")

// causes are the codes that network/cause.go declares, in its order.
func causes(t *testing.T) (all []network.Cause) {
	file, err := parser.ParseFile(token.NewFileSet(), "network/cause.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Cause" {
				all = append(all, network.Cause(strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)))
			}
		}
		return true
	})
	require.Greater(t, len(all), 20)
	return all
}

// troubles are failures as the rooms below make them: at least one for every phrase.
func troubles() []network.Failure {
	const host, far, proxy = "127.0.0.1:3000", "runtime-abcdefghijkl.prod-runtime.example.dev:443", "10.0.0.1:3128"
	return []network.Failure{
		{Cause: network.NoNetwork, Host: far, Silent: true, Detail: "network is unreachable"},
		{Cause: network.NoNetwork, About: network.Firewall, Host: far, Silent: true, Detail: "this computer's firewall did not permit it"},
		{Cause: network.DNS, Host: "opnehands.example:443", Silent: true, Detail: "no such name"},
		{Cause: network.DNS, About: network.Unresolved, Host: "openhands.example:443", Silent: true, Detail: "the name server did not answer"},
		{Cause: network.Refused, Host: host},
		{Cause: network.Timeout, Host: host},
		{Cause: network.Timeout, Host: "192.168.1.20:3000", Silent: true},
		{Cause: network.Reset, Host: host},
		{Cause: network.TLSExpired, Host: far, Detail: "expired 2026-03-01"},
		{Cause: network.TLSExpired, Host: far, Detail: "its issuer's certificate expired"},
		{Cause: network.TLSName, Host: "openhands.example:443", Suspect: true, Detail: "issued for portal.hotel.example"},
		{Cause: network.TLSAuthority, Host: far, Suspect: true, Detail: "signed by itself"},
		{Cause: network.TLSClock, Host: far, Detail: "the clock says 2019-03-03"},
		{Cause: network.Proxy, Host: proxy, Detail: "refused"},
		{Cause: network.Proxy, Host: proxy, Status: 503, Detail: "HTTP 503"},
		{Cause: network.Proxy, Detail: "the setting is not a URL like http://proxy.example:3128"},
		{Cause: network.ProxyAuth, Host: proxy, Status: 407, Detail: "HTTP 407"},
		{Cause: network.Captive, Suspect: true},
		{Cause: network.NotABackend, Host: host, Status: 400, Detail: "HTTP 400"},
		{Cause: network.NotABackend, About: network.NoPath, Host: host, Status: 404, Detail: "HTTP 404"},
		{Cause: network.NotABackend, About: network.NoNamespace, Verdict: network.Final, Detail: "Invalid namespace"},
		{Cause: network.NotABackend, About: network.WebPage, Host: "openhands.example:443", Suspect: true, Status: 200, Detail: "HTTP 200 with a web page"},
		{Cause: network.NotABackend, About: network.WantsTLS, Host: "openhands.example:80", Status: 301, Detail: "HTTP 301 to https"},
		{Cause: network.NotABackend, About: network.NoTLS, Host: host, Suspect: true, Detail: "the answer is not TLS"},
		{Cause: network.NotABackend, About: network.Noise, Host: host, Suspect: true, Detail: "the answer is not HTTP"},
		{Cause: network.NotABackend, About: network.Elsewhere, Host: host, Suspect: true, Status: 307, Detail: "HTTP 307 to portal.hotel.example"},
		{Cause: network.NotABackend, About: network.OtherWeb, Host: host, Detail: "a web service of another kind"},
		{Cause: network.NotABackend, About: network.SSH, Host: host, Detail: "an SSH server"},
		{Cause: network.NotABackend, About: network.SpeaksFirst, Host: host, Detail: "a server that speaks first, as mail servers do"},
		{Cause: network.Auth, Host: host, Verdict: network.Final, Status: 401, Detail: "HTTP 401"},
		{Cause: network.Forbidden, Host: host, Verdict: network.Final, Status: 403, Detail: "HTTP 403"},
		{Cause: network.Gone, Verdict: network.Final, Status: 4004, Detail: "Conversation not found"},
		{Cause: network.Gone, About: network.Ended, Verdict: network.Final, Status: 410, Detail: "HTTP 410"},
		{Cause: network.Asleep, After: time.Minute, Detail: "the sandbox is paused"},
		{Cause: network.Throttled, Host: host, Status: 429, After: 42 * time.Second, Detail: "HTTP 429"},
		{Cause: network.Throttled, About: network.Crowd, Status: 1013, After: 30 * time.Second, Detail: "Too many connections for this conversation"},
		{Cause: network.Throttled, About: network.SlowReader, Status: 1013, Detail: "slow_consumer"},
		{Cause: network.Draining, Status: 1012, Detail: "service restart"},
		{Cause: network.Unavailable, Host: host, Status: 503, After: 5 * time.Minute, Detail: "HTTP 503"},
		{Cause: network.Unavailable, About: network.Starting, Host: far, After: 3 * time.Second, Detail: "the sandbox is starting"},
		{Cause: network.Protocol, Host: host, Verdict: network.Thrice, Status: 1002, Detail: "closed with 1002"},
		{Cause: network.Protocol, About: network.Blocked, Host: host, Verdict: network.Thrice, Status: 404, Detail: "requests are answered and the WebSocket is not (HTTP 404): a proxy before the server may block it"},
		{Cause: network.TooBig, Status: 1009, Detail: "closed with 1009"},
		{Cause: network.TooBig, About: network.BigEvent, Status: 1013, Detail: "frame_too_large"},
		{Cause: network.Plaintext, Host: "192.168.1.20:3000", Verdict: network.Final},
		{Cause: network.LocalNetwork, Host: "192.168.1.20:3000", Silent: true},
		{Cause: network.KeychainLocked},
		{Cause: network.KeychainDenied, Verdict: network.Final},
		{Cause: network.NotSetUp, Verdict: network.Final},
		{Cause: network.NotSetUp, Verdict: network.Final, Detail: "choose"},
	}
}

// The golden file shows each cause as every face shows it. Read it aloud: a person who has never heard of WebSockets
// must know what to do.
func TestWordsOfEveryCause(t *testing.T) {
	var b strings.Builder
	now := time.Date(2026, 11, 22, 14, 32, 0, 0, time.UTC)
	seen := map[network.Cause]bool{}
	spoken := map[string]bool{}
	for _, f := range troubles() {
		server := "http://127.0.0.1:3000"
		if f.Cause == network.NotSetUp && f.Detail == "" {
			server = ""
		}
		w := Explain(f, server)
		seen[f.Cause] = true
		spoken[w.Text] = true
		failed := Snapshot{Status: Error, Cause: w, Server: server}
		failed.Text = failed.text()
		again := Snapshot{Status: Reconnecting, Cause: w, Attempt: 3, MaxAttempts: 10, RetryAt: now.Add(5 * time.Second)}
		again.Text = again.text()
		fmt.Fprintf(&b, "%s\n  text     %s\n  means    %s\n  advice   %s\n  detail   %s\n", w.Code, w.Text, w.Means, w.Advice, w.Detail)
		fmt.Fprintf(&b, "  tooltip  OpenHands: %s\n", failed.Headline(now))
		if f.Verdict == network.Retry {
			fmt.Fprintf(&b, "           OpenHands: %s\n", again.Headline(now))
		}
		fmt.Fprintf(&b, "  terminal %s\n           %s\n           %s\n\n", failed.Headline(now), w.Means, w.Advice)
	}
	for _, c := range causes(t) {
		require.True(t, seen[c], "%s is not shown", c)
	}
	require.Len(t, spoken, len(phrases), "each phrase is reached by some failure")

	const name = "testdata/words.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

// A server may write anything into its reasons; what Handline says of the cause is the same.
func TestWordsAreNotPickedByAServersOwn(t *testing.T) {
	for _, code := range []int{1002, 1008, 1009, 1011, 1012, 4004} {
		plain := Explain(network.ClosedWith(code, ""), "http://127.0.0.1:3000")
		for _, reason := range []string{"error starting runtime", "being resumed", "requests are answered", "it was archived", "the sandbox",
			"an SSH server", "no such name", "firewall", "sent on to https", "not TLS", "not HTTP", "a web page", "slow_consumer"} {
			said := Explain(network.ClosedWith(code, reason), "http://127.0.0.1:3000")
			require.Equal(t, reason, said.Detail)
			said.Detail = plain.Detail
			require.Equal(t, plain, said, "%d %s", code, reason)
		}
	}
}

func TestWordsKeepTheirForm(t *testing.T) {
	verbs := []string{"Add", "Allow", "Ask", "Change", "Check", "Choose", "Close", "Enter", "Install", "Log", "Open", "Reconnect", "Renew", "Resume", "Set",
		"Shorten", "Start", "Unlock", "Update", "Use", "Wait", "Wait."}
	for _, f := range troubles() {
		w := Explain(f, "https://openhands.example/prefix")
		require.LessOrEqual(t, utf8.RuneCountInString(w.Text), 50, w.Text)
		require.NotContains(t, w.Text+w.Means+w.Advice, "{")
		require.NotContains(t, w.Text+w.Means+w.Advice, "!")
		require.False(t, strings.HasSuffix(w.Text, "."), w.Text)
		require.True(t, strings.HasSuffix(w.Means, "."), w.Means)
		require.True(t, strings.HasSuffix(w.Advice, "."), w.Advice)
		require.True(t, slices.Contains(verbs, strings.Fields(w.Advice)[0]), w.Advice)
	}
	require.Equal(t, Why{}, Explain(network.Failure{}, ""))
}
