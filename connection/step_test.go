package connection

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
)

var (
	morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	remote  = wire.Target{Server: "https://hands.example.com", Conversation: "c1", Dialect: wire.SocketIO}
	local   = wire.Target{Server: "http://127.0.0.1:3000", Conversation: "c1", Dialect: wire.SocketIO}
)

// life is one machine's life, told in sentences: what happens, how long after the line before, and what is to be seen.
type life struct {
	t      *testing.T
	m      machine
	now    time.Time
	chance float64
	did    []effect
}

func begin(t *testing.T, target wire.Target) *life {
	return &life{t: t, m: newMachine(target, Retry{}, Heartbeat{}, morning), now: morning, chance: 0.5}
}

// then takes a step some time later and checks what people see and what is done, "" = nothing. Notes are left out.
func (l *life) then(after time.Duration, in input, text, effects string) {
	l.t.Helper()
	l.now = l.now.Add(after)
	l.m, l.did = l.m.step(moment{l.now, l.chance}, in)
	require.Equal(l.t, text, l.m.snapshot().Text)
	require.Equal(l.t, effects, says(l.did))
}

// due waits for the next tick and takes it; after is how long that must have been.
func (l *life) due(after time.Duration, text, effects string) {
	l.t.Helper()
	at := l.m.wakeAt(l.now)
	require.Equal(l.t, after.Round(time.Millisecond), at.Sub(l.now).Round(time.Millisecond), "time of the next tick")
	l.then(at.Sub(l.now), tick{}, text, effects)
}

func says(effects []effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case dial:
			out = append(out, fmt.Sprintf("dial %d", e.session))
		case hangUp:
			out = append(out, fmt.Sprintf("hang up %d", e.session))
		case ping:
			out = append(out, fmt.Sprintf("ping %d", e.session))
		case look:
			out = append(out, "look")
		case settle:
			out = append(out, "settle")
		}
	}
	return strings.Join(out, ", ")
}

func failed(session uint64, c network.Cause) ended {
	return ended{session, network.Failure{Cause: c}}
}

// up takes a machine online and answers its first ping.
func (l *life) up() {
	l.t.Helper()
	n := l.m.session + 1
	l.then(0, Connect{}, "Connecting...", fmt.Sprintf("dial %d", n))
	l.then(0, opened{session: n}, "Connecting...", "")
	l.then(0, ready{session: n}, "Connected", fmt.Sprintf("ping %d", n))
	l.then(50*time.Millisecond, ponged{n, 50 * time.Millisecond}, "Connected", "")
}

func TestAnOrdinaryOutageClimbsTheLadder(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Minute, failed(1, network.Reset), "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2") // half of U(0, 2 s)
	l.then(0, failed(2, network.Unavailable), "Reconnecting (2/10)...", "")
	l.due(1500*time.Millisecond, "Reconnecting (2/10)...", "dial 3")
	l.then(0, failed(3, network.Unavailable), "Reconnecting (3/10)...", "")
	l.due(2250*time.Millisecond, "Reconnecting (3/10)...", "dial 4")
	l.then(0, opened{session: 4}, "Reconnecting (3/10)...", "")
	l.then(0, ready{session: 4}, "Connected", "ping 4")
	require.Zero(t, l.m.snapshot().Cause)
}

func TestTheLadderEndsInASlowLane(t *testing.T) {
	l := begin(t, remote)
	l.then(0, Connect{}, "Connecting...", "dial 1")
	var delays []time.Duration
	for n := uint64(1); n <= 16; n++ {
		l.now = l.now.Add(time.Second)
		l.m, _ = l.m.step(moment{l.now, 0.5}, failed(n, network.Unavailable))
		if n == 10 {
			require.Equal(t, Reconnecting, l.m.status())
		}
		if n > 10 {
			require.Equal(t, Error, l.m.status(), "given up")
		}
		delays = append(delays, l.m.wakeAt(l.now).Sub(l.now).Round(time.Second))
		l.now = l.m.wakeAt(l.now)
		l.m, _ = l.m.step(moment{l.now, 0.5}, tick{})
		require.Equal(t, Dialing, l.m.phase)
	}
	require.Equal(t, []time.Duration{1, 2, 2, 3, 5, 8, 11, 17, 26, 30, 60, 90, 135, 203, 300, 300}, seconds(delays))
}

func seconds(ds []time.Duration) (out []time.Duration) {
	for _, d := range ds {
		out = append(out, d/time.Second)
	}
	return out
}

