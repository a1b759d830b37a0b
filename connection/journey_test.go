package connection

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/persistence"
)

func TestAnEventIsAppliedOnce(t *testing.T) {
	j := newJourney(persistence.Cursor{})
	require.True(t, j.first([]byte("7")))
	require.False(t, j.first([]byte("7")))
	require.True(t, j.first([]byte("3")), "lower, and new")
	require.False(t, j.first([]byte("3")))
	require.True(t, j.first(nil), "what has no id cannot be a repeat")
	require.True(t, j.first(nil))
	require.True(t, j.first([]byte("6f0c-aa")))
	require.False(t, j.first([]byte("6f0c-aa")))
}

func TestARestartRemembersTheNeighbourhood(t *testing.T) {
	j := newJourney(persistence.Cursor{})
	for i := range 1000 {
		j.first(fmt.Appendf(nil, "e-%d", i))
		j.reached(fmt.Appendf(nil, "t-%d", i))
	}
	c := j.save()
	require.Equal(t, "t-999", c.At)
	require.Len(t, c.Recent, stored)
	require.Equal(t, "e-999", c.Recent[stored-1])
	k := newJourney(c)
	require.False(t, k.first([]byte("e-999")))
	require.True(t, k.first([]byte("e-1000")))
	n := newJourney(persistence.Cursor{At: "41"})
	require.False(t, n.first([]byte("41")))
	require.True(t, n.first([]byte("42")))
}

func TestNamesAreForgottenByAge(t *testing.T) {
	j := newJourney(persistence.Cursor{})
	for i := range 3 * remembered {
		require.True(t, j.first(fmt.Appendf(nil, "e-%d", i)))
	}
	require.Len(t, j.names, remembered)
	require.False(t, j.first(fmt.Appendf(nil, "e-%d", 2*remembered)), "the oldest that is still known")
	require.True(t, j.first(fmt.Appendf(nil, "e-%d", 2*remembered-1)))
}

// The window must agree with a plain set for every number near the top, whatever the leaps.
func TestTheWindowAgreesWithASet(t *testing.T) {
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var w window
		seen, top := map[uint64]bool{}, uint64(0)
		for range 3000 {
			n := top + uint64(dice.IntN(5))
			switch dice.IntN(20) {
			case 0:
				n = top + uint64(dice.IntN(3*remembered))
			case 1, 2, 3:
				n = top - min(top, uint64(dice.IntN(remembered)))
			}
			top = max(top, n)
			require.Equal(t, !seen[n], w.add(n), "seed %d, number %s, top %d", seed, strconv.FormatUint(n, 10), top)
			seen[n] = true
		}
	}
}

func TestAnEventTooLargeForTheSessionSocketCostsOneReconnect(t *testing.T) {
	inWorld(t, demo.Options{Dialect: demo.AgentServer, Mood: demo.Quiet, Frame: 370}, func(w *world) {
		w.until(Connected, time.Minute)
		require.Equal(w.t, "session", w.manager.Snapshot().Dialect)
		w.server.Publish(20) // a few of them are too large
		w.pass(5 * time.Second)
		s := w.manager.Snapshot()
		require.Equal(w.t, Connected, s.Status)
		require.Equal(w.t, "events", s.Dialect)
		require.Less(w.t, time.Since(s.Since), 5*time.Second, "it is another line")
		w.whole()

		// It goes on there, after a crash too.
		w.crash()
		w.server.Publish(20)
		w.start()
		w.until(Connected, time.Minute)
		w.pass(time.Second)
		require.Equal(w.t, "events", w.manager.Snapshot().Dialect)
		w.server.Publish(20)
		w.whole()
	})
}
