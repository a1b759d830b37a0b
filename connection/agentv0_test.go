package connection

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/backend"
	"handline/connection/demo"
)

// V0 tells a change of the agent's state once: live, or as the last word of a replay. Who starts again after that word,
// hears a replay that is cut before it, or joins while it is said, must ask.
func TestTheAgentsStateOfV0IsAskedFor(t *testing.T) {
	for name, story := range map[string]func(w *world){
		"after a restart": func(w *world) {
			w.server.TurnTo("finished")
			w.server.Publish(5)
			w.pass(2 * time.Second)
			w.stop()
			w.start()
		},
		"after a replay that was cut": func(w *world) {
			w.server.SetMood(demo.Down)
			w.until(Reconnecting, time.Minute)
			w.server.TurnTo("finished")
			before := w.manager.Snapshot().Events
			w.greetsSlowly()
			w.pass(12 * time.Second)
			require.Greater(w.t, w.manager.Snapshot().Events, before)
			w.server.SetMood(demo.Down)
			w.until(Reconnecting, time.Minute)
			w.server.SetMood(demo.Quiet)
			w.do(Reconnect{})
		},
		"during the greeting": func(w *world) {
			w.server.SetMood(demo.Down)
			w.until(Reconnecting, time.Minute)
			w.greetsSlowly()
			w.pass(5 * time.Second)
			w.server.TurnTo("finished")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, demo.Options{Dialect: demo.V0, Mood: demo.Quiet}, func(w *world) {
				w.stop()
				w.opt.Locate = (&backend.Client{Dialer: w.opt.Dialer}).Locate
				w.start()
				w.until(Connected, time.Minute)
				w.server.TurnTo("working")
				w.pass(time.Second)
				require.Equal(w.t, "working", w.manager.Snapshot().Agent)
				story(w)
				w.until(Connected, time.Minute)
				w.pass(time.Second)
				require.Equal(w.t, "finished", w.manager.Snapshot().Agent)
			})
		})
	}
}

// greetsSlowly lets the server return with much to replay.
func (w *world) greetsSlowly() {
	w.server.SetMood(demo.SlowReplay)
	w.do(Reconnect{})
	w.pass(time.Second)
	w.server.SetMood(demo.Quiet) // nothing else happens; a replay goes on as it began
}
