package connection

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/persistence"
)

func TestConnectsAndHearsEverything(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Chatty}, func(w *world) {
		w.pass(500 * time.Millisecond) // a history before the first dial is replayed
		require.LessOrEqual(w.t, w.until(Connected, time.Minute), time.Second)
		w.pass(time.Minute)
		w.server.SetMood(demo.Quiet)
		w.whole()
		s := w.manager.Snapshot()
		require.Equal(w.t, "socketio", s.Dialect)
		require.Greater(w.t, s.Events, uint64(5000))
		require.Equal(w.t, Excellent, s.Quality)
		require.False(w.t, s.Syncing)
	})
}

func TestAWorkingDay(t *testing.T) {
	inWorld(t, demo.Options{}, func(w *world) {
		w.until(Connected, time.Minute)
		for _, m := range []demo.Mood{demo.Steady, demo.Draining, demo.SlowReplay, demo.Down, demo.Unavailable, demo.Steady, demo.Silent} {
			w.server.SetMood(m)
			w.pass(time.Hour)
			w.server.SetMood(demo.Steady)
			w.pass(10 * time.Minute)
			require.Equal(w.t, Connected, w.manager.Snapshot().Status, "after %s", m)
		}
		w.server.SetMood(demo.Quiet)
		w.whole()
		_, peak := w.pipe.Open()
		require.LessOrEqual(w.t, peak, 2, "one socket, and one request beside it")
	})
}

func TestAnHourOf503(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Unavailable}, func(w *world) {
		w.pass(time.Hour)
		require.Equal(w.t, Error, w.manager.Snapshot().Status)
		require.Equal(w.t, network.Unavailable, w.manager.Snapshot().Cause.Code)
		require.Less(w.t, w.server.Dials(), 800, "the server asked for five seconds, and got them")
		w.server.SetMood(demo.Steady)
		w.until(Connected, 7*time.Second)
	})
}

// Every dial that comes to nothing is counted, and none of them costs the disk a write of its own.
func TestFailedDialsAreCounted(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Unavailable}, func(w *world) {
		w.stop() // which may have been in the middle of its first
		counted, writes := 0, 0
		w.opt.Save = func(b persistence.Batch) error {
			for _, causes := range b.Failures {
				require.Len(w.t, causes, 1)
				counted += causes["unavailable"]
			}
			if len(b.Failures) > 0 {
				writes++
			}
			return w.save(b)
		}
		before := w.server.Dials()
		w.start()
		w.pass(time.Hour)
		told := counted
		for _, causes := range w.manager.Missed() {
			told += causes["unavailable"]
		}
		require.InDelta(w.t, w.server.Dials()-before, told, 1, "what is not stored yet is told as well")
		w.stop()
		require.Greater(w.t, counted, 100)
		require.InDelta(w.t, w.server.Dials()-before, counted, 1, "the last one may not have come to its end")
		require.LessOrEqual(w.t, writes, 65)
	})
}

func TestAnHourOfAcceptThenDrop(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Flapping}, func(w *world) {
		w.pass(time.Hour)
		w.t.Attr("dials-per-hour", strconv.Itoa(w.server.Dials()))
		require.LessOrEqual(w.t, w.server.Dials(), 200)
		require.Greater(w.t, w.server.Dials(), 10)
	})
}

func TestASilentPeerIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		look time.Duration
		most time.Duration
	}{"nobody looks": {0, 25 * time.Second}, "someone looks": {time.Hour, 9 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
				w.until(Connected, time.Minute)
				w.do(Look{For: c.look})
				for range 20 {
					w.pass(40*time.Second + rand.N(15*time.Second))
					w.pipe.Partition(true)
					noticed := w.until(Reconnecting, time.Minute)
					require.LessOrEqual(w.t, noticed, c.most)
					require.GreaterOrEqual(w.t, noticed, 2*time.Second)
					w.pipe.Partition(false)
					w.until(Connected, 15*time.Second)
				}
				w.whole()
			})
		})
	}
}

func TestAWrongKeyIsDialledOnce(t *testing.T) {
	inWorld(t, demo.Options{Key: "secret-key", Mood: demo.Refusing}, func(w *world) {
		w.until(Error, time.Minute)
		require.Equal(w.t, network.Auth, w.manager.Snapshot().Cause.Code)
		w.pass(24 * time.Hour)
		require.Equal(w.t, 1, w.server.Dials())
		w.server.SetMood(demo.Steady)
		w.do(KeyChanged{})
		w.until(Connected, time.Second)
	})
}

func TestAGreetingThatHangsEnds(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.HangGreeting}, func(w *world) {
		took := w.until(Reconnecting, time.Minute)
		require.InDelta(w.t, readyTime.Seconds(), took.Seconds(), 1)
		w.server.SetMood(demo.Steady)
		w.until(Connected, time.Minute)
	})
}

func TestProgressExtendsTheGreeting(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.until(Connected, time.Minute)
		w.server.SetMood(demo.SlowReplay)
		w.until(Reconnecting, time.Minute)
		w.until(Connected, 5*time.Minute)
		require.Equal(w.t, 2, w.server.Dials(), "a slow replay is not a dead one")
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}

func TestDisconnectIsPromptInEveryMood(t *testing.T) {
	for _, mood := range demo.Moods() {
		t.Run(mood.Name(), func(t *testing.T) {
			inWorld(t, demo.Options{Mood: mood}, func(w *world) {
				for _, wait := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 3 * time.Second} {
					w.do(Connect{})
					w.pass(wait)
					w.do(Disconnect{})
					w.pass(100 * time.Millisecond)
					require.Equal(w.t, Disconnected, w.manager.Snapshot().Status)
					open, _ := w.pipe.Open()
					require.Zerof(w.t, open, "100 ms after Disconnect, %v after Connect", wait)
					require.LessOrEqual(w.t, w.pipe.InFlight(), 1)
				}
			})
		})
	}
}

func TestStopsPromptlyWhereNothingAnswers(t *testing.T) {
	inWorld(t, demo.Options{}, func(w *world) {
		w.do(Disconnect{})
		w.pipe.Hang(true)
		w.do(Connect{})
		w.pass(time.Second)
		from := time.Now()
		w.stop()
		require.LessOrEqual(w.t, time.Since(from), 100*time.Millisecond)
	})
}

func TestARestartResumesWhereItWas(t *testing.T) {
	inWorld(t, demo.Options{}, func(w *world) {
		w.until(Connected, time.Minute)
		for range 20 {
			w.pass(rand.N(20 * time.Second))
			w.stop()
			w.pass(rand.N(20 * time.Second))
			w.start()
			w.until(Connected, time.Minute)
		}
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}

func TestCursorsAreStoredAtMostOnceASecond(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Chatty}, func(w *world) {
		w.until(Connected, time.Minute)
		w.pass(time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		require.LessOrEqual(w.t, len(w.saves), 62)
		require.Greater(w.t, len(w.saves), 50)
	})
}

func TestWatchersNeverBlockAndSeeTheLatest(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Chatty}, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		slow := 0
		for s := range w.manager.Watch(ctx) {
			slow++
			w.pass(10 * time.Second)
			require.Less(w.t, s.Seq, w.manager.Snapshot().Seq)
			if slow == 10 {
				break
			}
		}
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}
