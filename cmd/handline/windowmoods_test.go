package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

// manner is what a person sees of a mood.
type manner struct {
	state string        // of the overview's icon
	cause network.Cause // of the line's trouble, "" = there is none, or it comes and goes
	sent  string        // what becomes of a message
	check network.Cause // of the first check that fails with OpenHands V0, "" = all is well
	// passing: the trouble comes and goes, so that what is seen of it is old, and what is checked may be well.
	passing bool
}

// manners are of every mood; with other dialects some differ, see manner.
func manners() map[demo.Mood]manner {
	return map[demo.Mood]manner{
		demo.Steady:       {"connected", "", connection.Confirmed, "", false},
		demo.Quiet:        {"connected", "", connection.Confirmed, "", false},
		demo.Chatty:       {"connected", "", connection.Confirmed, "", false},
		demo.SlowReplay:   {"connected", "", connection.Confirmed, "", true}, // it begins with a cut
		demo.Silent:       {"reconnecting", network.Timeout, connection.Queued, network.Timeout, false},
		demo.Flapping:     {"reconnecting", network.Reset, "", "", true},
		demo.Refusing:     {"error", network.Auth, connection.Queued, network.Auth, false},
		demo.Down:         {"reconnecting", network.Refused, connection.Queued, network.Refused, false},
		demo.Captive:      {"error", network.Captive, connection.Queued, network.Captive, false},
		demo.CaptiveHTML:  {"error", network.Captive, connection.Queued, network.Captive, false},
		demo.Draining:     {"reconnecting", network.Draining, connection.Confirmed, "", true}, // it is back before anybody has looked round
		demo.Huge:         {"reconnecting", network.TooBig, "", "", true},
		demo.Garbage:      {"connected", "", connection.Confirmed, "", false},
		demo.Unavailable:  {"reconnecting", network.Unavailable, connection.Queued, network.Unavailable, false},
		demo.Throttled:    {"reconnecting", network.Throttled, connection.Queued, network.Throttled, false},
		demo.Hang:         {"reconnecting", network.Reset, connection.Queued, network.Timeout, false}, // the cut that began it is told until the first dial has waited in vain
		demo.HangGreeting: {"reconnecting", network.Timeout, connection.Queued, network.Timeout, false},
		demo.Asleep:       {"error", network.Asleep, connection.Queued, network.Asleep, false},
		demo.Deaf:         {"connected", "", connection.Accepted, "", false},
		demo.Declining:    {"connected", "", connection.Accepted, "", false}, // V0 has no words for it
	}
}

// Every pane and every button, in every mood. The other dialects go through those moods that they play differently; with
// HANDLINE_SOAK=1 through all. Each has a Handline of its own, since a line is not dialled at once as often as all this
// presses its buttons.
func windowInEveryMood(t *testing.T, b *browser, f *faces) {
	for _, dialect := range []demo.Dialect{demo.V0, demo.Plain, demo.AgentServer, demo.AppServer, demo.VoiceCode} {
		moods := []demo.Mood{demo.Steady, demo.Refusing, demo.Asleep, demo.Declining}
		if dialect == demo.V0 || soaks() {
			moods = demo.Moods()
		}
		for _, m := range moods {
			t.Run(fmt.Sprintf("%s, %s", dialect, m), func(t *testing.T) {
				t.Parallel()
				v := newVisit(t, b, dialect)
				if dialect == demo.V0 {
					v.faces = f
				}
				v.lives(m)
			})
		}
	}
}

// visit is somebody who goes through the whole window and presses what can be pressed.
type visit struct {
	t       *testing.T
	scene   *scene
	tab     *tab
	dialect demo.Dialect
	faces   *faces // whose words are held to the golden file, nil = not here
}

func newVisit(t *testing.T, b *browser, dialect demo.Dialect) *visit {
	s := newScene(t, demo.Options{Dialect: dialect}, func(v *persistence.Config) {
		connected(v)
		switch dialect {
		case demo.Plain:
			v.Dialect, v.Conversation = "socketio", ""
		case demo.VoiceCode:
			v.Dialect = "voicecode"
		}
	})
	v := &visit{t: t, scene: s, dialect: dialect, tab: s.enter(b, "")}
	v.tab.call("", "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": t.TempDir(), "browserContextId": v.tab.profile}, nil)
	v.tab.eval("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve() }", nil)
	v.tab.status("connected")
	return v
}

// lives is a mood from its beginning to its end.
func (v *visit) lives(m demo.Mood) {
	is := v.manner(m)
	v.scene.mood(m)
	v.sees(m, is)
	v.overview(is)
	v.diagnostics(is)
	v.hangsUp(is)
	v.activity(m, is)
	v.settings(m)
	v.mend(m)
	require.Empty(v.t, own(v.tab.clean()))
	v.tab.staysHome(v.scene)
}

