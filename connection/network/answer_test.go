package network

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// line shows every field of a failure that is not zero.
func line(f Failure) string {
	s := string(f.Cause) + " " + [...]string{"retry", "thrice", "final"}[f.Verdict]
	for _, flag := range []struct {
		on   bool
		word string
	}{{f.About != "", "about " + string(f.About)}, {f.Silent, "silent"}, {f.Suspect, "suspect"}, {f.Status != 0, fmt.Sprint(f.Status)}, {f.After != 0, "after " + f.After.String()}} {
		if flag.on {
			s += " " + flag.word
		}
	}
	return s + " " + fmt.Sprintf("%q", f.Detail)
}

func parse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

func TestAnUnauthorizedAnswerIsFinalOnlyFromTheServerItself(t *testing.T) {
	const page, json = "<!DOCTYPE html><title>Log in</title>", `{"detail":"no"}`
	for _, row := range []struct {
		target string
		status int
		body   string
		want   Failure
	}{
		{"https://host", 401, json, Failure{Cause: Auth, Verdict: Final}},
		{"wss://host", 403, json, Failure{Cause: Forbidden, Verdict: Final}},
		{"wss://host", 403, "", Failure{Cause: Forbidden, Verdict: Final}},
		{"ws://127.0.0.1:3000", 401, json, Failure{Cause: Auth, Verdict: Final}},
		{"ws://192.168.1.20:3000", 403, json, Failure{Cause: Forbidden, Verdict: Final}},
		{"ws://nas.local:3000", 401, json, Failure{Cause: Auth, Verdict: Final}},
		{"ws://public.example", 401, json, Failure{Cause: Auth, Suspect: true}},
		{"wss://host", 401, page, Failure{Cause: NotABackend, About: WebPage, Suspect: true}},
		{"ws://127.0.0.1:3000", 403, " \n<HTML>", Failure{Cause: NotABackend, About: WebPage, Suspect: true}},
	} {
		got := Classify(nil, parse(t, row.target), &http.Response{StatusCode: row.status}, []byte(row.body))
		got.Host, got.Detail, got.Status = "", "", 0
		require.Equal(t, row.want, got, "%s %d %q", row.target, row.status, row.body)
	}
}

func TestARedirectIsAPortalsOnlyIfItLeadsElsewhere(t *testing.T) {
	for _, row := range []struct {
		target, location string
		suspect          bool
		detail           string
	}{
		{"wss://host", "https://login.example/?token=secret", true, "HTTP 302 to login.example"},
		{"wss://host", "//login.example/x", true, "HTTP 302 to login.example"},
		{"wss://host", "/login", false, "HTTP 302 to another place on the same server"},
		{"wss://HOST:8443", "https://host/app?key=secret", false, "HTTP 302 to another place on the same server"},
		{"ws://host", "https://host/socket", false, "HTTP 302 to https"},
		{"ws://host", "", false, "HTTP 302"},
		{"ws://host", "http://bad host/", false, "HTTP 302"},
	} {
		res := &http.Response{StatusCode: 302, Header: http.Header{"Location": {row.location}}}
		got := Classify(nil, parse(t, row.target), res, nil)
		require.Equal(t, NotABackend, got.Cause)
		require.Equal(t, row.suspect, got.Suspect, row.location)
		require.Equal(t, row.detail, got.Detail)
	}
}

func TestRetryAfterIsSecondsOrADateOnTheServersClock(t *testing.T) {
	for _, row := range []struct {
		value, date string
		want        time.Duration
	}{
		{"7", "", 7 * time.Second},
		{"0", "", 0},
		{"-3", "", 0},
		{"soon", "", 0},
		{"99999999999999999999", "", 0},
		{"4294967295", "", 24 * time.Hour},
		{"Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", time.Minute},
		{"Sun, 06 Nov 1994 08:48:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
		{"Sun, 06 Nov 1994 08:50:37 GMT", "", 0},
	} {
		h := http.Header{"Retry-After": {row.value}, "Date": {row.date}}
		got := Classify(nil, nil, &http.Response{StatusCode: 503, Header: h}, nil)
		require.Equal(t, row.want, got.After, row.value)
	}
}

func TestCloseCodes(t *testing.T) {
	var b strings.Builder
	for _, row := range []struct {
		code int
		text string
	}{
		{0, ""}, {1000, ""}, {1000, "bye"}, {1001, "going away"}, {1002, ""}, {1003, ""}, {1005, ""}, {1006, "unexpected EOF"},
		{1007, "bad utf-8"}, {1008, "policy"}, {1009, ""}, {1010, ""}, {1011, "internal error"}, {1012, "service restart"},
		{1013, "Too many connections for this conversation"}, {1013, "slow_consumer"}, {1013, "frame_too_large"}, {1014, ""}, {4001, "Authentication failed"},
		{4004, "Conversation not found"}, {4321, "app\x1b[31m says\r\nno https://u:p@h/x?key=1 " + strings.Repeat("a", 200)},
	} {
		fmt.Fprintf(&b, "%4d %-45.45q %s\n", row.code, row.text, line(ClosedWith(row.code, row.text)))
	}
	golden(t, "closes.golden", b.String())
}

func TestMayCarryKey(t *testing.T) {
	allowed := []string{"http://192.168.1.20:3000", "http://nas.local", "https://else.example", "http://", "nonsense"}
	for target, may := range map[string]bool{
		"https://anywhere.example": true,
		"wss://anywhere.example":   true,
		"http://127.0.0.1:3000":    true,
		"ws://[::1]:3000":          true,
		"ws://LOCALHOST:3000":      true,
		"ws://192.168.1.20:3000":   true,
		"http://nas.local:80/x":    true,

		"http://192.168.1.20":        false, // another port is another origin
		"http://192.168.1.20:3001":   false,
		"http://10.0.0.1:3000":       false,
		"http://else.example":        false,
		"http://app.localhost:3000":  false, // not every resolver keeps it here
		"http://127.0.0.1.evil.com":  false,
		"http://user@evil.com:3000":  false,
		"http://localhost.evil:3000": false,
		"ftp://192.168.1.20:3000":    false,
	} {
		err := MayCarryKey(parse(t, target), allowed)
		if may {
			require.NoError(t, err, target)
			continue
		}
		var f Failure
		require.ErrorAs(t, err, &f, target)
		require.Equal(t, Plaintext, f.Cause)
		require.Equal(t, Final, f.Verdict)
	}
}
