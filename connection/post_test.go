package connection

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/backend"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// Messages over whole lines, in virtual time. What the server says users asked is the truth.

// spoken are the servers that a message may be sent to, each with what its dialect is called.
func spoken() map[string]demo.Options {
	return map[string]demo.Options{
		"socketio": {Dialect: demo.V0, Mood: demo.Quiet},
		"events":   {Dialect: demo.AgentServer, Version: "1.40.0", Mood: demo.Quiet},
		"session":  {Dialect: demo.AgentServer, Mood: demo.Quiet},
	}
}

// everywhere plays a story in each dialect.
func everywhere(t *testing.T, story func(w *world)) {
	for name, o := range spoken() {
		t.Run(name, func(t *testing.T) { inWorld(t, o, story) })
	}
}

// says sends a message, which must be taken.
func (w *world) says(text string) Message {
	w.t.Helper()
	m, err := w.manager.Send(context.Background(), text)
	require.NoError(w.t, err)
	return m
}

// became waits until a message is in a state.
func (w *world) became(id, state string, within time.Duration) Message {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var last []Message
	for all := range w.manager.WatchOutbox(ctx) {
		last = all
		for _, m := range all {
			if m.ID == id && m.State == state {
				return m
			}
		}
	}
	w.t.Fatalf("message %s is not %s within %v: %v", id, state, within, last)
	return Message{}
}

