package connection

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// voiceVersions are the servers of spec B that there are, and one that also does what was only proposed.
func voiceVersions() map[string]demo.Options {
	return map[string]demo.Options{
		"0.2":      {Dialect: demo.VoiceCode, Version: "0.2.0", Key: "secret-key", Mood: demo.Quiet},
		"0.3":      {Dialect: demo.VoiceCode, Version: "0.3.0", Key: "secret-key", Mood: demo.Quiet},
		"0.4":      {Dialect: demo.VoiceCode, Version: "0.4.0", Key: "secret-key", Mood: demo.Quiet},
		"0.5":      {Dialect: demo.VoiceCode, Version: "0.5.0", Key: "secret-key", Mood: demo.Quiet},
		"proposed": {Dialect: demo.VoiceCode, Version: "0.3.0", Key: "secret-key", Mood: demo.Quiet, Proposed: true},
	}
}

// A whole life: connect, subscribe, prompt, drop, resume, a goodbye, a refused key, a new one.
func TestAVoiceCodeSession(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.server.Publish(30)
				w.until(Connected, time.Minute)
				w.send("first", "second") // at once: the second meets the session's lock
				w.pass(20 * time.Second)
				require.Equal(w.t, []string{"first", "second"}, w.server.Asked(demo.DefaultConversation))
				require.Zero(w.t, w.manager.Snapshot().Queued)
				require.Equal(w.t, string(wire.AgentFinished), w.manager.Snapshot().Agent)

				w.pipe.Cut()
				w.until(Reconnecting, time.Minute)
				w.server.Publish(40)
				w.send("while away")
				w.until(Connected, time.Minute)
				w.pass(20 * time.Second)
				require.Equal(w.t, []string{"first", "second", "while away"}, w.server.Asked(demo.DefaultConversation))
				w.whole()

				w.pass(time.Minute)
				dials := len(w.pipe.Dials())
				w.server.SetMood(demo.Draining)
				left := time.Now()
				w.until(Reconnecting, time.Minute)
				require.Equal(w.t, network.Draining, w.manager.Snapshot().Cause.Code)
				w.until(Connected, time.Minute)
				require.WithinDuration(w.t, left.Add(3300*time.Millisecond), time.Now(), 400*time.Millisecond, "the server named three seconds")
				require.Len(w.t, w.pipe.Dials(), dials+1)

				w.server.SetMood(demo.Refusing)
				w.until(Error, time.Minute)
				require.Equal(w.t, network.Auth, w.manager.Snapshot().Cause.Code)
				dials = len(w.pipe.Dials())
				w.pass(time.Hour)
				require.Len(w.t, w.pipe.Dials(), dials, "a refused key is not tried again")
				w.server.SetMood(demo.Quiet)
				w.do(KeyChanged{})
				w.until(Connected, time.Minute)
				w.server.Publish(3)
				w.whole()
				seen := w.server.Seen()
				require.True(w.t, seen.KeyInFrame)
				require.False(w.t, seen.KeyInQuery || seen.KeyInHeader, "the key travels in connect and nowhere else")
				require.Equal(w.t, o.Proposed, seen.Acks > 0)
				require.LessOrEqual(w.t, w.pipe.InFlight(), 1)
			})
		})
	}
}

func (w *world) send(texts ...string) {
	for _, text := range texts {
		_, err := w.manager.Send(context.Background(), text)
		require.NoError(w.t, err)
	}
}

// A prompt whose line is cut anywhere arrives once or not at all, and is never claimed to have been sent when it was not.
func TestAVoiceCodePromptIsNeverDoubled(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := map[string]int{}
			for n := 450; n < 1000; n += 11 { // from within subscribe to behind the prompt
				inWorld(t, o, func(w *world) {
					w.until(Connected, time.Minute)
					w.pipe.CutAfter(demo.ToServer, n)
					w.do(Reconnect{})
					w.send("do it")
					w.pass(10 * time.Minute)
					asked := len(w.server.Asked(demo.DefaultConversation))
					require.LessOrEqual(w.t, asked, 1, "cut after %d bytes", n)
					all := w.manager.Outbox()
					require.Len(w.t, all, 1)
					ends[all[0].State]++
					if all[0].State == Confirmed {
						require.Equal(w.t, 1, asked)
					} else {
						require.Equal(w.t, Unknown, all[0].State)
					}
					w.whole()
				})
			}
			require.Greater(t, ends[Confirmed], 5)
			require.Greater(t, ends[Unknown], 5)
		})
	}
}

// 0.2 and 0.3 leave the middle out when not all fits, and 0.4 and 0.5 send windows.
func TestMoreThanOneHistoryHolds(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.stop()
				w.server.Publish(1500)
				w.start()
				w.until(Connected, time.Minute)
				w.whole()
				for range 2 {
					w.pipe.Fail(net.ErrClosed)
					w.pipe.Cut()
					w.server.Publish(1200)
					w.pass(time.Second)
					w.pipe.Fail(nil)
					w.until(Connected, time.Minute)
					w.whole()
				}
				require.False(w.t, w.manager.Snapshot().Syncing)
			})
		})
	}
}

