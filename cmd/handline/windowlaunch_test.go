package main

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
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