// arrived checks what the server took, which must be all that was said, once and in order, and nothing may be left here.
func (w *world) arrived(said ...string) {
	w.t.Helper()
	w.pass(time.Second)
	require.Equal(w.t, said, w.server.Asked(demo.DefaultConversation))
	for _, m := range w.manager.Outbox() {
		require.Equal(w.t, Confirmed, m.State, "message %s", m.ID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Empty(w.t, w.mail, "confirmed messages leave the disk")
}

func TestMessagesArrive(t *testing.T) {
	everywhere(t, func(w *world) {
		w.until(Connected, time.Minute)
		w.server.SetMood(demo.Chatty)
		var said []string
		var last Message
		for n := range 30 {
			said = append(said, fmt.Sprintf("message %d: \"schön\" \\ 你好 🚀\n", n/2)) // each text twice
			last = w.says(said[n])
		}
		w.became(last.ID, Confirmed, 10*time.Second)
		w.server.SetMood(demo.Quiet)
		w.arrived(said...)
		w.whole()
	})
}

func TestAPlainServerConfirmsByItsAck(t *testing.T) {
	inWorld(t, demo.Options{Dialect: demo.Plain, Mood: demo.Quiet}, func(w *world) {
		w.stop()
		w.opt.Target.Conversation, w.opt.Wanted = "", false
		w.start()
		_, err := w.manager.Send(context.Background(), "too early")
		require.ErrorIs(w.t, err, ErrNoConversation, "whether there are conversations is not known yet")
		w.do(Connect{})
		w.until(Connected, time.Minute)
		w.became(w.says("one").ID, Confirmed, time.Second)
		w.server.SetMood(demo.Deaf)
		m := w.says("two")
		w.pass(confirmTime - time.Second)
		w.became(m.ID, Sending, 0)
		w.became(m.ID, Unknown, 2*time.Second)
		w.server.SetMood(demo.Quiet)
		w.do(Decide{m.ID, VerbRetry})
		w.became(m.ID, Confirmed, 5*time.Second)
		w.arrived("one", "two")
	})
}

func TestTypedOfflineArrivesWithTheLine(t *testing.T) {
	everywhere(t, func(w *world) {
		w.until(Connected, time.Minute)
		w.server.SetMood(demo.Down)
		w.until(Reconnecting, time.Minute)
		w.says("one")
		w.says("two")
		w.pass(time.Second)
		require.Equal(w.t, 2, w.manager.Snapshot().Queued)
		require.Contains(w.t, w.manager.Snapshot().Detail(time.Now()), "2 messages queued")
		w.stop()
		w.pass(10 * time.Second)
		w.start()
		last := w.says("three")
		w.pass(time.Second)
		require.Equal(w.t, 3, w.manager.Snapshot().Queued)
		w.server.SetMood(demo.Quiet)
		w.until(Connected, time.Minute)
		w.became(last.ID, Confirmed, 2*time.Second)
		w.arrived("one", "two", "three")
	})
}

// Every byte of both directions is once the last one that gets through.
func TestCutAtEveryByteOfASend(t *testing.T) {
	for name, o := range spoken() {
		for _, way := range []demo.Direction{demo.ToServer, demo.ToClient} {
			t.Run(fmt.Sprintf("%s/%d", name, way), func(t *testing.T) {
				t.Parallel()
				step := 1
				if testing.Short() {
					step = 7
				}
				n := 0
				defer func() { t.Logf("cut after each of %d bytes", n) }()
				for cut := true; cut; n += step {
					inWorld(t, o, func(w *world) { cut = sendsThroughACut(w, way, n) })
				}
				require.Greater(t, n, 200)
			})
		}
	}
}

// sendsThroughACut says whether the connection was cut at all.
func sendsThroughACut(w *world, way demo.Direction, n int) bool {
	w.until(Connected, time.Minute)
	w.do(Disconnect{})
	w.pass(2 * time.Second)
	w.pipe.CutAfter(way, n)
	w.says("yes")
	w.says("yes")
	last := w.says("no")
	w.do(Connect{})
	w.became(last.ID, Confirmed, time.Minute)
	w.pass(5 * time.Second) // for a second copy to turn up
	w.arrived("yes", "yes", "no")
	w.whole()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.notes, func(e persistence.Entry) bool { return e.Status == string(Reconnecting) })
}

// playKills is one life: a person who sends, a process that dies, a line that breaks.
func playKills(t *testing.T, o demo.Options) {
	defer func() {
		if t.Failed() {
			t.Logf("play it again with HANDLINE_SENDS=1 HANDLINE_SEED=%d", o.Seed)
		}
	}()
	dice := rand.New(rand.NewPCG(o.Seed, 3))
	o.Mood = []demo.Mood{demo.Quiet, demo.Steady, demo.Chatty}[dice.IntN(3)]
	inWorld(t, o, func(w *world) {
		w.stop()
		w.opt.Chance = rand.New(rand.NewPCG(o.Seed, 5)).Float64
		w.start()
		w.kills(dice)
	})
}

func (w *world) kills(dice *rand.Rand) {
	var said []string
	for n := range 4 + dice.IntN(4) {
		w.pass(time.Duration(dice.IntN(1500)) * time.Millisecond)
		text := []string{"yes", "no", fmt.Sprint("message ", n)}[dice.IntN(3)]
		if _, err := w.manager.Send(context.Background(), text); err == nil {
			said = append(said, text)
		}
		if dice.IntN(2) == 0 {
			w.pass(time.Duration(dice.IntN(30)) * time.Millisecond)
		}
		switch dice.IntN(6) {
		case 0, 1, 2:
			w.crash()
			w.pass(time.Duration(dice.IntN(2000)) * time.Millisecond)
			w.start()
		case 3:
			w.pipe.CutAfter(demo.Direction(dice.IntN(2)), dice.IntN(3000))
			w.pipe.Cut()
		case 4:
			w.pipe.Latency(time.Duration(dice.IntN(200)) * time.Millisecond)
		case 5:
			w.stop()
			w.start()
		}
	}
	w.pipe.CutAfter(demo.ToClient, math.MaxInt)
	w.pipe.CutAfter(demo.ToServer, math.MaxInt)
	w.pipe.Cut()
	w.pipe.Latency(0)
	w.pass(time.Second)
	w.until(Connected, time.Minute)
	w.pass(time.Minute)
	w.arrived(said...)
	w.server.SetMood(demo.Quiet)
	w.whole()
}

// HANDLINE_SENDS changes how many lives are played, HANDLINE_SEED where they begin.
func TestKilledWhileSending(t *testing.T) {
	lives, first := number64("HANDLINE_SENDS", 1000), number64("HANDLINE_SEED", 1)
	if testing.Short() {
		lives /= 20
	}
	for name, o := range spoken() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for o.Seed = first; o.Seed < first+(lives+2)/3; o.Seed++ {
				playKills(t, o)
			}
		})
	}
}

