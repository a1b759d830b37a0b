package diagnostics_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

// unzipped is what a zip holds, names and texts.
func unzipped(t *testing.T, b diagnostics.Bundle) (names []string, all string) {
	var raw bytes.Buffer
	require.NoError(t, b.Zip(&raw))
	z, err := zip.NewReader(bytes.NewReader(raw.Bytes()), int64(raw.Len()))
	require.NoError(t, err)
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		names = append(names, f.Name)
		all += string(text)
	}
	return names, all
}

// planted puts text everywhere a report could take it from.
func planted(text string) diagnostics.Evidence {
	c := persistence.Default()
	c.Server, c.Proxy, c.Probe = "https://user:"+text+"@server.example/a?q="+text, "http://"+text+"@proxy.example", "http://probe.example/?"+text
	c.Params = map[string]string{"mode": text}
	return diagnostics.Evidence{
		At: time.Date(2026, 3, 1, 14, 2, 3, 0, time.UTC), Version: "1.2.3", Platform: "linux/amd64", Config: c, Home: "/home/ada",
		Line: &connection.Snapshot{Server: "https://server.example/?key=" + text, Title: text, Cause: connection.Why{Detail: "token=" + text}},
		Diagnosis: &diagnostics.Report{Findings: []diagnostics.Finding{
			{Outcome: diagnostics.Failed, Saw: "Bearer " + text, Detail: `session_api_key="` + text + `"`}}},
		Timeline: []persistence.Entry{{Kind: "phase", Text: "wss://server.example/socket.io/?session_api_key=" + text}},
		Log: []string{
			"Authorization: Bearer " + text,
			`headers="map[X-Session-Api-Key:[` + text + `]]"`,
			"GET /socket.io/?EIO=4&session_api_key=" + text + " HTTP/1.1",
			"https://user:" + text + "@server.example/path",
			"wss://server.example/path?ticket=" + text,
			"POST /path?ticket=" + text,
			"asked https://server.example/path?" + text,
			"Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+text)),
			"Cookie: keycloak_auth=" + text,
			`{"api_key":"` + text + `","password": "` + text + `"}`,
			`msg="could not read" error="{\"token\":\"` + text + `\"}"`,
			"HANDLINE_TOKEN=" + text,
		},
		Stacks: "goroutine 1 [running]:\nmain.main()\n\t/home/ada/src/handline/main.go:1 +0x1d\n" + "secret: " + text + "\n",
	}
}

// Keys of every make, none of them told to the report, are found by where they stand or by their looks.
func TestNoPlantedKeyIsInTheReport(t *testing.T) {
	for _, key := range []string{
		"Zm9vYmFyOnBsYW50ZWQ3OTQx",
		"sk-proj-abcdefghijklmnop",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
		"0f8fad5bd9cb469fa16570867728950e",
		"untethered-9f86d081884c7d659a2feaa0c55ad015",
		"correcthorse",
	} {
		e := planted(key)
		if key != "correcthorse" { // which in prose looks like prose
			e.Log = append(e.Log, "the server said "+key+" and left")
		}
		b := diagnostics.NewBundle(e)
		_, all := unzipped(t, b)
		require.NotContains(t, all, key)
		require.NotContains(t, b.Preview(), key)
	}
}

// The key in use is known, so no spelling of it gets out from anywhere, prose included.
func TestTheKeyInUseIsNowhere(t *testing.T) {
	const key = "pass word/+1"
	e := planted(key)
	e.Secrets = []string{key, ""}
	spellings := []string{key, url.QueryEscape(key), url.PathEscape(key), base64.StdEncoding.EncodeToString([]byte(key))}
	e.Log = append(e.Log, spellings...)
	e.Stacks += strings.Join(spellings, " and ")
	b := diagnostics.NewBundle(e)
	_, all := unzipped(t, b)
	for _, s := range spellings {
		require.NotContains(t, all, s)
		require.NotContains(t, b.Preview(), s)
	}
}

func TestTheReportSaysWhatHelps(t *testing.T) {
	talk := "0c9ba9d96a464d398a6a2f4e35e0a1d7"
	c := persistence.Default()
	c.Server, c.Conversation = "https://server.example:8443/prefix", talk
	e := diagnostics.Evidence{
		At: time.Date(2026, 3, 1, 14, 2, 3, 0, time.UTC), Version: "1.2.3", Platform: "darwin/arm64", Config: c, Home: "/Users/ada",
		Line: &connection.Snapshot{Status: connection.Error, Conversation: talk, Title: "My secret plan"},
		Diagnosis: &diagnostics.Report{Summary: "Issues detected: Server is unreachable", Findings: []diagnostics.Finding{
			{Name: "tcp", Title: "Connection", Outcome: diagnostics.Failed, Code: network.Refused, Saw: "Nothing is listening at server.example:8443",
				Means: "The computer answers.", Advice: "Start OpenHands, or check the port in Settings."}}},
		Timeline: []persistence.Entry{{At: time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC), Kind: "phase", Text: "Connected — Good, 84 ms"}},
		Log:      []string{`level=INFO msg="Handline starts" path=/Users/ada/Library/Logs/Handline session=3 sample="{\"id\":12}"`},
		Stacks:   "goroutine 7 [select]:\nhandline/connection.(*Manager).Run(0xc000123456, {0x7f1234567890, 0xc000654321})\n",
	}
	b := diagnostics.NewBundle(e)
	names, all := unzipped(t, b)
	require.Contains(t, names, "handline-report-20260301-140203/goroutines.txt")
	for _, n := range names {
		require.True(t, strings.HasPrefix(n, "handline-report-20260301-140203/"), n)
	}
	for _, kept := range []string{"1.2.3", "darwin/arm64", "https://server.example:8443/prefix", talk, "Issues detected: Server is unreachable",
		"Start OpenHands, or check the port in Settings.", "Connected — Good, 84 ms", "(*Manager).Run(0xc000123456", "session=3",
		"~/Library/Logs", `"initialDelay"`} {
		require.Contains(t, all, kept)
		require.Contains(t, b.Preview(), kept, "what is previewed is what is saved")
	}
	require.NotContains(t, all, "My secret plan")
	require.NotContains(t, all, "ada")
	e.Titles = true
	require.Contains(t, diagnostics.NewBundle(e).Preview(), "My secret plan")
}
