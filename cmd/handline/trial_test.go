//go:build unix

package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/persistence"
)

// Who tries the demo has a line like any other: it can be examined, and the menu lists its conversation. Nothing of it
// gets into the configuration.
func TestTheDemoIsAskedWhereTheLineIs(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.edit = func(v *persistence.Config) { v.Conversation = "" }
	a := c.app("")
	before := a.settings.now()
	ctx, stop := context.WithCancel(t.Context())
	var line sync.WaitGroup
	line.Go(func() { _ = a.line.Run(ctx) })
	defer a.trial.stop()
	defer line.Wait()
	defer stop()

	require.NoError(t, a.tryDemo(ctx, true))
	patient, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	connected := func() (s connection.Snapshot) {
		for s = range a.line.Watch(patient) {
			if s.Status == connection.Connected {
				return s
			}
		}
		t.Fatalf("the demo is not connected: %+v", s)
		return s
	}
	connected()
	r := a.examine(ctx, nil)
	require.True(t, r.OK, "%+v", r.Findings)
	require.Equal(t, a.trial.address(), r.Server)
	listed := a.listForMenu(ctx)
	require.Len(t, listed, 1)
	require.Equal(t, demo.DefaultConversation, listed[0].ID)
	require.NoError(t, a.choose(ctx, listed[0].ID))
	require.Equal(t, a.trial.address(), connected().Server)
	_, err := a.conversations(ctx)
	require.Equal(t, network.Failure{Cause: network.NotSetUp}, err, "one of them would be stored")

	require.NoError(t, a.tryDemo(ctx, false))
	for s := range a.line.Watch(patient) {
		if s.Server == "" {
			break
		}
	}
	require.Equal(t, target(before), a.aim())
	require.Equal(t, before, a.settings.now())
	stored, err := persistence.ReadConfig(a.home.Config())
	require.NoError(t, err)
	require.Equal(t, before, stored)
}