func TestOnlyAStableLineEarnsAFreshLadder(t *testing.T) {
	l := begin(t, remote)
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, ready{session: 1}, "Connected", "ping 1")
	l.then(29*time.Second, failed(1, network.Reset), "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ready{session: 2}, "Connected", "ping 2")
	l.then(29*time.Second, failed(2, network.Reset), "Reconnecting (2/10)...", "")
	l.due(1500*time.Millisecond, "Reconnecting (2/10)...", "dial 3")
	l.then(0, ready{session: 3}, "Connected", "ping 3")
	l.then(30*time.Second, failed(3, network.Reset), "Reconnecting (1/10)...", "")
}

func TestARefusalForGoodStaysFinal(t *testing.T) {
	l := begin(t, remote)
	wrong := network.Failure{Cause: network.Auth, Verdict: network.Final}
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, ended{1, wrong}, "Error: "+explain(wrong, remote.Server).Text, "")
	text := l.m.snapshot().Text
	require.Zero(t, l.m.wakeAt(l.now), "no tick is due")
	l.then(0, failed(1, network.Reset), text, "") // the socket's last words
	l.then(time.Hour, Nudge{Woke: time.Hour}, text, "")
	l.then(time.Second, Nudge{Link: true, Route: true}, text, "")
	l.then(time.Second, Nudge{Link: true}, text, "")
	l.then(time.Second, KeyChanged{}, "Connecting...", "dial 2")
	l.then(0, ready{session: 2}, "Connected", "ping 2")
}

func TestThreeWrongAnswersAreFinal(t *testing.T) {
	l := begin(t, remote)
	missing := network.Failure{Cause: network.NotABackend, Verdict: network.Thrice}
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, ended{1, missing}, "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ended{2, missing}, "Reconnecting (2/10)...", "")
	l.due(1500*time.Millisecond, "Reconnecting (2/10)...", "dial 3")
	l.then(0, ended{3, missing}, "Error: "+explain(missing, remote.Server).Text, "")
	require.Equal(t, Stuck, l.m.phase)
	l.then(time.Second, Nudge{Link: true, Route: true}, "Reconnecting (1/10)...", "") // it may have been the network
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 4")
}

func TestSilenceIsRetriedFast(t *testing.T) {
	l := begin(t, remote)
	l.chance = 0.999
	l.up()
	silence := network.Failure{Cause: network.Timeout, Silent: true}
	l.then(time.Minute, ended{1, silence}, "Reconnecting (1/10)...", "")
	var bounds []time.Duration
	for start, n := l.now, uint64(2); l.now.Sub(start) < 3*time.Minute; n++ {
		wait := l.m.wakeAt(l.now).Sub(l.now)
		age := l.now.Sub(start)
		if age < 2*time.Minute {
			require.LessOrEqual(t, wait, 2*time.Second, "jitter included")
			if n > 3 {
				require.Less(t, wait, 300*time.Millisecond, "the dial itself took two seconds or ten")
			}
			require.Equal(t, Reconnecting, l.m.status())
		} else {
			require.LessOrEqual(t, wait, 10*time.Second)
			require.Greater(t, wait, 5*time.Second)
			require.Equal(t, Error, l.m.status())
		}
		require.LessOrEqual(t, l.m.snapshot().Attempt, 10)
		l.now = l.now.Add(wait)
		l.m, l.did = l.m.step(moment{l.now, l.chance}, tick{})
		d := l.did[slices.IndexFunc(l.did, func(e effect) bool { _, ok := e.(dial); return ok })].(dial)
		bounds = append(bounds, d.connect)
		l.now = l.now.Add(d.connect)
		l.m, _ = l.m.step(moment{l.now, l.chance}, ended{n, silence})
	}
	require.Equal(t, []time.Duration{2, 2, 10, 2, 2, 10}, seconds(bounds[:6]), "every third dial waits long enough for a slow path")
}

func TestALocalServerThatRestartsIsFoundSoon(t *testing.T) {
	l := begin(t, local)
	l.chance = 0.999
	l.up()
	l.then(time.Minute, failed(1, network.Reset), "Reconnecting (1/10)...", "")
	for n := uint64(2); n < 200; n++ {
		wait := l.m.wakeAt(l.now).Sub(l.now)
		require.LessOrEqual(t, wait, 5*time.Second)
		if n < 60 {
			require.LessOrEqual(t, wait, 2*time.Second)
		}
		l.now = l.now.Add(wait)
		l.m, _ = l.m.step(moment{l.now, l.chance}, tick{})
		l.m, _ = l.m.step(moment{l.now, l.chance}, failed(n, network.Refused))
	}
}

