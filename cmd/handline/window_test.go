package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/persistence"
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
func (t *tab) axe(where string) {
	t.t.Helper()
	var there bool
	if t.eval("Boolean(window.axe)", &there); !there {
		t.eval(axeSource(t.t), nil)
	}
	for _, scheme := range []string{"light", "dark"} {
		t.scheme(scheme)
		t.rest()
		var found []string
		t.eval(`axe.run().then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 120) + " " + n.any.map(a => a.message)).join("; ")))`, &found)
		require.Empty(t.t, found, "%s, %s", where, scheme)
	}
}

// axeSource is axe-core from npm, kept between runs.
func axeSource(t *testing.T) string {
	t.Helper()
	need(t, "npm")
	dir := cached(t, "node-window")
	path := filepath.Join(dir, "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(path); err != nil {
		out, err := exec.Command("npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "axe-core@4.10.3").CombinedOutput()
		if err != nil {
			t.Skipf("the package registry could not be reached: %s", out)
		}
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

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

func TestWindowSteersTheLine(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	tab.click("[data-is=disconnect]")
	tab.status("disconnected")
	require.False(t, s.app.line.Snapshot().Wanted)
	require.Equal(t, "Connect", tab.text("[data-is=mend]"))
	s.mood(demo.Hang)
	tab.click("[data-is=mend]")
	tab.status("connecting")
	require.Equal(t, "Cancel", tab.text("[data-is=mend]"))
	tab.click("[data-is=mend]")
	tab.status("disconnected")
	s.mood(demo.Steady)
	tab.click("[data-is=mend]")
	tab.status("connected")
	dials := s.server.Seen().Dials
	tab.click("[data-is=mend]") // Reconnect Now
	require.Eventually(t, func() bool { return s.server.Seen().Dials > dials }, 10*time.Second, 20*time.Millisecond)
	tab.status("connected")
	tab.until("/heard \\d+ s ago/.test(document.querySelector('[data-is=facts]').textContent)")
	tab.until("document.querySelector('#spark .trip').getAttribute('d').length > 5")
	require.Empty(t, tab.clean())
}

func TestWindowTellsADiagnosis(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	downloads := t.TempDir()
	tab := s.enter(b, "diagnostics")
	tab.call("", "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": downloads}, nil)
	require.True(t, strings.HasPrefix(tab.text("#diagnostics [data-is=summary]"), "Not run yet"))
	tab.axe("before the first run")
	s.mood(demo.Hang)
	s.do(connection.Reconnect{})
	tab.click("[data-is=run]")
	tab.until("document.querySelector('[data-is=run]').disabled && document.querySelector('[data-is=run]').textContent === 'Running diagnostics...'")
	tab.until("document.querySelector('.mark.spin')")
	tab.axe("while it runs")
	tab.until("document.querySelector('[data-is=run]').textContent === 'Run Diagnostics'")
	require.Contains(t, tab.text("[data-is=summary]"), "Issues detected")
	s.mood(demo.Steady)
	tab.eval("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve() }", nil)
	tab.click("[data-is=copy]")
	tab.until("window.copied?.includes('Issues detected') && window.copied.includes('Failed: ')")
	tab.click("[data-is=save]")
	tab.until("document.querySelector('[data-is=preview]').textContent.includes('about.txt')")
	var preview string
	tab.eval("document.querySelector('[data-is=preview]').textContent", &preview)
	require.NotContains(t, preview, sceneKey)
	require.NotContains(t, preview, "Demo 1")
	tab.axe("the report's preview")
	tab.click("[data-is=titles]")
	tab.until("document.querySelector('[data-is=preview]').textContent.includes('Demo 1')")
	tab.click("[data-is=ok]")
	require.Eventually(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(downloads, "handline-report-*.zip"))
		return len(found) == 1
	}, 10*time.Second, 50*time.Millisecond)
	tab.until("!document.querySelector('dialog').open")
	require.Empty(t, own(tab.clean()))
}

func TestWindowTellsWhatHappened(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "activity")
	tab.until("document.querySelectorAll('#activity li').length > 0")
	yesterday := time.Now().Add(-24 * time.Hour)
	require.NoError(t, s.app.state.Write(persistence.Batch{Notes: []persistence.Entry{
		{At: yesterday, Kind: "phase", Status: "connected", Phase: "online", Text: "Connected"},
		{At: time.Now(), Kind: "alert", Text: "Connection lost"},
		{At: time.Now(), Kind: "diagnosis", Text: "All systems operational"},
	}}))
	tab.pane("settings")
	tab.pane("activity")
	shown := "[...document.querySelectorAll('#activity li > span')].map(e => e.textContent).join('|')"
	tab.until(shown + ".includes('Connection lost')")
	tab.until("[...document.querySelectorAll('#activity .title')].map(e => e.textContent).join() === 'Today,Yesterday'")
	tab.click("#activity [value=alert] + span")
	tab.until(shown + " === 'Connection lost'")
	tab.click("#activity [value=diagnosis] + span")
	tab.until(shown + " === 'All systems operational'")
	tab.enter("#activity [type=search]", "nothing of this")
	tab.until("document.querySelector('[data-is=empty]').checkVisibility()")
	require.Equal(t, "Nothing here matches.", tab.text("[data-is=empty]"))
	tab.axe("an empty search")
	require.Empty(t, tab.clean())
}