func TestEachConversationHasItsOwnQueue(t *testing.T) {
	const other = "5f0c5d1f-2b0e-4f6b-8f4f-0a7c9d3e1b22"
	for name, o := range spoken() {
		o.Conversations = []string{demo.DefaultConversation, other}
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.until(Connected, time.Minute)
				w.server.SetMood(demo.Down)
				w.until(Reconnecting, time.Minute)
				w.says("here")
				there := w.opt.Target
				there.Conversation = other
				w.do(Use{there})
				w.pass(time.Second)
				w.says("there")
				w.pass(0)
				require.Equal(w.t, 2, w.manager.Snapshot().Queued)
				w.server.SetMood(demo.Quiet)
				w.until(Connected, time.Minute)
				w.pass(5 * time.Second)
				require.Equal(w.t, []string{"there"}, w.server.Asked(other))
				require.Equal(w.t, 1, w.manager.Snapshot().Queued, "it waits for its conversation")
				w.do(Use{w.opt.Target})
				w.pass(5 * time.Second)
				w.arrived("here")
				require.Equal(w.t, []string{"there"}, w.server.Asked(other))
			})
		})
	}
}

func TestAServerThatShowsNothingLeavesItUnknown(t *testing.T) {
	everywhere(t, func(w *world) {
		w.until(Connected, time.Minute)
		w.server.SetMood(demo.Deaf)
		m := w.says("one")
		w.pass(confirmTime - time.Second)
		require.Contains(w.t, []string{Sending, Accepted}, w.manager.Outbox()[0].State)
		m = w.became(m.ID, Unknown, 3*time.Second)
		require.Equal(w.t, []Verb{VerbCheck, VerbRetry, VerbDiscard}, m.Verbs)
		require.Contains(w.t, w.manager.Snapshot().Detail(time.Now()), "1 message needs you")
		w.server.SetMood(demo.Steady)
		w.became(w.says("two").ID, Confirmed, time.Second)
		w.do(Decide{m.ID, VerbCheck})
		w.pass(5 * time.Second)
		require.Equal(w.t, "The server's history does not have it.", w.became(m.ID, Unknown, 0).Why)
		w.do(Decide{m.ID, VerbRetry})
		w.became(m.ID, Confirmed, 5*time.Second)
		w.arrived("two", "one")
	})
}

func TestAServerThatRefusesIsQuoted(t *testing.T) {
	for _, name := range []string{"events", "session"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, spoken()[name], func(w *world) {
				w.until(Connected, time.Minute)
				w.server.SetMood(demo.Declining)
				m := w.says("one")
				m = w.became(m.ID, Failed, time.Second)
				require.Equal(w.t, "The server did not take it: ValidationError: 1 validation error for Message", m.Why)
				w.stop()
				w.start()
				w.became(m.ID, Failed, time.Second)
				w.until(Connected, time.Minute)
				w.server.SetMood(demo.Quiet)
				w.do(Decide{m.ID, VerbRetry})
				w.became(m.ID, Confirmed, time.Second)
				w.arrived("one")
			})
		})
	}
}

