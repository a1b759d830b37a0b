package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// browser is a real Chromium, driven over its DevTools protocol. Tests may share it: each page has a profile of its own.
type browser struct {
	line *websocket.Conn

	mu      sync.Mutex
	next    int
	waiting map[int]chan answered
	tabs    map[string]*tab // by session
}

type answered struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// newBrowser starts Chromium; it ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Chromium is installed")
		}
		t.Skip("no Chromium is installed")
	}
	dir := t.TempDir()
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-renderer-backgrounding", "--disable-background-timer-throttling", "--force-color-profile=srgb", "--font-render-hinting=none",
		"--remote-debugging-port=0", "--user-data-dir="+filepath.Join(dir, "profile"), "about:blank")
	cmd.Env = append(os.Environ(), "FONTCONFIG_FILE="+fonts(t, dir), "HOME="+dir)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt) }) // its own children go with it, and leave the profile
	var where []byte
	require.Eventually(t, func() bool {
		where, _ = os.ReadFile(filepath.Join(dir, "profile", "DevToolsActivePort"))
		return strings.Count(string(where), "\n") == 1
	}, patience, tick)
	port, path, _ := strings.Cut(string(where), "\n")
	line, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+port+path, nil)
	require.NoError(t, err)
	b := &browser{line: line, waiting: map[int]chan answered{}, tabs: map[string]*tab{}}
	var reading sync.WaitGroup
	reading.Go(b.read)
	t.Cleanup(func() { line.Close(); reading.Wait() })
	return b
}

// fonts lets Inter stand in for the Mac's font where it is installed, so that screenshots look alike.
func fonts(t *testing.T, dir string) string {
	t.Helper()
	conf := `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>`
	for _, name := range []string{"system-ui", "-apple-system", "sans-serif"} {
		conf += `<match target="pattern"><test name="family"><string>` + name + `</string></test><edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>`
	}
	path := filepath.Join(dir, "fonts.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf+`</fontconfig>`), 0o600))
	return path
}

func (b *browser) read() {
	for {
		var m struct {
			ID        int
			SessionID string
			Method    string
			Params    json.RawMessage
			answered
		}
		if b.line.ReadJSON(&m) != nil {
			return
		}
		b.mu.Lock()
		if m.ID != 0 {
			b.waiting[m.ID] <- m.answered
			delete(b.waiting, m.ID)
		} else if tab := b.tabs[m.SessionID]; tab != nil {
			tab.hear(m.Method, m.Params)
		}
		b.mu.Unlock()
	}
}

// call asks the browser for something; out may be nil.
func (t *tab) call(session, method string, params map[string]any, out any) {
	t.t.Helper()
	raw, err := t.ask(session, method, params)
	require.NoError(t.t, err, method)
	if out != nil {
		require.NoError(t.t, json.Unmarshal(raw, out))
	}
}

func (b *browser) ask(session, method string, params map[string]any) (json.RawMessage, error) {
	answer := make(chan answered, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.waiting[id] = answer
	err := b.line.WriteJSON(map[string]any{"id": id, "sessionId": session, "method": method, "params": params})
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		if a.Error != nil {
			return nil, errors.New(a.Error.Message)
		}
		return a.Result, nil
	case <-time.After(patience):
		return nil, errors.New("the browser does not answer")
	}
}

// tab is one page. What goes wrong in it, and whom it asks, is kept.
type tab struct {
	*browser
	t       *testing.T
	profile string
	session string

	faults []string // guarded by browser.mu
	asked  []string // addresses
}

// open shows an address in a profile of its own.
func (b *browser) open(t *testing.T, address string) *tab {
	t.Helper()
	tab := &tab{browser: b, t: t}
	var made struct{ BrowserContextID string }
	tab.call("", "Target.createBrowserContext", map[string]any{"disposeOnDetach": true}, &made)
	tab.profile = made.BrowserContextID
	tab.show(address)
	return tab
}

// beside shows another address in the same profile.
func (t *tab) beside(address string) *tab {
	t.t.Helper()
	other := &tab{browser: t.browser, t: t.t, profile: t.profile}
	other.show(address)
	return other
}

func (t *tab) show(address string) {
	t.t.Helper()
	var target struct{ TargetID string }
	t.call("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": t.profile, "newWindow": true}, &target)
	var attached struct{ SessionID string }
	t.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	t.session = attached.SessionID
	t.mu.Lock()
	t.tabs[t.session] = t
	t.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		t.do(domain+".enable", nil)
	}
	t.do("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true})
	t.size(1000, 700)
	t.do("Page.navigate", map[string]any{"url": address})
}

func (t *tab) do(method string, params map[string]any) {
	t.t.Helper()
	t.call(t.session, method, params, nil)
}

