package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/persistence"
)

func windowSteersTheLine(t *testing.T, b *browser) {
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
	require.Eventually(t, func() bool { return s.server.Seen().Dials > dials }, patience, tick)
	tab.status("connected")
	tab.until("/heard (just now|\\d+ s ago)/.test(document.querySelector('[data-is=facts]').textContent)")
	tab.until("document.querySelector('#spark .trip').getAttribute('d').length > 5")
	require.Empty(t, tab.clean())
}

func windowTellsADiagnosis(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	downloads := t.TempDir()
	tab := s.enter(b, "diagnostics")
	tab.call("", "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": downloads, "browserContextId": tab.profile}, nil)
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
	release := tab.holds("v1/report?preview")
	for n := range 2 { // on, and off again: the answer to the first comes last
		tab.click("[data-is=titles]")
		tab.until(fmt.Sprintf("held.length === %d", n+1))
	}
	tab.eval("held.pop()()", nil)
	tab.until("!document.querySelector('dialog [data-is=ok]').disabled")
	release()
	tab.rest()
	require.False(t, tab.is("document.querySelector('[data-is=preview]').textContent.includes('Demo 1')"), "what is read is what is saved")
	tab.click("[data-is=titles]")
	release()
	tab.until("document.querySelector('[data-is=preview]').textContent.includes('Demo 1')")
	tab.click("[data-is=ok]")
	require.Eventually(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(downloads, "handline-report-*.zip"))
		return len(found) == 1
	}, patience, tick)
	tab.until("!document.querySelector('dialog').open")

	// What was not tested has a button too, where one helps.
	s.do(connection.Disconnect{})
	tab.until("document.querySelector('#nav-state').dataset.state === 'disconnected'")
	tab.click("[data-is=run]")
	const row = ".checks details:has(button)"
	tab.until("document.querySelector(" + quote(row+" .saw") + ")?.textContent === 'Handline is disconnected'")
	tab.click(row + " summary")
	require.Equal(t, "Connect", tab.text(row+" button"))
	tab.axe("what was not tested")
	tab.click(row + " button")
	tab.until("document.querySelector('#nav-state').dataset.state === 'connected'")
	require.Empty(t, own(tab.clean()))
}

func windowTellsWhatHappened(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "activity")
	tab.until("document.querySelectorAll('#activity li').length > 0")
	yesterday := time.Now().Add(-24 * time.Hour)
	require.NoError(t, s.app.state.Write(persistence.Batch{Notes: []persistence.Entry{
		{At: yesterday, Kind: "phase", Status: "connected", Phase: "online", Text: "Connected"},
		{At: time.Now(), Kind: "alert", Text: "Connection lost"},
		{At: time.Now(), Kind: "diagnosis", Text: "All systems operational"},
	}, Failures: persistence.Failures{time.Now().Format(time.DateOnly): {"refused": 9, "timeout": 3}}}))
	tab.pane("settings")
	tab.pane("activity")
	shown := "[...document.querySelectorAll('#activity li > span')].map(e => e.textContent).join('|')"
	tab.until(shown + ".includes('Connection lost')")
	tab.until("document.querySelector('[data-is=tries]').textContent === '12 tries failed: nothing listening 9, no answer 3'")
	tab.until("[...document.querySelectorAll('[data-is=timeline] .title')].map(e => e.textContent).join() === 'Today,Yesterday'")
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

func windowChangesSettings(t *testing.T, b *browser) {
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
		}, patience, tick, what)
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
	tab.until(hasList) // what is said there moves what is below
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
	tab.until("document.querySelectorAll('#f-talk option').length === 4 && " + hasList)

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
		{"#f-click", "menu", func(c persistence.Config) bool { return c.IconClick == "menu" }},
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
	tab.enter("[data-path=proxy]", "http://ann:sword%20fish@proxy.example:3129")
	tab.press("Enter")
	stored(func(c persistence.Config) bool { return c.Proxy == "http://proxy.example:3129" }, "a proxy's password is kept apart")
	require.Eventually(t, func() bool {
		login, err := s.app.logins.Get(t.Context(), "proxy http://proxy.example:3129")
		return err == nil && login == "ann:sword fish"
	}, patience, tick)
	tab.until("document.querySelector('[data-path=proxy]').value === 'http://proxy.example:3129'")
	require.Empty(t, own(tab.clean()))
}

// holds keeps the answers to GET path from the page until it is told to let one go.
func (t *tab) holds(path string) (release func()) {
	t.t.Helper()
	t.eval(`window.held = []; window.fetch = (ask => (path, o) => ask(path, o).then(res => path.startsWith(`+quote(path)+`) ? new Promise(go => held.push(() => go(res))) : res))(window.fetch)`, nil)
	return func() {
		t.t.Helper()
		t.until("held.length > 0")
		t.eval("held.shift()()", nil)
	}
}

// What is chosen while the list is on its way stays so, and a key that is stored meanwhile is tried as well.
func windowAsksAgain(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, func(v *persistence.Config) { connected(v); v.ConnectAtLaunch = "never" })
	tab := s.enter(b, "settings")
	tab.until("document.querySelectorAll('#f-talk option').length === 4")
	tab.until(hasList)
	release := tab.holds("v1/conversations")
	tab.click("[data-is=reload]")
	tab.until("held.length === 1")
	tab.pick("#f-talk", otherTalk)
	release()
	tab.until(hasList)
	require.Equal(t, otherTalk, tab.value("#f-talk"))

	tab.click("[data-is=reload]")
	tab.until("held.length === 1")
	tab.enter("#f-key", "another-key")
	tab.click("[data-is=store]")
	tab.until("document.querySelector('[data-is=key-said]').textContent === 'The key is stored'")
	release()
	release()
	tab.until(hasList)
	require.Contains(t, tab.text("[data-is=talk-said]"), "did not accept your key")
	require.Empty(t, own(tab.clean()))
}

// hasList is true when the list of conversations is there, or the reason why it is not.
const hasList = "!document.querySelector('[data-is=reload]').disabled"

func (t *tab) value(selector string) (v string) {
	t.t.Helper()
	t.eval("document.querySelector("+quote(selector)+").value", &v)
	return v
}
