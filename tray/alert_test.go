package tray

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/network"
)

var all = Notify{Waiting: true, Finished: true, Failed: true, Outage: true, Recovery: true}

// teller drives Alerts as Run does: it steps at each change, and at each wake in between.
type teller struct {
	a   Alerts
	now time.Time
	s   connection.Snapshot
	log []string
	out []Notice
}

func newTeller(n Notify) *teller { return &teller{a: Alerts{Notify: n}, now: noon} }

func (t *teller) step() {
	var n []Notice
	t.a, n = t.a.step(t.now, t.s)
	for _, x := range n {
		t.log, t.out = append(t.log, x.Title), append(t.out, x)
	}
}

// set shows the state, and lets it last.
func (t *teller) set(lasts time.Duration, s connection.Snapshot) {
	t.s = s
	t.step()
	for end := t.now.Add(lasts); ; t.step() {
		w := t.a.wake()
		if w.IsZero() || w.After(end) {
			t.now = end
			return
		}
		t.now = w
	}
}

func up(agent string) connection.Snapshot {
	return connection.Snapshot{Server: "http://localhost:3000", Status: connection.Connected, Text: "Connected", Agent: agent}
}

func down() connection.Snapshot {
	return connection.Snapshot{Server: "http://localhost:3000", Status: connection.Reconnecting,
		Cause: why(network.Timeout, "Nothing answered in time", "Check the server.")}
}

func broken(c network.Cause) connection.Snapshot {
	return connection.Snapshot{Server: "http://localhost:3000", Status: connection.Error, Phase: connection.Stuck,
		Cause: why(c, "trouble "+string(c), "Mend it.")}
}

// givenUp is a line that has climbed the whole ladder, and goes on trying now and then.
func givenUp() connection.Snapshot {
	s := broken(network.Refused)
	s.Phase = connection.Waiting
	return s
}

func portal() connection.Snapshot {
	s := broken(network.Captive)
	s.Phase, s.Portal = connection.Captive, "http://probe.example/"
	return s
}

func off() connection.Snapshot {
	return connection.Snapshot{Server: "http://localhost:3000", Status: connection.Disconnected}
}