// Something on the way breaks every connection after 80 KB: smaller histories get through it, step by step.
func TestAWeakLineIsAskedForLess(t *testing.T) {
	for _, version := range []string{"0.4.0", "0.5.0"} {
		inWorld(t, demo.Options{Dialect: demo.VoiceCode, Version: version, Mood: demo.Quiet}, func(w *world) {
			w.stop()
			w.opt.Dialer.Raw = func(ctx context.Context, network, address string) (net.Conn, error) {
				w.pipe.CutAfter(demo.ToClient, 80<<10)
				return w.pipe.Dial(ctx, network, address)
			}
			w.server.Publish(1200)
			w.start()
			w.pass(5 * time.Minute)
			require.Equal(w.t, Connected, w.manager.Snapshot().Status)
			w.whole()
		})
	}
}

func TestPortion(t *testing.T) {
	at := time.Now()
	var p portion
	broken := func() { p = p.after(network.Reset, at, time.Time{}, at, 0) }
	whole := func() { p = p.after(network.Reset, at, at, at.Add(time.Minute), 90<<10) }
	sizes := func(n int, what func()) (all []int) {
		for range n {
			what()
			all = append(all, p.kb)
		}
		return all
	}
	require.Equal(t, []int{0, 100, 100, 50, 50, 50}, sizes(6, broken))
	require.Equal(t, []int{50, 50, 50, 50, 50, 50, 50, 50, 50, 55}, sizes(10, whole))
	broken()
	whole()
	broken()
	require.Equal(t, 55, p.kb, "not twice in a row")
	require.Equal(t, 50, sizes(1, broken)[0])
	sizes(200, whole)
	require.Zero(t, p.kb, "as large as at first")

	p = portion{}
	for range 9 {
		p = p.after(network.Reset, time.Time{}, time.Time{}, at, 0)     // never ready
		p = p.after(network.Reset, at, at, at.Add(time.Second), 10<<10) // a small history
		p = p.after(network.Auth, at, time.Time{}, at, 0)               // another reason
	}
	require.Zero(t, p)
	p = p.after(network.TooBig, at, at, at.Add(time.Second), 90<<10)
	p = p.after(network.Timeout, at, at, at.Add(time.Second), 90<<10)
	require.Equal(t, portion{kb: 100}, p)
}

func TestASessionThatDoesNotExistIsSaidOnce(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				target := w.opt.Target
				target.Conversation = "no-such-session"
				w.do(Use{target})
				w.until(Error, time.Minute)
				require.Equal(w.t, network.Gone, w.manager.Snapshot().Cause.Code)
				dials := len(w.pipe.Dials())
				w.pass(time.Hour)
				require.Len(w.t, w.pipe.Dials(), dials)
			})
		})
	}
}

// Releases have no heartbeat. A quiet day must not look like a dead line, nor one that has heard heartbeats.
func TestAQuietDayOfVoiceCode(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.until(Connected, time.Minute)
				dials := len(w.pipe.Dials())
				w.pass(24 * time.Hour)
				require.Len(w.t, w.pipe.Dials(), dials)
				w.pipe.Partition(true)
				require.Less(w.t, w.until(Reconnecting, time.Minute), 30*time.Second)
			})
		})
	}
}

func TestRefusalsOfAnOldClientAreFinal(t *testing.T) {
	f := refused(wire.Event{Kind: wire.Refused, Final: true, Outdated: true, Reason: "too old"})
	require.Equal(t, network.Failure{Cause: network.Protocol, Verdict: network.Final, Detail: "too old"}, f)
	require.Contains(t, fmt.Sprint(Explain(f, "")), "Update")
}

// A few bad frames cost nothing but themselves; ten in a minute cost the line, and a frame of 17 MiB does at once.
func TestGarbageAmongGoodFrames(t *testing.T) {
	for name, o := range voiceVersions() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, o, func(w *world) {
				w.until(Connected, time.Minute)
				dials := len(w.pipe.Dials())
				w.server.SetMood(demo.Garbage)
				w.pass(15 * time.Second)
				w.server.SetMood(demo.Quiet)
				w.whole()
				require.Len(w.t, w.pipe.Dials(), dials)

				w.pass(time.Minute)
				w.server.SetMood(demo.Garbage)
				w.until(Reconnecting, time.Minute)
				require.Equal(w.t, network.Protocol, w.manager.Snapshot().Cause.Code)
				w.server.SetMood(demo.Quiet)
				w.until(Connected, time.Minute)
				w.whole()

				w.server.SetMood(demo.Huge)
				w.until(Reconnecting, time.Minute)
				require.Equal(w.t, network.TooBig, w.manager.Snapshot().Cause.Code)
				w.server.SetMood(demo.Quiet)
				w.until(Connected, time.Minute)
				w.whole()
			})
		})
	}
}

// The scripts of faults that the other dialects are held to.
func TestRandomFaultsOfVoiceCode(t *testing.T) {
	scripts, first := number64("HANDLINE_SCRIPTS", 150), number64("HANDLINE_SEED", 1)
	for name, o := range voiceVersions() {
		if o.Proposed {
			continue // it replays what is older than what a crashed client remembers
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for o.Seed = first; o.Seed < first+scripts; o.Seed += 4 {
				playFaults(t, o)
			}
		})
		first++
	}
}