func TestWindowChangesSettings(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, func(v *persistence.Config) {
		*v = persistence.Default()
		v.Server, v.Probe, v.Proxy, v.ConnectAtLaunch = demoServer, demoProbe, "off", "never"
	})
	tab := s.enter(b, "settings")
	tab.until("document.querySelectorAll('#f-talk option').length === 4")
	tab.axe("settings")
	stored := func(ok func(persistence.Config) bool, what string) {
		t.Helper()
		require.Eventually(t, func() bool {
			file, err := persistence.LoadConfig(s.app.home.Config())
			return err == nil && ok(file.Config)
		}, 5*time.Second, 20*time.Millisecond, what)
	}
	complains := func(field, text string) {
		t.Helper()
		tab.until("document.querySelector(" + quote(field) + ").getAttribute('aria-invalid') === 'true'")
		require.Contains(t, tab.text(".field:has("+field+") .field-error"), text)
	}
	tab.enter("#f-server", "http://user:pass@host")
	complains("#f-server", "The address must not hold a user or password")
	tab.axe("a field's error")
	tab.enter("#f-server", "ws://127.0.0.1:3000/")
	tab.until("!document.querySelector('#f-server').hasAttribute('aria-invalid')")
	stored(func(c persistence.Config) bool { return c.Server == demoServer }, "what is being typed is not stored")
	tab.press("Enter")
	stored(func(c persistence.Config) bool { return c.Server == "http://127.0.0.1:3000" }, "server")
	tab.until("document.querySelector('#f-server').value === 'http://127.0.0.1:3000'")
	tab.enter("#f-server", "http://192.168.1.20:3000")
	tab.press("Enter")
	tab.until("document.querySelector('#f-plain').checkVisibility()")
	require.Contains(t, tab.text("[data-is=plain-why]"), "unencrypted to 192.168.1.20:3000")
	tab.click("#f-plain")
	stored(func(c persistence.Config) bool {
		return len(c.AllowPlaintext) == 1 && c.AllowPlaintext[0] == "http://192.168.1.20:3000"
	}, "plaintext")
	tab.click("#f-plain")
	stored(func(c persistence.Config) bool { return len(c.AllowPlaintext) == 0 }, "plaintext is taken back")
	tab.enter("#f-server", demoServer)
	tab.press("Enter")
	stored(func(c persistence.Config) bool { return c.Server == demoServer }, "server")

	tab.enter("#f-key", "another-key")
	tab.click("[data-is=store]")
	tab.until("document.querySelector('[data-is=key-said]').textContent === 'The key is stored'")
	require.Empty(t, tab.value("#f-key"))
	key, err := s.app.secrets.Get(t.Context(), demoServer)
	require.NoError(t, err)
	require.Equal(t, "another-key", key)
	tab.until("document.querySelector('[data-is=talk-said]').textContent.includes('did not accept your key')")
	tab.click("[data-is=forget]")
	tab.until("document.querySelector('[data-is=key-said]').textContent.startsWith('No key')")
	tab.enter("#f-key", sceneKey)
	tab.press("Enter")
	tab.until("document.querySelectorAll('#f-talk option').length === 4")

	tab.pick("#f-talk", otherTalk)
	stored(func(c persistence.Config) bool { return c.Conversation == otherTalk }, "conversation")
	tab.pick("#f-talk", "own")
	tab.until("document.querySelector('#f-talk-id').checkVisibility()")
	tab.enter("#f-talk-id", "by-hand")
	tab.press("Enter")
	stored(func(c persistence.Config) bool { return c.Conversation == "by-hand" }, "conversation by its id")
	for _, c := range []struct {
		field, value string
		ok           func(persistence.Config) bool
	}{
		{"#f-launch", "always", func(c persistence.Config) bool { return c.ConnectAtLaunch == "always" }},
		{"#f-retry", "patient", func(c persistence.Config) bool { return c.Retry.Preset == "patient" && c.Retry.MaxAttempts == 20 }},
		{"#f-retry", "default", func(c persistence.Config) bool { return c.Retry == persistence.Default().Retry }},
		{"#f-heartbeat", "relaxed", func(c persistence.Config) bool { return c.Heartbeat.Preset == "relaxed" }},
		{"#f-heartbeat", "default", func(c persistence.Config) bool { return c.Heartbeat == persistence.Default().Heartbeat }},
		{"#f-icon", "monochrome", func(c persistence.Config) bool { return c.Icon == "monochrome" }},
		{"#f-click", "act", func(c persistence.Config) bool { return c.IconClick == "act" }},
		{"#f-probe", "off", func(c persistence.Config) bool { return c.Probe == "off" }},
		{"#f-proxy", "auto", func(c persistence.Config) bool { return c.Proxy == "auto" }},
	} {
		tab.pick(c.field, c.value)
		stored(c.ok, c.field+" "+c.value)
		tab.until("document.querySelector(" + quote(c.field) + ").value === " + quote(c.value))
	}
	for n, get := range []func(persistence.Notify) bool{
		func(n persistence.Notify) bool { return n.AgentWaiting }, func(n persistence.Notify) bool { return n.AgentFinished },
		func(n persistence.Notify) bool { return n.AgentFailed }, func(n persistence.Notify) bool { return n.Outage },
		func(n persistence.Notify) bool { return n.Restored },
	} {
		tab.click(fmt.Sprintf("#f-n%d", n+1))
		stored(func(c persistence.Config) bool { return !get(c.Notify) }, "notify")
	}
	tab.pick("#f-proxy", "own")
	tab.enter("[data-path=proxy]", "nonsense")
	complains("[data-path=proxy]", "an address such as http://proxy:8080")
	tab.enter("[data-path=proxy]", "http://proxy.example:3128")
	tab.press("Enter")
	stored(func(c persistence.Config) bool { return c.Proxy == "http://proxy.example:3128" }, "proxy")
	require.Empty(t, own(tab.clean()))
}

