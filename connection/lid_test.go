package connection

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
)

func TestHungUpBeforeSleep(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Minute, doze{}, "Reconnecting (1/10)...", "hang up 1, settle")
	require.True(t, l.m.wanted)
	l.then(0, failed(1, network.Reset), "Reconnecting (1/10)...", "") // the socket's last words
	quiet := func(after time.Duration, n Nudge) {
		l.then(after, n, "Reconnecting (1/10)...", "")
		require.Equal(t, 30*time.Second, l.m.wakeAt(l.now).Sub(l.now), "nobody dials in a computer that falls asleep again")
	}
	quiet(time.Second, Nudge{Link: true, Route: true})
	for range 60 { // dark wakes, in which the network comes and goes
		quiet(time.Minute, Nudge{Woke: 55 * time.Second, Dark: true, Link: true, Route: true})
	}
	l.then(time.Hour, Nudge{Woke: time.Hour, Lid: true}, "Reconnecting (1/10)...", "")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ready{session: 2}, "Connected", "ping 2")
	require.Zero(t, l.m.snapshot().Cause)
}

func TestASleepThatNeverCameIsNoReasonToStayDown(t *testing.T) {
	l := begin(t, remote)
	l.up()
	l.then(time.Minute, doze{}, "Reconnecting (1/10)...", "hang up 1, settle")
	l.due(30*time.Second, "Reconnecting (1/10)...", "dial 2")
}

func TestWhatSleepFindsDown(t *testing.T) {
	l := begin(t, remote)
	l.then(0, doze{}, "Disconnected", "settle")
	require.Zero(t, l.m.wakeAt(l.now), "nothing is wanted")
	l.then(0, Connect{}, "Connecting...", "dial 1")
	l.then(0, doze{}, "Reconnecting (1/10)...", "hang up 1, settle")
	l.then(time.Second, Nudge{Lid: true}, "Reconnecting (1/10)...", "")
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 2")

	wrong := network.Failure{Cause: network.Auth, Verdict: network.Final}
	text := "Error: " + explain(wrong, remote.Server).Text
	l.then(0, ended{2, wrong}, text, "")
	l.then(time.Minute, doze{}, text, "settle")
	l.then(time.Hour, Nudge{Woke: time.Hour, Lid: true}, text, "")
}

func TestALidThatFlaps(t *testing.T) {
	l := begin(t, remote)
	l.up()
	dials := 0
	for range 60 { // shut and open, once a second
		l.now = l.now.Add(500 * time.Millisecond)
		l.m, _ = l.m.step(moment{l.now, 0.5}, doze{})
		l.now = l.now.Add(500 * time.Millisecond)
		l.m, _ = l.m.step(moment{l.now, 0.5}, Nudge{Lid: true})
		for at := l.m.wakeAt(l.now); !at.IsZero() && at.Sub(l.now) < 500*time.Millisecond; at = l.m.wakeAt(l.now) {
			l.now = at
			l.m, l.did = l.m.step(moment{l.now, 0.5}, tick{})
			if says(l.did) != "" {
				dials++
			}
		}
	}
	require.LessOrEqual(t, dials, kicksPerMin+1)
	l.then(time.Minute, Nudge{Lid: true}, "Reconnecting (1/10)...", map[bool]string{true: "hang up " + strconv.FormatUint(l.m.session, 10)}[l.m.live])
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial "+strconv.FormatUint(l.m.session+1, 10))
}

func TestTwentyLinkFlapsAreOneDial(t *testing.T) {
	l := begin(t, remote)
	l.chance = 0.99
	l.up()
	l.then(time.Minute, Nudge{Link: true}, "Reconnecting (1/10)...", "hang up 1")
	for range 20 {
		l.then(5*time.Millisecond, Nudge{Link: true, Route: true}, "Reconnecting (1/10)...", "")
		l.then(5*time.Millisecond, Nudge{Link: true}, "Reconnecting (1/10)...", "")
	}
	l.then(5*time.Millisecond, Nudge{Link: true, Route: true}, "Reconnecting (1/10)...", "")
	l.due(297*time.Millisecond, "Reconnecting (1/10)...", "dial 2")
	l.then(10*time.Millisecond, ready{session: 2}, "Connected", "ping 2")
}

