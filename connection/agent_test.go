package connection

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
)

// What the agent does is known within a second, and at once after a reconnect, whatever happened meanwhile. On the real
// agent-server TestRealPeersOfToday holds the same.
func TestTheAgentsStateIsRight(t *testing.T) {
	for name, o := range map[string]demo.Options{
		"socketio":  {Dialect: demo.V0},
		"events":    {Dialect: demo.AgentServer, Version: "1.40.0"},
		"session":   {Dialect: demo.AgentServer},
		"directory": {Dialect: demo.AppServer, Key: "cloud", Rotating: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Mood = demo.Quiet
			inWorld(t, o, func(w *world) {
				w.pipe.Latency(100 * time.Millisecond)
				w.until(Connected, time.Minute)
				for _, state := range []string{"working", "waiting", "working", "finished", "paused", "error"} {
					w.server.Publish(2)
					w.server.TurnTo(state)
					w.pass(time.Second)
					require.Equal(t, state, w.manager.Snapshot().Agent)
				}
				for _, state := range []string{"working", "finished"} {
					w.server.SetMood(demo.Down)
					w.until(Reconnecting, time.Minute)
					w.server.TurnTo("error")
					w.server.Publish(30)
					w.server.TurnTo(state)
					w.server.Publish(3)
					w.server.SetMood(demo.Quiet)
					w.do(Reconnect{})
					w.until(Connected, time.Minute)
					w.pass(time.Second)
					require.Equal(t, state, w.manager.Snapshot().Agent, "after a reconnect")
				}
			})
		})
	}
}