func TestTheServerNamesATime(t *testing.T) {
	for _, c := range []struct{ asked, least, most time.Duration }{
		{100 * time.Millisecond, time.Second, 1200 * time.Millisecond},
		{20 * time.Second, 20 * time.Second, 24 * time.Second},
		{time.Hour, 10 * time.Minute, 12 * time.Minute},
	} {
		for _, chance := range []float64{0, 0.999} {
			l := begin(t, remote)
			l.chance = chance
			l.up()
			l.then(time.Minute, ended{1, network.Failure{Cause: network.Draining, After: c.asked}}, "Reconnecting (1/10)...", "")
			wait := l.m.wakeAt(l.now).Sub(l.now)
			require.GreaterOrEqual(t, wait, c.least)
			require.LessOrEqual(t, wait, c.most)
		}
	}
}

func TestAMissedPingShowsPoorAndASecondIsTheEnd(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.due(15*time.Second-50*time.Millisecond, "Connected", "ping 1")
	l.due(2*time.Second, "Connected", "ping 1")
	require.Equal(t, Poor, l.m.snapshot().Quality)
	l.due(2*time.Second, "Reconnecting (1/10)...", "hang up 1")
	require.Equal(t, network.Timeout, l.m.why.Cause)
	l.then(0, failed(1, network.Reset), "Reconnecting (1/10)...", "") // heard no more
}

func TestAnyFrameIsLife(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.due(15*time.Second-50*time.Millisecond, "Connected", "ping 1")
	l.due(2*time.Second, "Connected", "ping 1")
	l.then(time.Second, news{session: 1, heard: l.now.Add(time.Second), events: 3}, "Connected", "")
	l.due(14*time.Second, "Connected", "ping 1")
	require.EqualValues(t, 3, l.m.snapshot().Events)
}

func TestSomeoneLooks(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Second, Look{For: 30 * time.Second}, "Connected", "")
	l.due(3450*time.Millisecond, "Connected", "ping 1")
	l.then(0, ponged{1, 40 * time.Millisecond}, "Connected", "")
	l.due(4500*time.Millisecond, "Connected", "ping 1")
}

func TestTheLid(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Hour, Nudge{Woke: 10 * time.Second}, "Connected", "ping 1") // doubt
	l.due(3*time.Second, "Reconnecting (1/10)...", "hang up 1")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ready{session: 2}, "Connected", "ping 2")
	l.then(time.Hour, Nudge{Woke: 8 * time.Hour}, "Reconnecting (1/10)...", "hang up 2")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 3")
	l.then(0, ready{session: 3}, "Connected", "ping 3")
	for range 60 { // dark wakes: nobody opened the lid
		l.then(time.Minute, Nudge{Woke: 55 * time.Second, Dark: true}, "Connected", "ping 3")
		l.then(0, ponged{3, 40 * time.Millisecond}, "Connected", "")
	}
}

func TestNoRouteIsShownAndDialledAllTheSame(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Minute, Nudge{Link: true}, "Reconnecting (1/10)...", "hang up 1")
	require.Equal(t, Offline, l.m.phase)
	l.due(30*time.Second, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ended{2, network.Failure{Cause: network.NoNetwork, Silent: true}}, "Reconnecting (2/10)...", "")
	l.then(time.Second, Nudge{Link: true, Route: true}, "Reconnecting (1/10)...", "")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 3")
}

func TestALoopbackServerIsNeverOffline(t *testing.T) {
	l := begin(t, local)
	l.up()
	l.then(time.Minute, Nudge{Link: true}, "Connected", "ping 1")
}

func TestImmediateRetriesAreBounded(t *testing.T) {
	l := begin(t, remote)
	l.chance = 0
	dials, longest := 0, ""
	l.then(0, Connect{}, "Connecting...", "dial 1")
	for range 600 { // an impatient finger, ten times a second for a minute
		l.now = l.now.Add(100 * time.Millisecond)
		l.m, l.did = l.m.step(moment{l.now, 0}, Reconnect{})
		dials += strings.Count(says(l.did), "dial")
		if s := l.m.snapshot(); s.RetryAt.After(l.now.Add(30 * time.Second)) {
			longest = s.Headline(l.now)
		}
	}
	require.Contains(t, longest, "Connecting... — next try ")
	require.LessOrEqual(t, dials, 7)
	require.Greater(t, dials, 3)
}