// manner is what is seen of a mood with the visit's dialect.
func (v *visit) manner(m demo.Mood) manner {
	is := manners()[m]
	if v.dialect != demo.V0 {
		is.check = ""
	}
	switch {
	case m == demo.Asleep && (v.dialect == demo.Plain || v.dialect == demo.VoiceCode):
		is = manners()[demo.Quiet] // they know no sandboxes
	case m == demo.Asleep && v.dialect == demo.AgentServer:
		is.state, is.cause = "error", network.Gone // the proxy before it knows no more
	case m == demo.Declining && (v.dialect == demo.AgentServer || v.dialect == demo.AppServer):
		is.sent = connection.Failed
	case m == demo.Declining && v.dialect == demo.VoiceCode:
		is.sent = connection.Unknown // an error that names no message
	case m == demo.Declining && v.dialect != demo.V0:
		is.sent = "" // it has no words for it either, and no ack comes
	}
	return is
}

// sees waits until the line is as the mood makes it, and what the faces say then.
func (v *visit) sees(m demo.Mood, is manner) {
	var s connection.Snapshot
	require.Eventually(v.t, func() bool {
		s = v.scene.app.line.Snapshot()
		return string(s.Status) == is.state && s.Title != "" && (is.cause == "" || s.Cause.Code == is.cause) || v.faces == nil
	}, patience, time.Millisecond)
	if v.faces != nil {
		v.faces.holds(v.tab, "mood "+m.Name(), s)
	}
}

func (v *visit) overview(is manner) {
	v.tab.pane("overview")
	if !is.passing {
		v.tab.status(is.state)
	}
	if is.state == "error" {
		v.tab.until("document.querySelector('[data-is=trouble]').checkVisibility()")
	}
	if !is.passing {
		v.tab.likeTheMenu(v.scene)
	}
	v.tab.axe("overview")
}

// hangsUp presses Disconnect, what connects again, and Cancel where there is time for it.
func (v *visit) hangsUp(is manner) {
	v.tab.pane("overview")
	if !v.tab.is("document.querySelector('[data-is=disconnect]').checkVisibility()") {
		return // the next moment of a line that comes and goes
	}
	v.tab.click("[data-is=disconnect]")
	v.tab.status("disconnected")
	if v.tab.text("[data-is=mend]") == "Connect" {
		v.tab.click("[data-is=mend]")
	} else { // what would mend it comes at the end
		v.scene.do(connection.Connect{})
	}
	if is.state == "connected" {
		v.tab.status(is.state)
		return
	}
	// A line that was not there before has nothing to reconnect to, and some servers let it wait long.
	past := map[bool]string{true: "['disconnected']", false: "['connected', 'disconnected']"}[is.passing]
	v.tab.until("!" + past + ".includes(document.querySelector('#hero').dataset.state)")
	if v.tab.is("(mend => mend.dataset.action === 'cancel' && (mend.click(), true))(document.querySelector('[data-is=mend]'))") {
		v.tab.status("disconnected")
		v.scene.do(connection.Connect{})
		v.tab.until("document.querySelector('#hero').dataset.state !== 'disconnected'")
	}
}

func (v *visit) diagnostics(is manner) {
	v.tab.pane("diagnostics")
	v.tab.click("[data-is=run]")
	v.tab.until("document.querySelector('[data-is=run]').textContent === 'Run Diagnostics' && !document.querySelector('.idle')")
	r := v.scene.app.checks.Last()
	require.Equal(v.t, r.Summary, v.tab.text("#diagnostics [data-is=summary]"))
	worst, failed := r.Worst()
	if v.dialect == demo.V0 && !is.passing {
		require.Equal(v.t, is.check, worst.Code, "%+v", r.Findings)
	}
	if failed {
		shown := v.tab.text(".checks details[open]")
		for _, words := range []string{worst.Saw, worst.Means, worst.Advice} {
			require.Contains(v.t, shown, words)
		}
	}
	v.tab.axe("diagnostics")
	v.tab.click("[data-is=copy]")
	v.tab.until("window.copied?.includes(" + quote(r.Summary) + ")")
	v.tab.click("[data-is=save]")
	v.tab.until("!document.querySelector('dialog [data-is=ok]').disabled")
	v.tab.click("[data-is=titles]")
	v.tab.until("!document.querySelector('dialog [data-is=ok]').disabled")
	v.tab.click("dialog [data-is=ok]")
	v.tab.until("!document.querySelector('dialog').open")
	v.follows(worst)
}

// follows presses the button beside what failed, where it leads to another pane.
func (v *visit) follows(worst diagnostics.Finding) {
	field := map[string]string{"enter-key": "f-key", "open-settings": "f-server", "set-up": "f-server", "choose-conversation": "f-talk"}[worst.Action]
	if field == "" {
		return
	}
	v.tab.click(".checks details[open] button")
	v.tab.until("document.activeElement.id === " + quote(field))
}

