package connection

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
)

// dialled is the dial that was just asked for.
func (l *life) dialled() (d dial) {
	for _, e := range l.did {
		if asked, ok := e.(dial); ok {
			d = asked
		}
	}
	return d
}

// What a person does while a dial is under way counts, and counts once.

func TestAWakeThatWasNotNeededWakesNobodyLater(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Second, Connect{Wake: true}, "Connected", "")
	l.then(time.Hour, failed(1, network.Reset), "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	require.False(t, l.dialled().wake)
	l.then(time.Second, Connect{Wake: true}, "Connecting...", "hang up 2, dial 3")
	require.True(t, l.dialled().wake, "a look that may wake nobody was under way")
	l.then(time.Second, Connect{Wake: true}, "Connecting...", "")
}

func TestAKeyEnteredDuringADialIsUsed(t *testing.T) {
	l := begin(t, remote)
	l.then(0, KeyChanged{}, "Disconnected", "")
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(2*time.Second, KeyChanged{}, "Connecting...", "hang up 1, dial 2")
	l.then(0, ended{1, network.Failure{Cause: network.Auth, Verdict: network.Final}}, "Connecting...", "")
	l.then(0, ready{session: 2}, "Connected", "ping 2")
	l.then(time.Second, KeyChanged{}, "Connected", "")
}

func TestWhatAnAgentDidMeanwhileIsNotGuessed(t *testing.T) {
	for dialect, agent := range map[wire.Dialect]string{wire.VoiceCode: "", wire.Session: "working"} {
		l := begin(t, remote)
		l.up()
		l.then(0, news{session: 1, heard: l.now, agent: wire.AgentWorking}, "Connected", "")
		l.then(time.Second, failed(1, network.Reset), "Reconnecting (1/10)...", "")
		l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
		l.then(0, located{session: 2, dialect: string(dialect), conversation: "c1"}, "Reconnecting (1/10)...", "")
		require.Equal(t, agent, l.m.snapshot().Agent, dialect)
	}
}

// Good news never puts a dial off.

func TestADoubtIsNotPutOffByTheNextOne(t *testing.T) {
	l := begin(t, remote)
	l.up()
	link := Nudge{Link: true, Route: true}
	l.then(time.Minute, link, "Connected", "ping 1")
	for range 2 { // a VPN comes up in several steps
		l.then(time.Second, link, "Connected", "ping 1")
	}
	l.due(time.Second, "Reconnecting (1/10)...", "hang up 1")

	l = begin(t, remote)
	l.up()
	l.m.pulse.smoothed = 900 * time.Millisecond // a satellite
	l.then(time.Minute, link, "Connected", "ping 1")
	l.due(7200*time.Millisecond, "Reconnecting (1/10)...", "hang up 1")
}

func TestManyChangesOfTheNetworkPutNoDialOff(t *testing.T) {
	l := begin(t, remote)
	link := Nudge{Link: true, Route: true}
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.chance = 0
	for n := uint64(1); n <= 5; n++ {
		l.m, l.did = l.m.step(moment{l.now.Add(2 * time.Second), 0}, link)
		l.now = l.now.Add(2 * time.Second)
	}
	last := l.m.session
	require.Equal(t, Dialing, l.m.phase)
	for range 5 {
		l.then(time.Second, link, "Connecting...", "")
	}
	require.Equal(t, last, l.m.session, "the last dial for a while goes on")
	l.chance = 0.5
	l.then(0, ended{last, network.Failure{Cause: network.Unavailable}}, "Reconnecting (2/10)...", "")
	due := l.m.due
	l.then(100*time.Millisecond, link, "Reconnecting (1/10)...", "")
	require.Equal(t, due, l.m.due, "it was due before the next immediate retry may be")
}

func TestANetworkThatComesAndGoesDoesNotPutOffTheDial(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Minute, Nudge{Link: true}, "Reconnecting (1/10)...", "hang up 1")
	l.then(20*time.Second, Nudge{Link: true}, "Reconnecting (1/10)...", "")
	l.due(10*time.Second, "Reconnecting (1/10)...", "dial 2")
}

// Portals.

var login = network.Portal{Verdict: network.LogIn, Open: "http://probe.example/"}

// captive takes a machine behind a portal that swallows what it cannot answer.
func (l *life) captive() string {
	l.t.Helper()
	mute := network.Failure{Cause: network.Timeout, Silent: true}
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(10*time.Second, ended{1, mute}, "Reconnecting (1/10)...", "")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 2")
	l.then(10*time.Second, ended{2, mute}, "Reconnecting (2/10)...", "look")
	l.due(150*time.Millisecond, "Reconnecting (2/10)...", "dial 3")
	text := "Error: " + explain(network.Failure{Cause: network.Captive}, remote.Server).Text
	l.then(time.Second, looked{login}, text, "hang up 3")
	require.Equal(l.t, Captive, l.m.phase, "the answer came while the next dial was under way")
	return text
}

func TestAFilterThatLooksLikeAPortalIsNotObeyedForGood(t *testing.T) {
	l := begin(t, remote)
	text := l.captive()
	for range 29 {
		l.due(10*time.Second, text, "look")
		l.then(0, looked{login}, text, "")
	}
	l.due(10*time.Second, "Reconnecting (2/10)...", "dial 4")
	l.then(0, ready{session: 4}, "Connected", "ping 4")
}

func TestAnotherNetworkAfterAPortal(t *testing.T) {
	l := begin(t, remote)
	text := l.captive()
	l.then(0, doze{}, text, "settle")
	l.then(time.Hour, Nudge{Woke: time.Hour, Lid: true}, text, "look")
	l.then(0, looked{}, "Reconnecting (2/10)...", "dial 4")

	l = begin(t, remote)
	text = l.captive()
	l.then(0, doze{}, text, "settle")
	l.then(time.Hour, Nudge{Woke: time.Hour, Lid: true}, text, "look")
	l.then(0, looked{login}, text, "")
	l.then(5*time.Second, Nudge{Link: true, Route: true}, text, "look")
	l.then(0, looked{network.Portal{Verdict: network.WayOut}}, "Reconnecting (1/10)...", "")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 4")
}

// A portal may refuse what it cannot answer, too. It is looked for once.
func TestAPortalThatRefuses(t *testing.T) {
	l := begin(t, remote)
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, failed(1, network.Refused), "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	l.then(0, failed(2, network.Refused), "Reconnecting (2/10)...", "look")
	l.due(1500*time.Millisecond, "Reconnecting (2/10)...", "dial 3")
	l.then(10*time.Second, failed(3, network.Refused), "Reconnecting (3/10)...", "")
}

// Journeys that can be read from the disk again are not all kept.
func TestFewJourneysAreKeptOpen(t *testing.T) {
	m := New(Options{})
	w := newWorks(m)
	defer w.stop()
	for i := range 20 {
		j := w.book("http://hands.example", string(rune('a'+i)))
		require.Same(t, j, w.book("http://hands.example", string(rune('a'+i))))
		if i%2 == 0 { // what is not stored stays
			j.reached([]byte("41"))
		}
	}
	require.Len(t, w.books, 11, "ten that are not stored, and the latest")
}
