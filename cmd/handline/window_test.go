package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/tray"
)

// The window as a person meets it: a real Chromium, the whole app, a demo backend. All its tests share one browser, and
// each has a profile of its own in it.
func TestWindow(t *testing.T) {
	b := newBrowser(t)
	t.Run("is light and quick", func(t *testing.T) { windowIsLightAndQuick(t, b) }) // alone: it is timed
	for name, test := range map[string]func(*testing.T, *browser){
		"shares the menu's words":             windowAndMenuShareTheirWords,
		"shares the command line's words":     windowAndCommandLineShareTheirWords,
		"works by keyboard and when narrow":   windowWorksByKeyboardAndWhenNarrow,
		"lets no other port's page in":        anotherPortsPageGetsNowhere,
		"leads through the first launch":      firstLaunch,
		"offers the demo":                     demoIsAWayOut,
		"comes back after a restart":          windowComesBackAfterARestart,
		"tells a screen reader":               windowTellsAScreenReader,
		"steers the line":                     windowSteersTheLine,
		"tells a diagnosis":                   windowTellsADiagnosis,
		"tells what happened":                 windowTellsWhatHappened,
		"changes settings":                    windowChangesSettings,
		"asks again when the key has changed": windowAsksAgain,
		"sends":                               windowSends,
		"keeps what cannot be sent yet":       windowKeepsWhatCannotBeSentYet,
		"says what it wants before it sends":  windowSaysWhatItWantsBeforeItSends,
		"signs in":                            windowSignsIn,
		"moves nothing under the pointer":     signInMovesNothingUnderThePointer,
		"offers to sign in only where it can": signInIsOfferedOnlyWhereThereIsOne,
		"says that notifications are off":     windowSaysThatNotificationsAreOff,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
	f := readFaces(t)
	t.Run("says every fault", func(t *testing.T) {
		t.Parallel()
		windowSaysEveryFault(t, b, f)
	})
	windowInEveryMood(t, b, f)
}

// pane goes to a pane by the sidebar.
func (t *tab) pane(name string) {
	t.t.Helper()
	t.click(`.sidebar a[href="#` + name + `"]`)
	t.until("document.getElementById(" + quote(name) + ").checkVisibility() || document.getElementById('welcome').checkVisibility()")
}

// own are the faults that are not the browser's own notes on answers of 5xx and 413, which the page tells in words.
func own(faults []string) (out []string) {
	for _, f := range faults {
		if told, _ := strings.CutPrefix(f, "Failed to load resource: the server responded with a status of "); told == f ||
			!strings.HasPrefix(told, "50") && !strings.HasPrefix(told, "413") {
			out = append(out, f)
		}
	}
	return out
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
	}, patience, tick)
}

// The page has the menu's rules in JavaScript; both must stay the same.
func windowAndMenuShareTheirWords(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	for _, status := range []connection.Status{connection.Disconnected, connection.Connecting, connection.Connected, connection.Reconnecting, connection.Error} {
		for _, cause := range []network.Cause{"", network.Refused, network.Auth, network.Captive, network.Asleep, network.NotSetUp, network.Plaintext, network.Gone} {
			for _, server := range []string{"", demoServer} {
				for _, portal := range []string{"", "http://portal.example/"} {
					snap := connection.Snapshot{Status: status, Server: server, Cause: connection.Why{Code: cause}, Portal: portal, Quality: connection.Poor, RTT: 640}
					raw, err := json.Marshal(snap)
					require.NoError(t, err)
					var got struct {
						Label, Trip string
						Hang        bool
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
	// A network can want a login and name no page for it: the button then does what it says.
	snap := connection.Snapshot{Status: connection.Error, Server: demoServer, Cause: connection.Why{Code: network.Captive, Text: "x"}}
	raw, err := json.Marshal(snap)
	require.NoError(t, err)
	tab.eval(fmt.Sprintf(`import('./overview.js').then(o => { o.update(%s); document.querySelector('[data-is=mend]').click() })`, raw), nil)
	require.Eventually(t, func() bool {
		return slices.Contains(tab.addresses(), strings.Split(s.base(tab), "#")[0]+"v1/reconnect")
	}, patience, tick)
}