func (t *tab) hear(method string, params json.RawMessage) {
	var p struct {
		Type  string
		Args  []struct{ Value any }
		Entry struct{ Level, Text, URL string }
		// of exceptions
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Request struct{ URL string }
	}
	_ = json.Unmarshal(params, &p)
	switch method {
	case "Runtime.consoleAPICalled":
		if p.Type == "error" || p.Type == "warning" {
			t.faults = append(t.faults, fmt.Sprint(p.Type, ": ", p.Args))
		}
	case "Runtime.exceptionThrown":
		t.faults = append(t.faults, p.ExceptionDetails.Text+" "+p.ExceptionDetails.Exception.Description)
	case "Log.entryAdded":
		if p.Entry.Level == "error" || p.Entry.Level == "warning" {
			t.faults = append(t.faults, p.Entry.Text+" "+p.Entry.URL)
		}
	case "Network.requestWillBeSent":
		t.asked = append(t.asked, p.Request.URL)
	}
}

// clean says what went wrong so far, and forgets it.
func (t *tab) clean() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.faults
	t.faults = nil
	return f
}

func (t *tab) addresses() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.asked...)
}

// eval runs JavaScript, waits for its promise and gives its value.
func (t *tab) eval(js string, out any) {
	t.t.Helper()
	raw, err := t.run(js)
	require.NoError(t.t, err, js)
	if out != nil {
		require.NoError(t.t, json.Unmarshal(raw, out), js)
	}
}

func (t *tab) run(js string) (json.RawMessage, error) {
	raw, err := t.ask(t.session, "Runtime.evaluate", map[string]any{"expression": js, "awaitPromise": true, "returnByValue": true, "userGesture": true})
	if err != nil {
		return nil, err
	}
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	if r.ExceptionDetails != nil {
		return nil, errors.New(r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value, nil
}

// until waits for JavaScript to give something true. The page may be on its way, and then it cannot be asked.
func (t *tab) until(js string) {
	t.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(tick) {
		if raw, err := t.run("Boolean(" + js + ")"); err == nil && string(raw) == "true" {
			return
		}
		if time.Now().After(end) {
			var text string
			t.eval("document.querySelector('main')?.innerText ?? document.body.innerText", &text)
			require.FailNow(t.t, "never so: "+js, text)
		}
	}
}

// text is what a person reads of an element.
func (t *tab) text(selector string) (s string) {
	t.t.Helper()
	t.eval("document.querySelector("+quote(selector)+").innerText", &s)
	return s
}

// click presses the mouse in the middle of an element, once it is seen and can be pressed.
func (t *tab) click(selector string) {
	t.t.Helper()
	find := "document.querySelector(" + quote(selector) + ")"
	t.until(find + "?.checkVisibility() && !" + find + ".disabled")
	var at struct{ X, Y float64 }
	t.eval("(e => { e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })("+find+")", &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		t.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1})
	}
}

// enter replaces a field's text as a person would.
func (t *tab) enter(selector, text string) {
	t.t.Helper()
	t.click(selector)
	t.eval("document.activeElement.select()", nil)
	if text == "" {
		t.press("Backspace")
		return
	}
	t.do("Input.insertText", map[string]any{"text": text})
}

// press types one key.
func (t *tab) press(key string) {
	t.t.Helper()
	code := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "Backspace": 8, "ArrowDown": 40, "ArrowRight": 39}[key]
	text := map[string]string{"Enter": "\r", " ": " "}[key]
	t.do("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key, "code": strings.ReplaceAll(key, " ", "Space"), "windowsVirtualKeyCode": code, "text": text})
	t.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": strings.ReplaceAll(key, " ", "Space"), "windowsVirtualKeyCode": code})
}

// chord presses a key with others held: 1 Alt, 2 Ctrl, 4 Meta.
func (t *tab) chord(key string, held int) {
	t.t.Helper()
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		t.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "modifiers": held, "windowsVirtualKeyCode": 13})
	}
}

// leave closes the page, and forgets its profile.
func (t *tab) leave() {
	t.t.Helper()
	t.call("", "Target.disposeBrowserContext", map[string]any{"browserContextId": t.profile}, nil)
}

// pick chooses an option as a person would.
func (t *tab) pick(selector, value string) {
	t.t.Helper()
	t.eval("(e => { e.value = "+quote(value)+"; e.dispatchEvent(new Event('change', {bubbles: true})) })(document.querySelector("+quote(selector)+"))", nil)
}

func (t *tab) size(width, height int) {
	t.t.Helper()
	t.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
}

// scheme is "light" or "dark"; motion ends, so that pictures are alike.
func (t *tab) scheme(name string) {
	t.t.Helper()
	t.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"},
	}})
}

// shoot takes a picture of what is seen.
func (t *tab) shoot(path string) {
	t.t.Helper()
	var shot struct{ Data string }
	t.call(t.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(t.t, err)
	require.NoError(t.t, os.WriteFile(path, b, 0o644))
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
