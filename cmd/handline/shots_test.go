package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/persistence"
)

// TestPictures takes the README's pictures where HANDLINE_PICTURES names a directory for them. They show an ordinary
// working day: what the page and the timeline would hold is put there, since nobody waits a day for a picture.
func TestPictures(t *testing.T) {
	dir := os.Getenv("HANDLINE_PICTURES")
	if dir == "" {
		t.Skip("HANDLINE_PICTURES names no directory")
	}
	b := newBrowser(t)
	s := newScene(t, demo.Options{Titles: []string{"Fix the flaky test", "Write the release notes"}}, func(v *persistence.Config) {
		connected(v)
		v.Retry, v.Heartbeat = persistence.Default().Retry, persistence.Default().Heartbeat
	})
	require.NoError(t, s.app.state.Write(persistence.Batch{Notes: workingDay(time.Now())}))
	s.end()
	s.store(persistence.Message{Identity: demoServer, Conversation: demo.DefaultConversation, At: time.Now().Add(-97 * time.Minute),
		State: connection.Held, Text: "Please also bring the changelog up to date.", Why: "It waited for more than an hour."})
	s.start()
	s.latency.Store(int64(42 * time.Millisecond))
	require.Eventually(t, func() bool { return s.app.line.Snapshot().Quality != "" }, patience, tick)
	tab := s.enter(b, "")
	tab.size(1000, 740)
	tab.do("Emulation.setScrollbarsHidden", map[string]any{"hidden": true}) // as on a Mac with a trackpad
	tab.do("Emulation.setUserAgentOverride", map[string]any{"userAgent": "Handline", "platform": "MacIntel"})
	tab.eval("window.old = true; location.reload()", nil)
	tab.until("!window.old && " + ready)
	tab.eval(`window.fetch = (ask => async (path, o) => { // this start is no part of the day
		const res = await ask(path, o);
		if (!path.startsWith("v1/timeline")) return res;
		const entries = (await res.json()).entries.filter(e => Date.now() - new Date(e.at) > 120e3);
		return new Response(JSON.stringify({entries}), {headers: res.headers});
	})(window.fetch)`, nil)
	tab.eval(`import('./spark.js').then(m => {
		const now = Date.now();
		let seed = 7;
		const chance = () => (seed = seed * 16807 % 2147483647) / 2147483647;
		for (let at = now - 599e3; at < now - 1e3; at += 5e3) {
			const down = at > now - 352e3 && at < now - 331e3;
			const ms = Math.round(78 + 22 * chance() + (chance() > .95 ? 90 * chance() : 0));
			m.keep({status: down ? "reconnecting" : "connected", rtt_ms: ms}, at);
		}
	})`, nil)
	for _, pane := range []string{"overview", "activity", "settings", "diagnostics"} { // the last one cuts the line
		tab.pane(pane)
		switch pane {
		case "overview":
			tab.until("document.querySelector('[data-is=today]').textContent.includes('connected')")
			tab.until("/Excellent, .*heard/.test(document.querySelector('[data-is=facts]').textContent) && document.querySelector('[data-is=agent]').textContent !== 'Not known'")
		case "activity":
			tab.write("Fix the flaky test in the parser package, and tell me why it was flaky.")
			tab.message("Fix the flaky", "Confirmed")
			tab.enter("#message", "Then open a pull request with a short description.")
			tab.until("document.querySelectorAll('#activity .day li').length > 5")
		case "settings":
			tab.until("document.querySelectorAll('#f-talk option').length > 2 && " + hasList)
		case "diagnostics":
			s.mood(demo.Refusing)
			tab.click("[data-is=run]")
			tab.until("document.querySelector('[data-is=summary]').textContent.includes('Authentication failed')")
			tab.until("document.querySelector('#nav-state').dataset.state === 'error'")
		}
		tab.eval("document.activeElement.blur()", nil)
		for _, scheme := range []string{"light", "dark"} {
			tab.scheme(scheme)
			tab.rest()
			if pane == "overview" {
				tab.sinceTheGap(s)
			}
			path := filepath.Join(dir, fmt.Sprintf("window-%s-%s.png", pane, scheme))
			tab.shoot(path)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Less(t, info.Size(), int64(200<<10), path)
		}
	}
}

// sinceTheGap shows the line as if it were up since the gap in the chart.
func (t *tab) sinceTheGap(s *scene) {
	t.t.Helper()
	snap := s.app.line.Snapshot()
	snap.Since, snap.LastHeard = time.Now().Add(-331*time.Second), time.Now().Add(-4*time.Second)
	raw, err := json.Marshal(snap)
	require.NoError(t.t, err)
	t.eval(fmt.Sprintf("import('./overview.js').then(o => o.update(%s))", raw), nil)
}

// workingDay is a timeline of this morning.
func workingDay(now time.Time) []persistence.Entry {
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	phase := func(ago time.Duration, status, text, cause string) persistence.Entry {
		return persistence.Entry{At: at(ago), Kind: "phase", Status: status, Text: text, Cause: cause}
	}
	const h, m, s = time.Hour, time.Minute, time.Second
	return []persistence.Entry{
		{At: at(4*h + 12*m), Kind: "start", Text: "Handline started"},
		phase(4*h+12*m-1*s, "connecting", "Connecting...", ""),
		phase(4*h+12*m-2*s, "connected", "Connected", ""),
		{At: at(2*h + 41*m), Kind: "alert", Text: "The agent is waiting for you"},
		phase(97*m, "reconnecting", "Reconnecting (1/10)... — The server is restarting", "draining"),
		phase(97*m-6*s, "connected", "Connected — catching up", ""),
		phase(352*s, "reconnecting", "Reconnecting (1/10)... — No network connection", "no-network"),
		{At: at(347 * s), Kind: "alert", Text: "Connection lost"},
		phase(331*s, "connected", "Connected — catching up", ""),
		{At: at(331 * s), Kind: "alert", Text: "Connection restored"},
	}
}