func (t *tab) value(selector string) (v string) {
	t.t.Helper()
	t.eval("document.querySelector("+quote(selector)+").value", &v)
	return v
}

func TestFirstLaunch(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	tab.until("document.querySelector('#welcome').checkVisibility()")
	tab.axe("first step")
	tab.enter("#w-server", "openhands.example")
	tab.until("document.querySelector('#w-server-error').textContent.startsWith('Write an address such as')")
	tab.enter("#w-server", "https://nowhere.example")
	tab.press("Enter")
	tab.until("document.querySelector('[data-step=\"1\"] .field-problem').textContent.includes('No server is named nowhere.example')")
	tab.axe("a server that is not there")
	tab.enter("#w-server", demoServer)
	tab.press("Enter")
	tab.until("document.querySelector('#w-key').checkVisibility()")
	tab.axe("second step")
	tab.enter("#w-key", "a-wrong-key")
	tab.press("Enter")
	tab.until("document.querySelector('[data-step=\"2\"] .field-problem').textContent.includes('did not accept your key')")
	tab.enter("#w-key", sceneKey)
	tab.press("Enter")
	tab.until("document.querySelector('#w-talk').checkVisibility() && document.activeElement.id === 'w-talk'")
	tab.axe("third step")
	tab.pick("#w-talk", demo.DefaultConversation)
	tab.click("[data-step='3'] .primary")
	tab.status("connected")
	tab.until("document.querySelector('#overview').checkVisibility()")
	require.Equal(t, demo.DefaultConversation, s.app.settings.now().Conversation)
	require.Empty(t, own(tab.clean()))
}

func TestDemoIsAWayOut(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	tab.click("[data-is=try-demo]")
	tab.status("connected")
	tab.until("document.querySelector('[data-is=demo]').checkVisibility()")
	tab.axe("the demo")
	require.Empty(t, s.app.settings.now().Server, "nothing of it is stored")
	tab.click("[data-is=leave]")
	tab.until("document.querySelector('#welcome').checkVisibility()")
	require.Empty(t, tab.clean())
}

func TestWindowComesBackAfterARestart(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	s.end()
	tab.until("document.querySelector('[data-is=status]').textContent === 'Handline is not running'")
	tab.until("/^As of \\d\\d:\\d\\d: Connected/.test(document.querySelector('[data-is=where]').textContent)")
	tab.axe("Handline is not running")
	tab.pane("settings")
	tab.until("document.querySelector('#notice').textContent.includes('not running')")
	tab.pane("overview")
	s.mood(demo.Hang)
	tab.clean() // refused connections are the browser's to tell
	s.start()
	tab.until("document.querySelector('[data-is=facts]').textContent.includes('before this start: ')")
	s.mood(demo.Steady)
	tab.status("connected")
}