func TestAlerts(t *testing.T) {
	type moment struct {
		lasts time.Duration
		s     connection.Snapshot
	}
	trying := connection.Snapshot{Server: "http://localhost:3000", Status: connection.Connecting}
	other := broken(network.Auth)
	other.Server = "https://elsewhere"
	syncing := up("finished")
	syncing.Syncing = true
	filling := up("working")
	filling.Syncing = true
	for _, c := range []struct {
		name string
		life []moment
		want []string
	}{
		{"nothing is told of a start that works", []moment{{time.Second, off()}, {time.Second, trying}, {time.Hour, up("")}}, nil},
		{"nor of a first attempt that fails: nothing was lost", []moment{{time.Second, trying}, {time.Hour, down()}}, nil},
		{"a short loss mends itself unseen", []moment{{time.Hour, up("")}, {4 * time.Second, down()}, {time.Hour, up("")}}, nil},
		{"a longer one is told, and that it is over", []moment{{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}},
			[]string{"Connection lost", "Connection restored"}},
		{"hanging up is no loss", []moment{{time.Hour, up("")}, {time.Hour, off()}, {time.Hour, up("")}}, nil},
		{"hanging up ends a loss quietly", []moment{{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, off()}, {time.Hour, up("")}},
			[]string{"Connection lost"}},
		{"a final trouble is told by its own name", []moment{{time.Hour, up("")}, {time.Hour, broken(network.Gone)}},
			[]string{"trouble gone"}},
		{"a wrong key is told once", []moment{{time.Second, trying}, {time.Hour, broken(network.Auth)}, {time.Second, trying}, {time.Hour, broken(network.Auth)}},
			[]string{"trouble auth"}},
		{"and again after a line has held", []moment{{time.Second, broken(network.Auth)}, {time.Minute, up("")}, {time.Hour, broken(network.Auth)}},
			[]string{"trouble auth", "trouble auth"}},
		{"and for another server", []moment{{time.Second, broken(network.Auth)}, {time.Second, other}},
			[]string{"trouble auth", "trouble auth"}},
		{"a loss that turns out to be final is told as such, too", []moment{{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, broken(network.Gone)}, {time.Hour, broken(network.Gone)}},
			[]string{"Connection lost", "trouble gone"}},
		{"and so is one after a blip", []moment{{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}, {time.Hour, broken(network.Gone)}, {time.Hour, broken(network.Gone)}},
			[]string{"Connection lost", "Connection restored", "trouble gone"}},
		{"and one of a line that flaps", []moment{
			{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}, {time.Hour, broken(network.Gone)}, {time.Hour, up("")}, {time.Minute, down()}},
			[]string{"Connection lost", "Connection restored", "The connection keeps dropping", "trouble gone"}},
		{"and one that comes while a line that flaps is away", []moment{
			{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}, {time.Minute, down()}, {time.Hour, broken(network.Gone)}},
			[]string{"Connection lost", "Connection restored", "The connection keeps dropping", "trouble gone"}},
		{"a second loss with a ladder at its end says why", []moment{{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}, {time.Hour, givenUp()}, {time.Hour, up("")}, {time.Hour, givenUp()}},
			[]string{"Connection lost", "Connection restored", "trouble refused"}},
		{"a portal is told as the loss that it is", []moment{{time.Hour, up("")}, {time.Hour, portal()}, {time.Hour, up("")}},
			[]string{"trouble captive", "Connection restored"}},
		{"the agent's first state is the baseline", []moment{{time.Hour, up("waiting")}}, nil},
		{"so is the first that gets known", []moment{{time.Hour, up("")}, {time.Hour, up("waiting")}}, nil},
		{"a change is told", []moment{{time.Hour, up("working")}, {time.Hour, up("waiting")}, {time.Hour, up("working")}, {time.Hour, up("finished")}, {time.Hour, up("error")}},
			[]string{"The agent is waiting for you", "The agent has finished", "The agent stopped with an error"}},
		{"once", []moment{{time.Hour, up("working")}, {time.Hour, up("waiting")}, {time.Hour, up("waiting")}},
			[]string{"The agent is waiting for you"}},
		{"what a new line shows first is the baseline again", []moment{{time.Hour, up("working")}, {time.Second, down()}, {time.Hour, up("waiting")}}, nil},
		{"what is replayed is not news", []moment{{time.Hour, up("working")}, {time.Second, syncing}, {time.Hour, up("finished")}}, nil},
		{"nor is its last word, which comes with its end", []moment{{time.Hour, up("working")}, {time.Second, filling}, {time.Hour, up("finished")}, {time.Hour, up("error")}},
			[]string{"The agent stopped with an error"}},
		{"after a calm of 2 h a loss is news", []moment{
			{time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}, {time.Minute, down()}, {3 * time.Hour, up("")}, {time.Minute, down()}, {time.Hour, up("")}},
			[]string{"Connection lost", "Connection restored", "The connection keeps dropping", "Connection lost", "Connection restored"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTeller(all)
			for _, m := range c.life {
				w.set(m.lasts, m.s)
			}
			require.Equal(t, c.want, w.log)
		})
	}
}

func TestPreferencesSilenceAllButWhatNeedsTheUser(t *testing.T) {
	w := newTeller(Notify{})
	w.set(time.Hour, up("working"))
	w.set(time.Hour, up("waiting"))
	w.set(time.Hour, down())
	w.set(time.Hour, up(""))
	require.Empty(t, w.log)
	w.set(time.Hour, broken(network.Auth))
	w.set(time.Hour, portal())
	require.Equal(t, []string{"trouble auth", "trouble captive"}, w.log)
	require.True(t, w.out[0].Critical)
	require.Equal(t, EnterKey, w.out[0].Action)
	require.Equal(t, OpenLogin, w.out[1].Action)
}

