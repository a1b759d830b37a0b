package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
)

// axe finds what a person with a screen reader or weak eyes would stumble over. What differs in the dark is the colours.
func (t *tab) axe(where string) {
	t.t.Helper()
	if !t.is("window.axe") {
		t.eval(axeSource(t.t), nil)
	}
	for scheme, rules := range map[string]string{"light": "{}", "dark": `{runOnly: ["color-contrast"]}`} {
		t.scheme(scheme)
		t.eval("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))", nil)
		var found []string
		t.eval("axe.run("+rules+`).then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 120) + " " + n.any.map(a => a.message)).join("; ")))`, &found)
		require.Empty(t.t, found, "%s, %s", where, scheme)
	}
}

// axeInstalls: npm must not install into one directory twice at a time.
var axeInstalls sync.Mutex

// axeSource is axe-core from npm, kept between runs.
func axeSource(t *testing.T) string {
	t.Helper()
	axeInstalls.Lock()
	defer axeInstalls.Unlock()
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

func windowIsLightAndQuick(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	var bytes, ms float64
	best := 1e9
	for range 5 { // the rest of the machine may be busy
		tab.eval(`window.old = true; location.reload()`, nil)
		tab.until("!window.old && " + ready + " && performance.getEntriesByType('resource').length > 10")
		tab.eval(`performance.getEntriesByName('ready')[0].startTime`, &ms)
		best = min(best, ms)
	}
	tab.eval(`performance.getEntriesByType('resource').reduce((n, r) => n + (r.name.includes('/v1/') ? 0 : r.decodedBodySize), performance.getEntriesByType('navigation')[0].decodedBodySize)`, &bytes)
	t.Logf("the page has %.0f bytes and is ready after %.0f ms", bytes, best)
	require.Less(t, bytes, 150e3)
	require.Less(t, best, 1000.0, "on a quiet machine it is under 200")
	tab.staysHome(s)
	require.Empty(t, tab.clean())
}

// staysHome says that the page has asked nobody but Handline.
func (t *tab) staysHome(s *scene) {
	t.t.Helper()
	host := strings.SplitN(s.base(t), "/", 4)[2]
	for _, address := range t.addresses() {
		address = strings.TrimPrefix(address, "blob:")
		require.True(t.t, strings.HasPrefix(address, "http://"+host+"/") || strings.HasPrefix(address, "file://"), address)
	}
}

func (s *scene) base(t *tab) (address string) {
	t.eval("location.href", &address)
	return address
}

func windowWorksByKeyboardAndWhenNarrow(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	for _, width := range []int{320, 480, 640, 1400} { // 320: a narrow window that is enlarged
		tab.size(width, 600)
		for _, pane := range []string{"overview", "diagnostics", "activity", "settings"} {
			tab.pane(pane)
			tab.rest()
			var over []string
			tab.eval("[...document.querySelectorAll('main, .pane:not([hidden]) *')].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible' && !e.closest('.unseen, select, input')).map(e => e.outerHTML.slice(0, 80))", &over)
			require.Empty(t, over, "%s at %d", pane, width)
			tab.eval("[...document.querySelectorAll('.sidebar a')].filter(e => e.getBoundingClientRect().left < 0 || e.getBoundingClientRect().right > innerWidth).map(e => e.hash)", &over)
			require.Empty(t, over, "the sidebar at %d", width)
		}
		tab.pane("overview")
		snap := connection.Snapshot{Status: connection.Error, Text: "Error: " + strings.Repeat("x", 200), Server: "https://" + strings.Repeat("a.very.long.name.", 12) + "example/" + strings.Repeat("path/", 30),
			Title: strings.Repeat("W", 200), Cause: connection.Why{Code: network.Forbidden, Text: "y", Means: strings.Repeat("m", 200), Advice: strings.Repeat("a", 200)}}
		raw, err := json.Marshal(snap)
		require.NoError(t, err)
		var wide bool
		tab.eval(fmt.Sprintf("import('./overview.js').then(o => { o.update(%s); const m = document.querySelector('main'); return m.scrollWidth > m.clientWidth })", raw), &wide)
		require.False(t, wide, "a server's long words at %d", width)
	}
	tab.eval("window.old = true; location.reload()", nil)
	tab.until("!window.old && " + ready)
	tab.status("connected")
	windowWorksInTheSystemsColours(t, tab)
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

// Where the system has colours of its own, as with high contrast, a switch still shows what it is set to, and a choice
// which one is chosen.
func windowWorksInTheSystemsColours(t *testing.T, tab *tab) {
	tab.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "forced-colors", "value": "active"}, {"name": "prefers-reduced-motion", "value": "reduce"}}})
	tab.pane("settings")
	var seen []string
	tab.eval(`(() => {
		const back = (e, part) => getComputedStyle(e, part).backgroundColor;
		const find = (selector) => document.querySelector(selector);
		const f = find("#f-n1");
		const set = (on) => { f.checked = on; return back(f, "::before"); };
		return [set(true), set(false), back(find(".sidebar [aria-current]")), back(find(".sidebar a:not([aria-current])")),
			back(find(".segments input:checked + span")), back(find(".segments input:not(:checked) + span"))];
	})()`, &seen)
	for i, what := range []string{"a switch", "the pane", "a choice"} {
		require.NotEqual(t, seen[2*i+1], seen[2*i], what)
	}
	require.NotContains(t, seen[1], "0, 0, 0, 0", "a switch that is off is seen as well")
	tab.scheme("light")
}

// A page of another port gets the browser's cookies for 127.0.0.1 and may send what it likes.
func anotherPortsPageGetsNowhere(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	mine := s.enter(b, "")
	mine.status("connected")
	address := s.base(mine)
	evil := mine.beside("http://" + evilPage(t) + "/")
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