func TestWindowIsLightAndQuick(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	var bytes, ms float64
	best := 1e9
	for range 5 { // other tests share the machine
		tab.eval(`window.old = true; location.reload()`, nil)
		tab.until("!window.old && " + ready + " && performance.getEntriesByType('resource').length > 10")
		tab.eval(`performance.getEntriesByName('ready')[0].startTime`, &ms)
		best = min(best, ms)
		t.Logf("ready after %.0f ms", ms)
	}
	tab.eval(`performance.getEntriesByType('resource').reduce((n, r) => n + (r.name.includes('/v1/') ? 0 : r.decodedBodySize), performance.getEntriesByType('navigation')[0].decodedBodySize)`, &bytes)
	t.Logf("%.0f bytes", bytes)
	require.Less(t, bytes, 150e3)
	require.Less(t, best, 200.0)
	host := strings.SplitN(s.base(tab), "/", 4)[2]
	for _, address := range tab.addresses() {
		require.True(t, strings.HasPrefix(address, "http://"+host+"/") || strings.HasPrefix(address, "file://"), address)
	}
	require.Empty(t, tab.clean())
}

func (s *scene) base(t *tab) (address string) {
	t.eval("location.href", &address)
	return address
}

func TestWindowWorksByKeyboardAndWhenNarrow(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	for _, width := range []int{480, 640, 1400} {
		tab.size(width, 600)
		for _, pane := range []string{"overview", "diagnostics", "activity", "settings"} {
			tab.pane(pane)
			tab.rest()
			var over []string
			tab.eval("[...document.querySelectorAll('main, .pane:not([hidden]) *')].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible' && !e.closest('.unseen, select, input')).map(e => e.outerHTML.slice(0, 80))", &over)
			require.Empty(t, over, "%s at %d", pane, width)
		}
	}
	tab.size(1000, 700)
	tab.eval("location.hash = 'overview'", nil)
	tab.rest()
	tab.eval("document.activeElement.blur()", nil)
	var reached []string
	for range 8 {
		tab.press("Tab")
		var what string
		tab.eval(`(e => (getComputedStyle(e).outlineStyle !== 'none' ? '' : 'no ring: ') + (e.getAttribute('href') ?? e.textContent.trim()))(document.activeElement)`, &what)
		reached = append(reached, what)
	}
	require.Subset(t, reached, []string{"#overview", "#diagnostics", "#activity", "#settings", "Reconnect Now", "Disconnect"})
	tab.pane("diagnostics")
	tab.eval("document.querySelector('[data-is=run]').focus()", nil)
	tab.press("Enter")
	tab.until("document.querySelector('[data-is=summary]').textContent.includes('operational')")
	tab.eval("document.querySelector('.checks summary').focus()", nil)
	tab.press("Enter")
	tab.until("document.querySelector('.checks details').open")
}

// A page of another port gets the browser's cookies for 127.0.0.1 and may send what it likes.
func TestAnotherPortsPageGetsNowhere(t *testing.T) {
	b := newBrowser(t)
	s := newScene(t, demo.Options{}, connected)
	mine := s.enter(b, "")
	mine.status("connected")
	address := s.base(mine)
	evil := b.open("http://" + evilPage(t) + "/")
	evil.until("document.readyState === 'complete'")
	var got []string
	evil.eval(fmt.Sprintf(`(async base => {
		const tries = [
			fetch(base, {credentials: "include"}).then(r => r.text()),
			fetch(base, {credentials: "include", mode: "no-cors"}).then(r => r.text()),
			fetch(base + "v1/status", {credentials: "include"}).then(r => r.text()),
			fetch(base + "v1/disconnect", {method: "POST", credentials: "include", mode: "no-cors", body: "{}"}).then(r => r.text()),
			fetch(base + "v1/disconnect", {method: "POST", credentials: "include", headers: {"Handline-Token": "x", "Content-Type": "application/json"}, body: "{}"}).then(r => r.text()),
			import(base + "api.js").then(() => "imported"),
			new Promise((yes, no) => { const f = document.createElement("iframe"); f.src = base; f.onload = () => { try { yes(f.contentDocument.body.innerText) } catch { no() } }; document.body.append(f); setTimeout(no, 2000) }),
			new Promise((yes, no) => { const i = new Image(); i.src = base + "icon.png"; i.onload = () => yes("image"); i.onerror = no }),
			new Promise((yes, no) => { const f = document.createElement("form"); f.method = "post"; f.action = base + "v1/disconnect"; f.target = "there"; document.body.append(f); const w = document.createElement("iframe"); w.name = "there"; w.onload = () => no(); document.body.append(w); f.submit(); setTimeout(no, 1000) }),
		];
		return (await Promise.allSettled(tries)).map(r => r.status === "fulfilled" ? r.value : "").filter(Boolean);
	})(%s)`, quote(strings.SplitN(address, "#", 2)[0])), &got)
	require.Empty(t, got)
	require.True(t, s.app.line.Snapshot().Wanted, "nobody has hung up")
	require.Equal(t, connection.Connected, s.app.line.Snapshot().Status)
}