func TestAPortalIsLookedForAfterTwoSuspectFailures(t *testing.T) {
	l := begin(t, remote)
	odd := network.Failure{Cause: network.TLSName, Suspect: true}
	login := network.Portal{Verdict: network.LogIn, Open: "http://probe.example/"}
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, ended{1, odd}, "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ended{2, odd}, "Reconnecting (2/10)...", "look")
	l.then(0, looked{login}, "Error: "+explain(network.Failure{Cause: network.Captive}, remote.Server).Text, "")
	require.Equal(t, Captive, l.m.phase)
	text := l.m.snapshot().Text
	l.due(10*time.Second, text, "look")
	l.then(0, looked{login}, text, "")
	l.then(time.Second, Nudge{Link: true, Route: true}, text, "look")
	l.then(0, looked{network.Portal{Verdict: network.WayOut}}, "Reconnecting (1/10)...", "")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 3")
}

func TestASleepingSandboxWaitsForAClick(t *testing.T) {
	l := begin(t, remote)
	asleep := network.Failure{Cause: network.Asleep, After: time.Minute}
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, ended{1, asleep}, "Error: This conversation is asleep", "")
	l.due(66*time.Second, "Error: This conversation is asleep", "dial 2")
	require.False(t, l.did[0].(dial).wake, "a look wakes nobody")
	l.then(0, ended{2, asleep}, "Error: This conversation is asleep", "")
	l.then(time.Second, Connect{Wake: true}, "Connecting...", "dial 3")
	require.True(t, l.did[0].(dial).wake)
	l.then(time.Second, Nudge{Link: true, Route: true}, "Connecting...", "hang up 3")
	l.due(150*time.Millisecond, "Connecting...", "dial 4")
	require.True(t, l.did[0].(dial).wake, "the click is still meant")
}

func TestDisconnectInEveryPhase(t *testing.T) {
	final := ended{1, network.Failure{Cause: network.Auth, Verdict: network.Final}}
	for name, road := range map[string][]input{
		"idle": {}, "dialing": {Connect{}}, "greeting": {Connect{}, opened{session: 1}}, "online": {Connect{}, ready{session: 1}},
		"waiting": {Connect{}, failed(1, network.Reset)}, "offline": {Connect{}, Nudge{Link: true}}, "stuck": {Connect{}, final},
		"captive": {Connect{}, failed(1, network.Reset), looked{network.Portal{Verdict: network.LogIn}}},
	} {
		m := newMachine(remote, Retry{}, Heartbeat{}, morning)
		for _, in := range road {
			m, _ = m.step(moment{morning, 0.5}, in)
		}
		require.Equal(t, name, m.phase.String())
		live := m.live
		m, did := m.step(moment{morning, 0.5}, Disconnect{})
		require.Equal(t, "Disconnected", m.snapshot().Text, name)
		require.Equal(t, live, strings.Contains(says(did), "hang up"), name)
		require.Zero(t, m.wakeAt(morning), name)
		require.False(t, m.wanted)
	}
}

func TestNotSetUp(t *testing.T) {
	l := begin(t, wire.Target{})
	l.then(0, Connect{}, "Disconnected", "")
	require.Equal(t, network.NotSetUp, l.m.snapshot().Cause.Code)
	l.then(0, Use{remote}, "Connecting...", "dial 1")
	l.then(0, ended{1, network.Failure{Cause: network.NotSetUp, Verdict: network.Final, Detail: "choose a conversation"}}, "Disconnected", "")
	other := remote
	other.Conversation = "c2"
	l.then(0, Use{other}, "Connecting...", "")
	l.due(time.Second, "Connecting...", "dial 2") // one immediate dial a second
}

// However many conversations a person walks through in a minute, each is dialled.
func TestSwitchingIsNoRetry(t *testing.T) {
	l := begin(t, remote)
	l.then(0, Connect{}, "Connecting...", "dial 1")
	for n := range 20 {
		next := remote
		next.Conversation = fmt.Sprint(n)
		l.then(time.Second, Use{next}, "Connecting...", fmt.Sprintf("hang up %d, dial %d", n+1, n+2))
	}
}

