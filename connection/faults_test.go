package connection

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/persistence"
)

// TestRandomFaults plays seeded scripts of faults, each in its own bubble, and holds after every one: nothing in the
// server's history is lost, doubled or reordered, there is never more than one dial in flight, and the line comes back.
// HANDLINE_SCRIPTS changes how many, HANDLINE_SEED where they begin.
func TestRandomFaults(t *testing.T) {
	usual := uint64(10_000)
	if testing.Short() {
		usual /= 20
	}
	scripts, first := number64("HANDLINE_SCRIPTS", usual), number64("HANDLINE_SEED", 1)
	for name, o := range map[string]demo.Options{
		"socketio": {Dialect: demo.V0}, "events": {Dialect: demo.AgentServer, Version: "1.40.0"}, "session": {Dialect: demo.AgentServer},
		"session with large events": {Dialect: demo.AgentServer, Frame: 330},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for o.Seed = first; o.Seed < first+scripts; o.Seed += 4 {
				playFaults(t, o)
			}
		})
		first++ // each dialect has a quarter of the seeds
	}
}

func number64(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

func playFaults(t *testing.T, o demo.Options) {
	defer func() {
		if t.Failed() {
			t.Logf("play it again with HANDLINE_SCRIPTS=1 HANDLINE_SEED=%d", o.Seed)
		}
	}()
	dice := rand.New(rand.NewPCG(o.Seed, 7))
	moods := []demo.Mood{demo.Steady, demo.Chatty, demo.Quiet, demo.SlowReplay, demo.Silent, demo.Flapping, demo.Down, demo.Captive,
		demo.CaptiveHTML, demo.Draining, demo.Unavailable, demo.Throttled, demo.Hang, demo.HangGreeting}
	inWorld(t, o, func(w *world) {
		for range 3 + dice.IntN(8) {
			w.trouble(dice, moods)
			w.pass(time.Duration(dice.Int64N(int64(20 * time.Second))))
		}
		w.pipe.Partition(false)
		w.pipe.Latency(0)
		w.pipe.Hang(false)
		w.pipe.CutAfter(demo.ToClient, -1)
		w.pipe.CutAfter(demo.ToServer, -1)
		w.server.SetMood(demo.Quiet)
		w.do(Reconnect{})
		w.pass(time.Second)
		w.server.Publish(3)
		w.until(Connected, time.Minute)
		w.pass(40 * time.Second)
		w.whole()
		require.LessOrEqual(w.t, w.pipe.InFlight(), 1, "dials in flight")
		_, peak := w.pipe.Open()
		require.LessOrEqual(w.t, peak, 3, "one socket, one request, and one request that is just ending")
	})
}

// trouble makes one thing go wrong, or right again.
func (w *world) trouble(dice *rand.Rand, moods []demo.Mood) {
	switch dice.IntN(14) {
	case 0, 1, 2, 3:
		w.server.SetMood(moods[dice.IntN(len(moods))])
	case 4:
		w.pipe.Partition(dice.IntN(2) == 0)
	case 5:
		w.pipe.Latency(time.Duration(dice.IntN(800)) * time.Millisecond)
	case 6:
		w.pipe.CutAfter(demo.ToClient, dice.IntN(3000))
	case 7:
		w.pipe.CutAfter(demo.ToServer, dice.IntN(900))
	case 8:
		w.pipe.Cut()
	case 9:
		w.server.Publish(dice.IntN(300))
	case 10:
		w.do([]Command{Connect{}, Disconnect{}, Reconnect{}, Nudge{}, Nudge{Woke: time.Hour}, Nudge{Link: true}, Nudge{Link: true, Route: true}}[dice.IntN(7)])
	case 11:
		w.stop()
		w.start()
	case 12:
		w.crash()
		w.start()
	case 13:
		w.pipe.Hang(dice.IntN(2) == 0)
	}
}

// crash ends the manager as kill -9 does: nothing is stored any more. What was applied beyond the stored cursor died
// with the process, so it is taken out of the record: the next process must apply exactly that again.
func (w *world) crash() {
	w.pipe.Cut() // a dead process says nothing more
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = false
	for _, c := range w.stored {
		for n := len(w.applied); n > 0; n-- {
			if last := w.applied[n-1]; c.At != "" && last.cursor == c.At || slices.Contains(c.Recent, last.id) || slices.Contains(c.Since, last.id) {
				break
			}
			w.applied = w.applied[:n-1]
		}
		return
	}
	w.applied = nil
}

func TestKilledInTheMiddleOfAStream(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Chatty}, func(w *world) {
		for range 50 {
			w.until(Connected, time.Minute)
			w.pass(rand.N(10 * time.Second))
			w.crash()
			w.pass(rand.N(10 * time.Second))
			w.start()
		}
		w.until(Connected, time.Minute)
		w.pass(10 * time.Second)
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}

func TestAFullDiskLosesNothing(t *testing.T) {
	inWorld(t, demo.Options{}, func(w *world) {
		w.until(Connected, time.Minute)
		w.mu.Lock()
		w.full = true
		w.mu.Unlock()
		w.pass(10 * time.Minute)
		require.Equal(w.t, Connected, w.manager.Snapshot().Status)
		w.mu.Lock()
		w.full = false
		w.mu.Unlock()
		w.do(Reconnect{})
		w.pass(2 * saveAgain)
		w.mu.Lock()
		at := w.stored[bookKey{w.opt.Target.Identity(), w.opt.Target.Conversation}]
		notes := slices.ContainsFunc(w.notes, func(e persistence.Entry) bool { return e.Status == string(Connected) })
		w.mu.Unlock()
		require.NotEmpty(w.t, at.At)
		require.True(w.t, notes, "the timeline waited for the disk")
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}