// A network can say that it wants a login, and name no page: then a click does what the menu's first row does.
func TestAPortalWithoutAPageIsNotOpened(t *testing.T) {
	w := newTeller(Notify{})
	w.set(time.Hour, broken(network.Captive))
	require.Len(t, w.out, 1)
	require.Equal(t, TopicPortal, w.out[0].Topic)
	require.Equal(t, Reconnect, w.out[0].Action)
}

func TestQuietAfterWake(t *testing.T) {
	w := newTeller(all)
	w.set(time.Hour, up("working"))
	w.a = w.a.woke(w.now)
	w.set(8*time.Second, down())
	w.set(time.Hour, up("working"))
	require.Empty(t, w.log, "eight seconds of loss right after a wake")

	w.a = w.a.woke(w.now)
	start := w.now
	w.set(0, down())
	require.Equal(t, start.Add(wakeQuiet), w.a.wake())
	w.set(time.Minute, down())
	require.Equal(t, []string{"Connection lost"}, w.log, "what still is so after the quiet is told then")

	w = newTeller(all)
	w.set(time.Hour, up("working"))
	w.a = w.a.woke(w.now)
	w.set(5*time.Second, up("waiting"))
	require.Empty(t, w.log)
	w.set(time.Minute, up("waiting"))
	require.Equal(t, []string{"The agent is waiting for you"}, w.log)
}

// A laptop closed within 5 s of a loss must not wake up to "Connection lost": the tick comes an hour late.
func TestASleptTickIsAWake(t *testing.T) {
	w := newTeller(all)
	w.set(time.Hour, up(""))
	w.set(0, down())
	w.now = w.now.Add(time.Hour)
	w.step()
	require.Empty(t, w.log)
	w.set(6*time.Second, down())
	w.set(time.Hour, up(""))
	require.Empty(t, w.log)
}

// A day of flapping gives at most three notifications, however it flaps, and Alerts never asks for a wake in the past.
func TestADayOfFlapping(t *testing.T) {
	troubles := map[string]func() connection.Snapshot{
		"lost": down, "portal": portal, "given up": givenUp,
		"key": func() connection.Snapshot { return broken(network.Auth) },
	}
	for name, trouble := range troubles {
		for seed := range uint64(40) {
			dice := rand.New(rand.NewPCG(seed, 1))
			longestUp := time.Duration(1+dice.IntN(5000)) * time.Second
			longestDown := time.Duration(1+dice.IntN(600)) * time.Second
			w := newTeller(all)
			w.set(time.Hour, up(""))
			for end := w.now.Add(24 * time.Hour); w.now.Before(end); {
				w.set(time.Duration(dice.Int64N(int64(longestDown))), trouble())
				w.set(time.Duration(dice.Int64N(int64(longestUp))), up(""))
				if due := w.a.wake(); !due.IsZero() {
					require.True(t, due.After(w.now))
				}
			}
			require.LessOrEqual(t, len(w.log), 3, "%s, up ≤ %s, down ≤ %s: %v", name, longestUp, longestDown, w.log)
		}
	}
}

func TestNoticesHoldNothingOfTheConversation(t *testing.T) {
	w := newTeller(all)
	secret := func(s connection.Snapshot) connection.Snapshot {
		s.Title, s.Conversation, s.LastEventID = "merge with Initech", "merge with Initech", "merge with Initech"
		return s
	}
	w.set(time.Hour, secret(up("working")))
	w.set(time.Hour, secret(up("waiting")))
	w.set(time.Minute, secret(down()))
	w.set(time.Hour, secret(up("working")))
	w.set(time.Hour, secret(up("error")))
	w.set(time.Hour, secret(broken(network.Auth)))
	require.Len(t, w.out, 5)
	for _, n := range w.out {
		require.NotContains(t, n.Title+n.Body, "Initech")
		require.NotEmpty(t, n.Body)
	}
}

func TestRounded(t *testing.T) {
	for d, want := range map[time.Duration]string{
		200 * time.Millisecond: "1 s", 42 * time.Second: "42 s", 190 * time.Second: "3 min", 125 * time.Minute: "2 h",
	} {
		require.Equal(t, want, rounded(d))
	}
}