// Where none is named the newest conversation is taken, once: a line that breaks comes back to its own, whatever has become
// newer meanwhile. Whoever connects anew gets the newest again.
func TestALineComesBackToItsOwnConversation(t *testing.T) {
	newest := remote
	newest.Conversation = ""
	asks := func(l *life) wire.Target {
		t.Helper()
		for _, e := range l.did {
			if d, ok := e.(dial); ok {
				return d.target
			}
		}
		require.Fail(t, "no dial")
		return wire.Target{}
	}
	l := begin(t, newest)
	l.then(0, Connect{}, "Connecting...", "dial 1")
	require.Equal(t, newest, asks(l))
	l.then(0, located{session: 1, conversation: "c1", title: "Fix it", agent: wire.AgentWorking}, "Connecting...", "")
	l.then(0, ready{session: 1}, "Connected", "ping 1")
	l.then(0, news{session: 1, heard: l.now, cursor: "7"}, "Connected", "")
	l.then(time.Second, failed(1, network.Reset), "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	require.Equal(t, remote, asks(l))
	l.then(0, located{session: 2, conversation: "c1"}, "Reconnecting (1/10)...", "")
	require.Equal(t, "working", l.m.snapshot().Agent)
	require.Equal(t, "Fix it", l.m.snapshot().Title, "voice-code tells titles in its list alone")
	l.then(5*time.Second, Reconnect{}, "Connecting...", "hang up 2, dial 3")
	require.Equal(t, remote, asks(l), "that is to mend the line")
	l.then(0, ended{3, network.Failure{Cause: network.Asleep, After: time.Minute}}, "Error: This conversation is asleep", "")
	l.then(5*time.Second, Connect{Wake: true}, "Connecting...", "dial 4")
	require.Equal(t, remote, asks(l), "that is the one to wake")
	l.then(0, ended{4, network.Failure{Cause: network.Gone, Verdict: network.Final}}, "Error: This conversation does not exist", "")
	l.then(5*time.Second, Reconnect{}, "Connecting...", "dial 5")
	require.Equal(t, newest, asks(l), "it will not come back")
	l.then(0, located{session: 5, conversation: "c1"}, "Connecting...", "")
	l.then(0, ended{5, network.Failure{Cause: network.Asleep, After: time.Minute}}, "Error: This conversation is asleep", "")
	l.then(5*time.Second, Connect{}, "Connecting...", "dial 6")
	require.Equal(t, newest, asks(l))
	l.then(0, located{session: 6, conversation: "c2"}, "Connecting...", "")
	s := l.m.snapshot()
	require.Equal(t, [4]string{"c2", "", "", ""}, [4]string{s.Conversation, s.Title, s.Agent, s.LastEventID}, "nothing of the other one is left")
	l.then(20*time.Second, Use{local}, "Connecting...", "hang up 6, dial 7")
	require.Equal(t, local, asks(l))
}

// Until another conversation is found, what is typed belongs to the one that is shown, as it does while a line is down.
func TestWhoeverConnectsAnewKeepsTheConversationUntilAnotherIsFound(t *testing.T) {
	newest := remote
	newest.Conversation = ""
	for _, in := range []input{Connect{}, KeyChanged{}} {
		l := begin(t, newest)
		l.then(0, Connect{}, "Connecting...", "dial 1")
		l.then(0, located{session: 1, conversation: "c1", title: "One"}, "Connecting...", "")
		l.then(0, ready{session: 1}, "Connected", "ping 1")
		l.then(time.Minute, failed(1, network.Refused), "Reconnecting (1/10)...", "")
		for session := uint64(2); session < 4; session++ {
			l.then(5*time.Second, in, "Connecting...", fmt.Sprint("dial ", session))
			require.Contains(t, l.did, dial{session: session, target: newest, connect: 10 * time.Second})
			l.then(0, failed(session, network.Refused), "Reconnecting (1/10)...", "")
			s := l.m.snapshot()
			require.Equal(t, [2]string{"c1", "One"}, [2]string{s.Conversation, s.Title})
		}
		l.then(5*time.Second, Connect{Wake: true}, "Connecting...", "dial 4")
		require.Contains(t, l.did, dial{session: 4, target: remote, connect: 10 * time.Second, wake: true}, "what is shown is to wake")
		l.then(0, failed(4, network.Refused), "Reconnecting (1/10)...", "")
		l.then(5*time.Second, in, "Connecting...", "dial 5")
		l.then(0, located{session: 5, conversation: "c2"}, "Connecting...", "")
		l.then(0, failed(5, network.Refused), "Reconnecting (1/10)...", "")
		l.then(5*time.Second, Reconnect{}, "Connecting...", "dial 6")
		there := newest
		there.Conversation = "c2"
		require.Contains(t, l.did, dial{session: 6, target: there, connect: 10 * time.Second})
	}
}

// What this key may no longer join would be refused at each click of "Reconnect Now", and the newest may not be.
func TestAConversationThatIsForbiddenIsLeft(t *testing.T) {
	newest := remote
	newest.Conversation = ""
	l := begin(t, newest)
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, located{session: 1, conversation: "c1"}, "Connecting...", "")
	l.then(0, ready{session: 1}, "Connected", "ping 1")
	l.then(time.Minute, failed(1, network.Reset), "Reconnecting (1/10)...", "")
	l.due(time.Second, "Reconnecting (1/10)...", "dial 2")
	l.then(0, failed(2, network.Forbidden), "Reconnecting (2/10)...", "")
	l.then(5*time.Second, Reconnect{}, "Connecting...", "dial 3")
	require.Contains(t, l.did, dial{session: 3, target: remote, connect: 10 * time.Second}, "nothing is certain yet")
	l.then(0, ended{3, network.Failure{Cause: network.Forbidden, Verdict: network.Final}}, "Error: Your key does not open this conversation", "")
	l.then(5*time.Second, Reconnect{}, "Connecting...", "dial 4")
	require.Contains(t, l.did, dial{session: 4, target: newest, connect: 10 * time.Second})
}

