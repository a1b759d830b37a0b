package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
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
	"handline/tray"
)

var update = flag.Bool("update", false, "write the golden files anew")

// faces is the golden file of what each face says: the window's pane, the command line and the icon's tooltip, a section a
// mood or a fault. Read it aloud: a person who has never heard of WebSockets must know what to do.
type faces struct {
	mu   sync.Mutex
	said map[string]string // by section
}

const facesFile = "testdata/faces.golden"

// readFaces reads the sections of the golden file.
func readFaces(t *testing.T) *faces {
	t.Helper()
	b, err := os.ReadFile(facesFile)
	if !*update {
		require.NoError(t, err)
	}
	f := &faces{said: map[string]string{}}
	for part := range strings.SplitSeq(string(b), "\n# ") {
		name, text, _ := strings.Cut(strings.TrimPrefix(part, "# "), "\n")
		if name != "" {
			f.said[name] = strings.TrimRight(text, "\n") + "\n"
		}
	}
	if *update {
		t.Cleanup(func() { f.write(t) })
	}
	return f
}

// write stores the sections: those of the moods in their order, then those of the faults.
func (f *faces) write(t *testing.T) {
	var b strings.Builder
	for _, name := range sections(t) {
		fmt.Fprintf(&b, "# %s\n%s\n", name, f.said[name])
	}
	require.NoError(t, os.WriteFile(facesFile, []byte(b.String()), 0o644))
}

// sections are all that must be there: every mood of the demo, and every fault whose words are tested.
func sections(t *testing.T) (names []string) {
	for _, m := range demo.Moods() {
		names = append(names, "mood "+m.Name())
	}
	for _, f := range wordedFaults(t) {
		names = append(names, f.section())
	}
	return names
}

// worded is a cause with its words, and whether it is tried again.
type worded struct {
	why     connection.Why
	retried bool
	portal  string // the login page of a network that wants one
}

func (f worded) section() string {
	name := fmt.Sprintf("%s, %s (%s)", f.why.Code, f.why.Text, f.why.Detail)
	if f.why.Code == network.Captive && f.portal == "" {
		name += " at a page that is not known"
	}
	return name
}

// wordedFaults are read from the words of every cause.
func wordedFaults(t *testing.T) (all []worded) {
	b, err := os.ReadFile(filepath.Join("..", "..", "connection", "testdata", "words.golden"))
	require.NoError(t, err)
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		lines := strings.Split(block, "\n")
		field := func(name string) string {
			for _, l := range lines {
				if rest, ok := strings.CutPrefix(l, "  "+name); ok {
					return strings.TrimSpace(rest)
				}
			}
			return ""
		}
		f := worded{why: connection.Why{Code: network.Cause(lines[0]), Text: field("text"), Means: field("means"),
			Advice: field("advice"), Detail: field("detail")}, retried: strings.Contains(block, "Reconnecting (3/10)...")}
		all = append(all, f)
		if f.why.Code == network.Captive {
			f.portal = "http://captive.apple.com/"
			all = append(all, f)
		}
	}
	require.Greater(t, len(all), 30)
	return all
}

// posed is a snapshot in which all that differs from run to run is as on that afternoon.
func posed(s connection.Snapshot, now time.Time) connection.Snapshot {
	p := connection.Snapshot{Status: s.Status, Text: s.Text, Server: s.Server, Conversation: s.Conversation, Title: s.Title, Cause: s.Cause,
		Dialect: s.Dialect, Wanted: s.Wanted, Portal: s.Portal, Since: now.Add(-3 * time.Minute), Phase: connection.Waiting, MaxAttempts: 10}
	switch s.Status {
	case connection.Connected:
		p.Phase, p.RTT, p.Quality, p.Agent, p.LastHeard, p.Cause = connection.Online, 84, connection.Good, "waiting", now.Add(-4*time.Second), connection.Why{}
	case connection.Reconnecting:
		p.Attempt, p.Text, p.RetryAt = 3, "Reconnecting (3/10)...", now.Add(5*time.Second)
	}
	return p
}

// clocks are the times of the test's own day, and ages what a busy machine adds to.
var (
	clocks = regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`)
	ages   = regexp.MustCompile(`\b(in|heard) \d+ s\b`)
)

// says gives the words of all three faces for a snapshot.
func says(t *tab, s connection.Snapshot) string {
	t.t.Helper()
	now := time.Now()
	s = posed(s, now)
	raw, err := json.Marshal(s)
	require.NoError(t.t, err)
	var pane string
	t.eval(fmt.Sprintf(`import("./overview.js").then(o => { o.update(%s); return document.getElementById("hero").innerText })`, raw), &pane)
	var terminal bytes.Buffer
	(&console{out: &terminal}).show(s)
	var b strings.Builder
	row := func(name, text string) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(strings.ReplaceAll(line, "\u00a0", " ")); line != "" {
				fmt.Fprintf(&b, "  %-9s%s\n", name, line)
				name = ""
			}
		}
	}
	row("pane", pane)
	row("terminal", terminal.String())
	row("tooltip", tray.Render(s, tray.Prefs{}, now).Tooltip)
	return clocks.ReplaceAllStringFunc(ages.ReplaceAllString(b.String(), "$1 5 s"), func(at string) string { return "14:32:05"[:len(at)] })
}

// holds compares what the faces say with the golden file.
func (f *faces) holds(t *tab, section string, s connection.Snapshot) {
	t.t.Helper()
	got := says(t, s)
	f.mu.Lock()
	defer f.mu.Unlock()
	if *update {
		f.said[section] = got
	}
	require.Equal(t.t, f.said[section], got, section)
}

// windowSaysEveryFault shows every fault on every face.
func windowSaysEveryFault(t *testing.T, b *browser, f *faces) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	tab.eval("document.getElementById('welcome').hidden = true; document.getElementById('overview').hidden = false", nil)
	for _, c := range wordedFaults(t) {
		snap := connection.Snapshot{Status: connection.Error, Text: "Error: " + c.why.Text, Cause: c.why, Server: "http://127.0.0.1:3000",
			Conversation: "c1", Title: "Fix the flaky test", Wanted: true, Portal: c.portal}
		switch {
		case c.why.Code == network.NotSetUp:
			snap.Status, snap.Text = connection.Disconnected, "Disconnected"
			if c.why.Text == "Handline is not set up" {
				snap.Server, snap.Conversation, snap.Title = "", "", ""
			}
		case c.retried && c.why.Code != network.Asleep && c.why.Code != network.Captive:
			snap.Status = connection.Reconnecting
		}
		f.holds(tab, c.section(), snap)
	}
}

// Nobody may add a mood or a fault without its words on every face.
func TestEveryFaceHasItsWords(t *testing.T) {
	f := readFaces(t)
	all := sections(t)
	require.Len(t, f.said, len(all), "nothing is there twice, or for nothing")
	for _, name := range all {
		for _, face := range []string{"pane", "terminal", "tooltip"} {
			require.Regexp(t, `(?m)^  `+face+` +\S`, f.said[name], name)
		}
		require.NotContains(t, f.said[name], "undefined", name)
	}
}