func TestAProxyThatCutsSilence(t *testing.T) {
	l := begin(t, remote)
	l.up()
	require.Equal(t, 15*time.Second, l.m.every(l.now))
	reset, closed := network.Failure{Cause: network.Reset}, network.Failure{Cause: network.Reset, Status: 1000}
	for _, row := range []struct {
		what  string
		f     network.Failure
		quiet time.Duration
		every time.Duration // that follows
	}{
		{"once is chance", reset, 10 * time.Second, 15 * time.Second},
		{"broken while it talked", reset, time.Second, 15 * time.Second},
		{"once again", reset, 10 * time.Second, 15 * time.Second},
		{"twice in a row", reset, 12 * time.Second, 10 * time.Second * 2 / 3},
		{"known for good", reset, time.Second, 10 * time.Second * 2 / 3},
		{"a shorter one", reset, 6 * time.Second, 4 * time.Second},
		{"closed properly", closed, 5 * time.Second, 4 * time.Second},
	} {
		l.m.phase, l.m.heard = Online, l.now.Add(-row.quiet)
		m, _ := l.m.step(moment{l.now, 0.5}, ended{l.m.session, row.f})
		l.m.hush = m.hush
		require.Equal(t, row.every, l.m.every(l.now), row.what)
	}
	l.m.phase = Online
	l.then(0, Nudge{Link: true, Route: true}, "Connected", "ping 1")
	require.Equal(t, 15*time.Second, l.m.every(l.now), "another network")
}

// sleeper is a machine that can sleep in a world where only the awake time passes.
type sleeper struct{ slept atomic.Int64 }

func (s *sleeper) since() time.Duration { return time.Duration(s.slept.Swap(0)) }

func TestEightHoursOfSleep(t *testing.T) {
	for name, told := range map[string]bool{"told of by the system": true, "seen by the clocks": false} {
		t.Run(name, func(t *testing.T) {
			var machine sleeper
			inWorld(t, demo.Options{}, func(w *world) {
				w.stop()
				w.opt.Slept = machine.since
				w.start()
				w.until(Connected, time.Minute)
				w.pass(10 * time.Minute)
				if told {
					from := time.Now()
					require.NoError(t, w.manager.FallAsleep(context.Background()))
					require.LessOrEqual(t, time.Since(from), 200*time.Millisecond)
					open, _ := w.pipe.Open()
					require.Zero(t, open, "closed before the sleep")
					w.mu.Lock()
					require.NotEmpty(t, w.stored[bookKey{w.opt.Target.Identity(), w.opt.Target.Conversation}].At)
					w.mu.Unlock()
				} else {
					w.pipe.Partition(true) // what the server sends meets nobody
				}
				w.server.Publish(200)
				machine.slept.Store(int64(8 * time.Hour))
				dials := w.server.Dials()
				if told {
					w.do(Nudge{Lid: true})
				} else {
					w.until(Reconnecting, 16*time.Second) // at the next tick at the latest
					require.Contains(t, w.manager.Snapshot().Cause.Detail, "left for a sleep", "nobody waits for a pong")
				}
				w.pipe.Cut()
				w.pipe.Partition(false)
				require.LessOrEqual(t, w.until(Connected, time.Minute), 2500*time.Millisecond)
				require.Equal(t, dials+1, w.server.Dials())
				w.server.SetMood(demo.Quiet)
				w.whole()
			})
		})
	}
}

func TestDarkWakesTearNothingDown(t *testing.T) {
	var machine sleeper
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.stop()
		w.opt.Slept, w.opt.DarkWakes = machine.since, true
		w.start()
		w.until(Connected, time.Minute)
		dials := w.server.Dials()
		for range 8 * 60 {
			machine.slept.Store(int64(55 * time.Second))
			w.pass(5 * time.Second)
		}
		require.Equal(t, dials, w.server.Dials())
		require.Equal(t, Connected, w.manager.Snapshot().Status)
		w.whole()
	})
}

// setClock is a moment after somebody moved the wall clock: the monotonic reading goes on as if nothing had happened. Only
// the kernel can do that to a process, so a bit of time.Time is moved here instead (its wall seconds begin at bit 30).
func setClock(at time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&at)) += uint64(by/time.Second) << 30
	return at
}

func TestAClockThatIsSetReconnectsNobody(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		l := begin(t, remote)
		l.now = time.Now()
		l.m = newMachine(remote, Retry{}, Heartbeat{}, l.now)
		l.up()
		moved := setClock(l.now, by)
		require.Equal(t, by, moved.Round(0).Sub(l.now.Round(0)), "the wall moved")
		require.Zero(t, moved.Sub(l.now), "and nothing else")
		l.now = moved
		l.then(0, tick{}, "Connected", "")
		for range 240 { // an hour
			l.due(15*time.Second-l.now.Sub(l.m.pulse.last), "Connected", "ping 1")
			l.then(50*time.Millisecond, ponged{1, 50 * time.Millisecond}, "Connected", "")
		}
	}
}
