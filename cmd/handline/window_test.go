package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/tray"
)

// The window as a person meets it: a real Chromium, the whole app, a demo backend.

// go to a pane by the sidebar.
func (t *tab) pane(name string) {
	t.t.Helper()
	t.click(`.sidebar a[href="#` + name + `"]`)
	t.until("document.getElementById(" + quote(name) + ").checkVisibility() || document.getElementById('welcome').checkVisibility()")
}

// axe finds what a person with a screen reader or weak eyes would stumble over, in light and in dark.
// axeSource is axe-core from npm, kept between runs.
// own are the faults that are not the browser's own notes on answers of 4xx and 5xx, which the page tells in words.
func own(faults []string) (out []string) {
	for _, f := range faults {
		if !strings.HasPrefix(f, "Failed to load resource: the server responded with a status of 50") {
			out = append(out, f)
		}
	}
	return out
}

func TestWindowInEveryMood(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	tab.axe("connected")
	for _, c := range []struct {
		mood  demo.Mood
		state string
		cause network.Cause // of the first failed check, "" = all is well
		mend  func()        // besides the backend's recovery
	}{
		{demo.Chatty, "connected", "", nil},
		{demo.Down, "reconnecting", network.Refused, nil},
		{demo.Captive, "error", network.Captive, func() {
			s.do(connection.Nudge{Link: true, Route: true}) // nobody waits for the next look at the portal
		}},
		{demo.Unavailable, "reconnecting", network.Unavailable, nil},
		{demo.Refusing, "error", network.Auth, func() {
			tab.click("#hero [data-is=mend]") // Enter Key…
			tab.until("document.activeElement.id === 'f-key'")
			tab.enter("#f-key", sceneKey)
			tab.press("Enter")
		}},
		{demo.Asleep, "reconnecting", network.Asleep, func() {
			tab.pane("diagnostics")
			tab.click(".checks details[open] button") // Resume…
		}},
		{demo.Garbage, "connected", "", nil},
	} {
		t.Run(c.mood.Name(), func(t *testing.T) {
			tab.t = t
			s.mood(c.mood)
			tab.status(c.state)
			if c.cause != "" {
				tab.until("document.querySelector('[data-is=trouble]').checkVisibility()")
			}
			tab.likeTheMenu(s)
			tab.axe("overview")
			tab.pane("diagnostics")
			tab.click("[data-is=run]")
			tab.until("document.querySelector('[data-is=run]').textContent === 'Run Diagnostics' && !document.querySelector('.idle')")
			summary := tab.text("[data-is=summary]")
			if c.cause == "" {
				require.Equal(t, "All systems operational", summary)
			} else {
				require.Contains(t, summary, "Issues detected: ")
				why := connection.Explain(network.Failure{Cause: c.cause, Host: demoHost, Detail: ""}, demoServer)
				require.Contains(t, tab.text(".checks details[open]"), why.Advice)
			}
			tab.axe("diagnostics")
			tab.pane("activity")
			tab.until("document.querySelectorAll('#activity li').length > 2")
			tab.axe("activity")
			tab.pane("overview")
			if c.mood != demo.Asleep { // a click wakes it
				s.mood(demo.Steady)
			}
			if c.mend != nil {
				c.mend()
			}
			tab.pane("overview")
			tab.status("connected")
		})
	}
	tab.t = t
	require.Empty(t, own(tab.clean()))
}

// likeTheMenu holds the overview to the menu's words.
func (t *tab) likeTheMenu(s *scene) {
	t.t.Helper()
	require.Eventually(t.t, func() bool {
		snap := s.app.line.Snapshot()
		var said, label string
		t.eval("document.querySelector('#overview [data-is=status]').textContent", &said)
		t.eval("(document.querySelector('#hero .buttons a') ?? document.querySelector('#hero [data-is=mend]')).textContent", &label)
		return said == snap.Text && label == tray.Render(snap, tray.Prefs{}, time.Now()).Rows[tray.RowMend].Label
	}, 10*time.Second, 50*time.Millisecond)
}

// The page has the menu's rules in JavaScript; both must stay the same.
func TestWindowAndMenuShareTheirWords(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	for _, status := range []connection.Status{connection.Disconnected, connection.Connecting, connection.Connected, connection.Reconnecting, connection.Error} {
		for _, cause := range []network.Cause{"", network.Refused, network.Auth, network.Captive, network.Asleep, network.NotSetUp, network.Plaintext, network.Gone} {
			for _, server := range []string{"", demoServer} {
				snap := connection.Snapshot{Status: status, Server: server, Cause: connection.Why{Code: cause}, Quality: connection.Poor, RTT: 640}
				raw, err := json.Marshal(snap)
				require.NoError(t, err)
				var got struct {
					Label, Trip, Agent string
					Hang               bool
				}
				tab.eval(fmt.Sprintf(`import('./words.js').then(w => { const s = %s; return {Label: w.mending(s)[0], Trip: w.roundTrip(s), Hang: w.hangable(s)} })`, raw), &got)
				rows := tray.Render(snap, tray.Prefs{}, time.Now()).Rows
				require.Equal(t, rows[tray.RowMend].Label, got.Label, "%s %s", status, cause)
				require.Equal(t, !rows[tray.RowDisconnect].Hidden, got.Hang, "%s %s", status, cause)
				require.Equal(t, snap.RoundTrip(), got.Trip)
			}
		}
	}
}

// A page of another port gets the browser's cookies for 127.0.0.1 and may send what it likes.