// An agent-server takes a conversation's id without its dashes, as addresses have it, and gives it back with them. What was
// typed before it was asked goes where it was meant.
func TestAnotherNameForAConversation(t *testing.T) {
	inWorld(t, demo.Options{Dialect: demo.AgentServer, Mood: demo.Down}, func(w *world) {
		w.stop()
		w.opt.Locate = (&backend.Client{Dialer: w.opt.Dialer}).Locate
		w.opt.Target.Conversation = strings.ReplaceAll(demo.DefaultConversation, "-", "")
		w.start()
		m := w.says("one")
		w.pass(time.Second)
		w.crash()
		w.start()
		w.became(m.ID, Queued, time.Second)
		w.server.SetMood(demo.Quiet)
		w.until(Connected, time.Minute)
		require.Equal(w.t, demo.DefaultConversation, w.became(m.ID, Confirmed, 5*time.Second).Conversation)
		w.arrived("one")
		w.pass(time.Second)
		require.Empty(w.t, w.mail)
		w.crash()
		w.start()
		w.until(Connected, time.Minute)
		w.became(w.says("two").ID, Confirmed, 5*time.Second)
		w.arrived("one", "two")
	})
}

// An error of voice-code's names no message. It is taken for the one in flight, which may have arrived all the same.
func TestAVagueRefusalLeavesItUnknown(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.until(Connected, time.Minute)
				w.pass(time.Second)
				w.server.SetMood(demo.Declining)
				m := w.became(w.says("one").ID, Unknown, time.Second)
				require.Equal(w.t, "It may have arrived. The server only said: The prompt was refused", m.Why)
				require.Equal(w.t, []Verb{VerbCheck, VerbRetry, VerbDiscard}, m.Verbs)
				w.server.SetMood(demo.Quiet)
				w.became(w.says("two").ID, Confirmed, time.Minute)
				w.do(Decide{m.ID, VerbRetry})
				w.became(m.ID, Confirmed, time.Minute)
				w.arrived("two", "one")
			})
		})
	}
}

// The longest text that is taken, in characters that become six bytes each on the way. What agent-servers take is more.
func TestWhatIsTooLongIsSaidSo(t *testing.T) {
	servers := spoken()
	servers["voicecode"] = demo.Options{Dialect: demo.VoiceCode, Version: "0.4.0", Mood: demo.Quiet}
	for name, o := range servers {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.until(Connected, time.Minute)
				w.pass(time.Second)
				m := w.says(strings.Repeat("\x01", persistence.MostTextBytes))
				if name == "socketio" || name == "voicecode" {
					m = w.became(m.ID, Failed, time.Second)
					require.Equal(w.t, "It is too long: 6292 KB, and this server takes 4194 KB at most.", m.Why)
					require.Empty(w.t, w.server.Asked(demo.DefaultConversation), "it never leaves")
				} else {
					w.became(m.ID, Confirmed, 10*time.Second)
				}
				w.until(Connected, time.Minute)
				w.became(w.says(strings.Repeat("x", persistence.MostTextBytes)).ID, Confirmed, 10*time.Second)
			})
		})
	}
}

func TestWhatCannotBeStoredIsNotTaken(t *testing.T) {
	everywhere(t, func(w *world) {
		w.until(Connected, time.Minute)
		w.mu.Lock()
		w.full = true
		w.mu.Unlock()
		_, err := w.manager.Send(context.Background(), "one")
		require.ErrorIs(w.t, err, syscall.ENOSPC)
		require.Empty(w.t, w.manager.Outbox())
		w.mu.Lock()
		w.full = false
		w.mu.Unlock()
		w.server.SetMood(demo.Down)
		w.until(Reconnecting, time.Minute)
		m := w.says("two")
		w.mu.Lock()
		w.full = true
		w.mu.Unlock()
		w.server.SetMood(demo.Quiet)
		w.until(Connected, time.Minute)
		w.pass(time.Second)
		require.Equal(w.t, "It waits for the disk: no space left on device.", w.became(m.ID, Queued, 0).Why)
		require.Empty(w.t, w.server.Asked(demo.DefaultConversation), "nothing goes out that is not on disk as going out")
		w.mu.Lock()
		w.full = false
		w.mu.Unlock()
		w.became(m.ID, Confirmed, 2*tryAgain)
		w.pass(2 * saveAgain)
		w.arrived("two")
	})
}

