package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/persistence"
)

func firstLaunch(t *testing.T, b *browser) {
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

func demoIsAWayOut(t *testing.T, b *browser) {
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

func windowComesBackAfterARestart(t *testing.T, b *browser) {
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
	base := strings.Split(s.base(tab), "#")[0]
	cookie := thief(t, tab, base)
	s.mood(demo.Hang)
	tab.clean() // refused connections are the browser's to tell
	s.start()
	tab.until("document.querySelector('[data-is=facts]').textContent.includes('before this start: ')")
	s.mood(demo.Steady)
	tab.status("connected")

	req, err := http.NewRequestWithContext(t.Context(), "GET", base, nil)
	require.NoError(t, err)
	req.Header.Set("Cookie", cookie)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode, "what was heard meanwhile opens nothing")
	tab.eval("window.old = true; location.reload()", nil)
	tab.until("!window.old && " + ready)
	panesComeBackToo(t, b, s, tab)
}

// What changed while Handline was away is in the pane that is looked at when it is back.
func panesComeBackToo(t *testing.T, b *browser, s *scene, tab *tab) {
	t.Helper()
	tab.pane("settings")
	tab.until(hasList + " && document.querySelector('#f-n1').checked")
	s.end()
	tab.until("document.querySelector('#notice').textContent.includes('not running')")
	file, err := persistence.LoadConfig(s.app.home.Config())
	require.NoError(t, err)
	file.Config.Notify.AgentWaiting = false
	require.NoError(t, persistence.SaveConfig(s.app.home.Config(), file.Config))
	s.start()
	tab.until("document.querySelector('#notice').hidden && !document.querySelector('#f-n1').checked")

	quiet := newScene(t, demo.Options{}, nil) // nothing is set up, so nothing changes
	tab = quiet.enter(b, "activity")
	const starts = "[...document.querySelectorAll('#activity .day li')].filter(e => e.textContent.endsWith('Handline started')).length"
	tab.until(starts + " === 1")
	require.Eventually(t, func() bool { // it asks twice when it is turned to
		return strings.Count(strings.Join(tab.addresses(), " "), "v1/timeline?limit=500") == 2
	}, patience, tick)
	quiet.end()
	tab.until("document.querySelector('#notice').textContent.includes('not running')")
	quiet.start()
	tab.until(starts + " === 2")
}

// A screen reader hears a change once, without counters, and nothing of what does not stay.
func windowTellsAScreenReader(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	tab.until("document.getElementById('live').textContent === 'Disconnected. Handline is not set up'")
	tab.eval(`window.heard = []; new MutationObserver(() => heard.push(document.getElementById("live").textContent)).observe(document.getElementById("live"), {childList: true})`, nil)
	shows := func(all ...connection.Snapshot) {
		t.Helper()
		raw, err := json.Marshal(all)
		require.NoError(t, err)
		tab.eval(fmt.Sprintf("import('./overview.js').then(o => %s.forEach(s => o.update(s)))", raw), nil)
	}
	lost := connection.Why{Code: network.Refused, Text: "Nothing is listening at localhost:3000"}
	refused := connection.Why{Code: network.Auth, Text: "The server did not accept your key"}
	up := connection.Snapshot{Status: connection.Connected, Text: "Connected", Server: demoServer}
	down := connection.Snapshot{Status: connection.Reconnecting, Text: "Reconnecting (1/10)...", Server: demoServer, Cause: lost}
	again := down
	again.Text = "Reconnecting (2/10)..."
	shows(down, up, down, up, down, again)
	tab.until("heard.length === 1 && heard[0] === 'Reconnecting. Nothing is listening at localhost:3000'")
	shows(again, down, connection.Snapshot{Status: connection.Error, Text: "Error: " + refused.Text, Server: demoServer, Cause: refused})
	tab.until("heard.length === 2 && heard[1] === 'Error: The server did not accept your key'")
}

// thief takes the port of a Handline that is away, hears what the page sends, and lets go of the port. It gives the cookie,
// which browsers send unasked.
func thief(t *testing.T, tab *tab, base string) (cookie string) {
	t.Helper()
	ln, err := net.Listen("tcp", strings.Split(base, "/")[2])
	require.NoError(t, err)
	heard := make(chan *http.Request, 1000)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r
		_, _ = w.Write(make([]byte, 32)) // as long as a proof
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) })
	for proofs := 0; proofs < 2; {
		select {
		case r := <-heard:
			require.Empty(t, r.Header.Get("Handline-Token"))
			if strings.HasSuffix(r.URL.Path, ".png") { // the browser looks for the page's icon when it likes
				continue
			}
			require.True(t, strings.HasSuffix(r.URL.Path, "/proof"), r.URL.Path)
			cookie = r.Header.Get("Cookie")
			proofs++
		case <-time.After(patience):
			require.Fail(t, "the page asks no more")
		}
	}
	require.Equal(t, "Handline is not running", tab.text("[data-is=status]"))
	require.NoError(t, server.Close())
	serving.Wait()
	return cookie
}