func (v *visit) activity(m demo.Mood, is manner) {
	v.tab.pane("activity")
	text := "In the mood " + m.Name()
	v.tab.write(text)
	if is.sent != "" {
		v.tab.message(text, is.sent)
	}
	v.tab.until("document.querySelectorAll('#activity .day li').length > 2")
	v.tab.axe("activity")
	switch is.sent {
	case connection.Failed:
		v.tab.decide("edit")
		v.tab.until("document.querySelector('#message').value === " + quote(text))
		v.lacks(text)
		v.tab.paste("")
		v.tab.write(text)
		v.tab.message(text, is.sent)
		v.tab.decide("retry") // last: when it has failed once more cannot be seen
		v.tab.message(text, is.sent)
	case connection.Queued:
		v.tab.decide("discard")
		v.lacks(text)
	}
	for _, kind := range []string{"phase", "alert", "diagnosis", ""} {
		v.tab.click(fmt.Sprintf("#activity [value=%q] + span", kind))
	}
	v.tab.enter("#activity [type=search]", "connect")
	v.tab.until("document.querySelectorAll('#activity .day li').length > 0")
	v.tab.enter("#activity [type=search]", "")
}

// lacks waits until no message with the text is listed.
func (v *visit) lacks(text string) {
	v.tab.until("![...document.querySelectorAll('.messages .said')].some(e => e.textContent === " + quote(text) + ")")
}

func (v *visit) settings(m demo.Mood) {
	v.tab.pane("settings")
	v.rested()
	v.tab.click("[data-is=reload]")
	v.rested()
	v.tab.axe("settings")
	for range 2 {
		was := v.scene.app.settings.now().Notify.Outage
		v.tab.click("#f-n4")
		require.Eventually(v.t, func() bool { return v.scene.app.settings.now().Notify.Outage != was }, patience, tick)
	}
	for _, click := range []string{"menu", "act"} {
		v.tab.pick("#f-click", click)
		require.Eventually(v.t, func() bool { return v.scene.app.settings.now().IconClick == click }, patience, tick)
	}
	if m == demo.Silent {
		return // to ask the server after each key takes its time, and is the same as with Hang
	}
	v.tab.click("[data-is=forget]")
	v.tab.until("document.querySelector('[data-is=key-said]').textContent.startsWith('No key')")
	v.tab.enter("#f-key", sceneKey)
	v.tab.click("[data-is=store]")
	v.tab.until("document.querySelector('[data-is=key-said]').textContent === 'The key is stored'")
	v.rested()
	if v.tab.is("document.querySelector('[data-is=sign-in-row]').checkVisibility()") {
		v.tab.click("#settings .sign-in [data-is=start]")
		v.tab.until("document.querySelector('#settings .sign-in [data-is=cancel]').checkVisibility() || document.querySelector('#settings .sign-in [data-is=said]').textContent")
		if v.tab.is("document.querySelector('#settings .sign-in [data-is=cancel]').checkVisibility()") {
			v.tab.click("#settings .sign-in [data-is=cancel]")
		}
	}
}

// rested waits until the list of conversations is there, or the reason why it is not.
func (v *visit) rested() { v.tab.until(hasList) }

// mend brings the line back with the window's own button, where there is one for it.
func (v *visit) mend(m demo.Mood) {
	v.tab.pane("overview")
	if v.manner(m).cause != network.Asleep { // a click wakes it
		v.scene.mood(demo.Steady)
	}
	action := "document.querySelector('[data-is=mend]').dataset.action"
	switch {
	case v.manner(m).cause == network.Asleep:
		v.tab.pane("diagnostics")
		v.tab.click(".checks details[open] button") // Resume…
		v.tab.pane("overview")
	case m == demo.Captive || m == demo.CaptiveHTML:
		v.scene.do(connection.Nudge{Link: true, Route: true}) // nobody waits for the next look at the portal
	case v.tab.is(action + " === 'reconnect' && document.querySelector('[data-is=mend]').checkVisibility()"):
		v.tab.click("[data-is=mend]")
	default:
		v.scene.do(connection.Reconnect{})
	}
	v.tab.status("connected")
	v.scene.mood(demo.Steady)
	v.clears()
}

// clears waits until no message is on its way, and gives up those that want a person's word.
func (v *visit) clears() {
	v.tab.pane("activity")
	waiting := "[...document.querySelectorAll('.messages li')].filter(li => !['Confirmed'].includes(li.querySelector('[data-is=state]').textContent))"
	v.tab.until("(list => { list.filter(li => ['Unknown', 'Failed', 'Held'].includes(li.querySelector('[data-is=state]').textContent)).forEach(li => li.querySelector('[data-verb=discard]')?.click()); return !list.length })(" + waiting + ")")
	v.tab.pane("overview")
	v.tab.status("connected")
}