func TestNothingIsSentThatMakesNoSense(t *testing.T) {
	inWorld(t, demo.Options{}, func(w *world) {
		ctx := context.Background()
		long := strings.Repeat("x", persistence.MostTextBytes+1)
		for text, want := range map[string]error{"": ErrNoText, " \n": ErrNoText, "\xff": ErrNotText, long: ErrTooLong} {
			_, err := w.manager.Send(ctx, text)
			require.ErrorIs(w.t, err, want)
		}
		w.do(Use{wire.Target{}})
		w.pass(time.Second)
		_, err := w.manager.Send(ctx, "one")
		require.Equal(w.t, network.Failure{Cause: network.NotSetUp}, err)
		w.do(Use{wire.Target{Server: "http://hands.example:3000", Dialect: wire.Auto}})
		w.pass(time.Second)
		_, err = w.manager.Send(ctx, "one")
		require.ErrorIs(w.t, err, ErrNoConversation)
		require.Empty(w.t, w.manager.Outbox())
	})
}

func TestQuittingGivesAMessageAMoment(t *testing.T) {
	everywhere(t, func(w *world) {
		w.pipe.Latency(200 * time.Millisecond)
		w.until(Connected, time.Minute)
		w.pass(5 * time.Second)
		w.says("one")
		w.pass(0)
		w.stop()
		w.mu.Lock()
		left := len(w.mail)
		w.mu.Unlock()
		require.Zero(w.t, left)
		require.Equal(w.t, []string{"one"}, w.server.Asked(demo.DefaultConversation))

		w.start()
		w.until(Connected, time.Minute)
		w.server.SetMood(demo.Deaf)
		m := w.says("two")
		w.pass(time.Second)
		from := time.Now()
		w.stop()
		require.InDelta(w.t, flushTime.Seconds(), time.Since(from).Seconds(), 0.2)
		w.server.SetMood(demo.Quiet)
		w.start()
		w.became(m.ID, Confirmed, 10*time.Second)
		w.arrived("one", "two")
	})
}

func TestASleepWaitsForWhatIsOnItsWay(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.pipe.Latency(200 * time.Millisecond)
		w.until(Connected, time.Minute)
		w.pass(5 * time.Second)
		from := time.Now()
		w.manager.Flush(context.Background())
		require.Zero(w.t, time.Since(from))
		w.says("one")
		w.pass(0)
		w.manager.Flush(context.Background())
		require.InDelta(w.t, 0.4, time.Since(from).Seconds(), 0.1)
		w.arrived("one")
		w.server.SetMood(demo.Silent)
		w.says("two")
		w.pass(0)
		from = time.Now()
		w.manager.Flush(context.Background())
		require.InDelta(w.t, flushTime.Seconds(), time.Since(from).Seconds(), 0.1)
		from = time.Now()
		require.NoError(w.t, w.manager.FallAsleep(context.Background()))
		require.InDelta(w.t, flushTime.Seconds(), time.Since(from).Seconds(), 0.2)
	})
}

func TestAHalfOpenLineIsNoticedByASend(t *testing.T) {
	everywhere(t, func(w *world) {
		w.until(Connected, time.Minute)
		w.pass(time.Minute)
		w.pipe.Partition(true)
		m := w.says("one")
		require.LessOrEqual(w.t, w.until(Reconnecting, time.Minute), doubtTime+doubtfulPing+time.Second)
		w.pipe.Partition(false)
		w.became(m.ID, Confirmed, time.Minute)
		w.pass(10 * time.Second)
		w.arrived("one")
	})
}

func TestTheTextOfAMessageIsNowhereElse(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.until(Connected, time.Minute)
		w.became(w.says("the password is swordfish").ID, Confirmed, time.Second)
		w.server.SetMood(demo.Down)
		w.says("the password is swordfish")
		w.pass(time.Minute)
		require.NotContains(w.t, fmt.Sprintf("%+v", w.manager.Snapshot()), "swordfish")
		w.mu.Lock()
		defer w.mu.Unlock()
		require.False(w.t, slices.ContainsFunc(w.notes, func(e persistence.Entry) bool {
			return strings.Contains(fmt.Sprintf("%+v", e), "swordfish")
		}))
	})
}
