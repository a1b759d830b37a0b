package connection

import (
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
)

// TestCutAnywhere cuts connections after a random number of bytes, of the socket and of the requests before it, in both
// directions, while things happen; and holds that in the end all of it was applied once, in order. HANDLINE_CUTS changes
// how many stories are played, HANDLINE_SEED where they begin.
func TestCutAnywhere(t *testing.T) {
	stories, first := number64("HANDLINE_CUTS", 500), number64("HANDLINE_SEED", 1)
	rows := map[string]demo.Options{
		"socketio":       {Dialect: demo.V0},
		"events":         {Dialect: demo.AgentServer, Version: "1.40.0"},
		"session":        {Dialect: demo.AgentServer},
		"voice-code 0.2": {Dialect: demo.VoiceCode, Key: "k"},
		"voice-code 0.3": {Dialect: demo.VoiceCode, Version: "0.3.0", Key: "k", Proposed: true},
		"voice-code 0.4": {Dialect: demo.VoiceCode, Version: "0.4.0", Key: "k"},
		"voice-code 0.5": {Dialect: demo.VoiceCode, Version: "0.5.0", Key: "k"},
		"directory":      {Dialect: demo.AppServer, Key: "cloud", Rotating: true},
	}
	for name, o := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Up to 0.3 a line that keeps breaking gets the newest messages and no others, which is that protocol's limit.
			windows := name != "voice-code 0.2" && name != "voice-code 0.3"
			for o.Seed = first; o.Seed < first+max(stories/uint64(len(rows)), 1); o.Seed++ {
				playCuts(t, o, windows)
			}
		})
	}
}

// playCuts plays one story. With much, there is more to catch up with than fits into one answer.
func playCuts(t *testing.T, o demo.Options, much bool) {
	defer func() {
		if t.Failed() {
			t.Logf("play it again with HANDLINE_CUTS=1 HANDLINE_SEED=%d", o.Seed)
		}
	}()
	dice := rand.New(rand.NewPCG(o.Seed, 11))
	o.Mood = demo.Quiet
	inWorld(t, o, func(w *world) {
		w.stop()
		storm, knife := true, rand.New(rand.NewPCG(o.Seed, 12)) // w.mu guards both
		w.opt.Dialer.Raw = func(ctx context.Context, network, address string) (net.Conn, error) {
			if w.mu.Lock(); storm && knife.IntN(3) > 0 {
				w.pipe.CutAfter(demo.Direction(knife.IntN(2)), knife.IntN(1<<(4+knife.IntN(12))))
			}
			w.mu.Unlock()
			return w.pipe.Dial(ctx, network, address)
		}
		w.rewire(o)
		w.server.Publish(dice.IntN(80))
		if much && dice.IntN(8) == 0 {
			w.server.Publish(1500)
			w.server.SetMood(demo.Chatty)
		}
		w.pipe.Latency(time.Duration(dice.IntN(60)) * time.Millisecond)
		w.start()
		for range 3 + dice.IntN(5) {
			w.pass(time.Duration(dice.Int64N(int64(4 * time.Second))))
			w.server.Publish(dice.IntN(12))
			switch dice.IntN(4) {
			case 0:
				w.do(Reconnect{})
			case 1:
				w.crash()
				w.start()
			}
		}
		w.mu.Lock()
		storm = false
		w.mu.Unlock()
		w.pass(time.Minute)
		w.server.SetMood(demo.Quiet)
		w.server.Publish(2)
		w.until(Connected, time.Minute)
		w.pass(30 * time.Second)
		w.whole()
		most := 1
		if o.Dialect == demo.AppServer {
			most = 3 // a server that is not known yet is asked three things at once
		}
		require.LessOrEqual(w.t, w.pipe.InFlight(), most, "dials in flight")
	})
}