// TestEveryInputInEveryPhase holds what must be true after any step, whatever came: at most one live session, a tick
// due wherever one is needed, and no dial without a wish.
func TestEveryInputInEveryPhase(t *testing.T) {
	failures := []network.Failure{{Cause: network.Reset}, {Cause: network.Timeout, Silent: true}, {Cause: network.Auth, Verdict: network.Final},
		{Cause: network.NotABackend, Verdict: network.Thrice}, {Cause: network.TLSName, Suspect: true}, {Cause: network.Throttled, After: time.Minute},
		{Cause: network.NotSetUp, Verdict: network.Final}}
	pick := func(m machine, n int) input {
		s := m.session
		inputs := []input{tick{}, Connect{}, Disconnect{}, Reconnect{}, Use{local}, Use{remote}, Use{}, KeyChanged{}, Look{For: time.Minute},
			Nudge{Woke: time.Hour}, Nudge{Woke: time.Hour, Dark: true}, Nudge{Link: true}, Nudge{Link: true, Route: true}, Nudge{Link: true, Route: true, Stranded: true}, Nudge{Lid: true}, Nudge{}, doze{},
			opened{session: s}, ready{session: s}, ready{session: s - 1}, ponged{s, time.Millisecond}, news{session: s, heard: morning},
			looked{network.Portal{Verdict: network.LogIn}}, looked{network.Portal{Verdict: network.WayOut}}, looked{}}
		for _, f := range failures {
			inputs = append(inputs, ended{s, f}, ended{s - 1, f})
		}
		return inputs[n%len(inputs)]
	}
	for seed := range uint64(3000) {
		m, now, x := newMachine(remote, Retry{}, Heartbeat{}, morning), morning, seed*2654435761+1
		live := map[uint64]bool{}
		for range 60 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			in := pick(m, int(x%1000003))
			now = now.Add(time.Duration(x%7000) * time.Millisecond)
			if e, ok := in.(ended); ok {
				delete(live, e.session)
			}
			var did []effect
			m, did = m.step(moment{now, float64(x%100) / 100}, in)
			for _, e := range did {
				switch e := e.(type) {
				case dial:
					live[e.session] = true
					require.True(t, m.wanted, "seed %d: dialled without a wish", seed)
				case hangUp:
					delete(live, e.session)
				case ping:
					require.Equal(t, Online, m.phase)
				}
			}
			require.LessOrEqual(t, len(live), 1, "seed %d: two live sessions after %#v", seed, in)
			require.Equal(t, len(live) == 1, m.live, "seed %d after %#v in %v", seed, in, m.phase)
			switch m.phase {
			case Waiting, Offline, Captive, Online:
				require.False(t, m.wakeAt(now).IsZero(), "seed %d: %v would sleep for ever", seed, m.phase)
			case Stuck, Idle:
				require.False(t, m.live)
			}
			s := m.snapshot()
			require.NotEmpty(t, s.Text)
			if s.Status == Error {
				require.NotEmpty(t, s.Cause.Code, "seed %d: an error without a cause", seed)
			}
			if s.Status == Reconnecting {
				require.True(t, s.Attempt >= 1 && s.Attempt <= s.MaxAttempts)
			}
		}
	}
}
