package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/persistence"
)

// consent is the browser in which somebody says yes or no to a code, or asks for another one.
func (s *scene) consent(to string) {
	s.t.Helper()
	web := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return s.dial(ctx, network, addr)
	}, TLSClientConfig: s.trust, DisableKeepAlives: true}}
	var res *http.Response
	var err error
	if strings.HasSuffix(to, "/authorize") {
		res, err = web.PostForm(demoServer+to, url.Values{})
	} else {
		res, err = web.Get(demoServer + to)
	}
	require.NoError(s.t, err)
	_, _ = io.Copy(io.Discard, res.Body)
	require.NoError(s.t, res.Body.Close())
	require.Equal(s.t, http.StatusOK, res.StatusCode)
}

// signs begins a login, sees the code and its page, and waits for what comes of it.
func (t *tab) signs(s *scene, place, to, said string) {
	t.t.Helper()
	t.click(place + " [data-is=start]")
	t.until("(c => c.checkVisibility() && c.innerText === 'DEMO-1234')(document.querySelector(" + quote(place+" [data-is=code]") + "))")
	var page string
	t.eval("document.querySelector("+quote(place+" [data-is=page]")+").href", &page)
	require.Equal(t.t, demoServer+"/oauth/device/verify?user_code=DEMO-1234", page)
	if said == "" {
		t.axe("waiting for a yes")
	}
	s.consent(to)
	if said != "" {
		t.until("document.querySelector(" + quote(place+" [data-is=said]") + ").textContent.includes(" + quote(said) + ")")
	}
}

// The key goes from the server to the keychain; the page sees a code. The demo lets itself be asked each 5 s.
func windowSignsIn(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{Dialect: demo.AppServer}, nil)
	tab := s.enter(b, "")
	tab.enter("#w-server", demoServer)
	tab.press("Enter")
	const step = "[data-step='2'] .sign-in"
	tab.until("document.querySelector(" + quote(step+" [data-is=start]") + ").checkVisibility()")
	tab.axe("a server that lets one sign in")
	tab.signs(s, step, "/oauth/device/verify?deny=1", "The login was declined in the browser. Start again if that was a mistake.")
	tab.axe("declined")
	tab.signs(s, step, "/oauth/device/authorize", "The code was not used in time. Start again for a new one.")
	tab.click(step + " [data-is=start]")
	tab.click(step + " [data-is=cancel]")
	tab.until("document.querySelector(" + quote(step+" [data-is=start]") + ").checkVisibility()")
	tab.signs(s, step, "/oauth/device/verify", "")
	tab.until("document.querySelector('#w-talk').checkVisibility()")
	require.Equal(t, "You are signed in.", tab.text("[data-step='2'] .said"))
	tab.click("[data-step='3'] .primary")
	tab.status("connected")
	key, err := s.app.secrets.Get(t.Context(), demoServer)
	require.NoError(t, err)
	require.Equal(t, sceneKey, key)

	// In the settings too. Whoever closes the window while the browser asks finds it done.
	tab.pane("settings")
	tab.click("[data-is=forget]")
	tab.until("document.querySelector('[data-is=key-said]').textContent.startsWith('No key')")
	const row = "#settings .sign-in"
	tab.click(row + " [data-is=start]")
	tab.until("document.querySelector(" + quote(row+" [data-is=code]") + ").innerText === 'DEMO-1234'")
	tab.axe("signing in from the settings")
	tab.eval("window.old = true; location.reload()", nil)
	tab.until("!window.old && " + ready + " && document.querySelector(" + quote(row+" [data-is=code]") + ").innerText === 'DEMO-1234'")
	s.consent("/oauth/device/verify")
	tab.until("document.querySelector(" + quote(row+" [data-is=said]") + ").textContent === 'You are signed in. The key is stored.'")
	tab.until("[...document.querySelectorAll('#f-talk option')].some(o => o.textContent.startsWith('Demo 1'))")
	var held bool
	tab.eval("document.documentElement.outerHTML.includes("+quote(sceneKey)+") || [...document.querySelectorAll('input')].some(i => i.value.includes("+quote(sceneKey)+"))", &held)
	require.False(t, held, "the page has never seen the key")
	require.Empty(t, own(tab.clean()))
}

func signInIsOfferedOnlyWhereThereIsOne(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "settings")
	tab.until("document.querySelectorAll('#f-talk option').length > 2")
	require.False(t, tab.is("document.querySelector('[data-is=sign-in-row]').checkVisibility()"))
}

// The row of the login comes when the server has answered. Whoever is about to press what stands below does not press that.
func signInMovesNothingUnderThePointer(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{Dialect: demo.AppServer}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	release := tab.holds("v1/sign-in")
	tab.pane("settings")
	tab.until("document.querySelectorAll('#f-talk option').length > 2 && held.length === 1")
	tab.rest()
	require.True(t, tab.is("document.querySelector('[data-is=reload]').disabled"))
	release()
	tab.until(hasList)
	require.True(t, tab.is("document.querySelector('[data-is=sign-in-row]').checkVisibility()"))
}

// What the system keeps back is said where it is chosen, with the button that leads to the cure.
func windowSaysThatNotificationsAreOff(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, func(v *persistence.Config) { connected(v); v.ConnectAtLaunch = "never" })
	tab := s.enter(b, "settings")
	tab.until("document.querySelectorAll('#f-talk option').length > 2")
	require.False(t, tab.is("document.querySelector('[data-is=muted]').checkVisibility()"))
	s.app.denied = func(context.Context) bool { return s.muted.Load() }
	s.muted.Store(true)
	s.app.hearMuted(true)
	tab.pane("overview")
	tab.pane("settings")
	tab.until("document.querySelector('[data-is=muted]').checkVisibility()")
	require.Contains(t, tab.text("[data-is=muted]"), "The system does not show Handline’s notifications. Allow them in its settings")
	tab.axe("notifications are off")
	s.muted.Store(false) // they have been to the system's settings, and come back
	tab.eval("window.dispatchEvent(new Event('focus'))", nil)
	tab.until("!document.querySelector('[data-is=muted]').checkVisibility()")
	require.False(t, s.app.prefs().Muted, "the menu says it no longer either")
}
