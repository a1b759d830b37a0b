package main

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/persistence"
)

func TestCompressionIsOfferedWhereItPays(t *testing.T) {
	for _, row := range []struct {
		setting, target string
		want            bool
	}{
		{"auto", "wss://hands.example.com/socket.io/", true},
		{"auto", "wss://192.168.1.20:3000/", true},
		{"auto", "ws://hands.example.com/", false},
		{"auto", "wss://localhost:3000/", false},
		{"auto", "wss://127.0.0.1:3000/", false},
		{"auto", "wss://[::1]/", false},
		{"off", "wss://hands.example.com/", false},
	} {
		c := persistence.Default()
		c.Compression = row.setting
		a := &app{settings: newSettings("", c, nil)}
		u, err := url.Parse(row.target)
		require.NoError(t, err)
		require.Equal(t, row.want, a.compress(u), "%s, %s", row.setting, row.target)
	}
}

func TestAComputerThatSavesPowerIsAskedForLess(t *testing.T) {
	var told []connection.Tune
	s := newSettings("", persistence.Default(), func(_ context.Context, c connection.Command) error {
		told = append(told, c.(connection.Tune))
		return nil
	})
	for _, on := range []bool{true, true, false} {
		require.NoError(t, s.savePower(t.Context(), on))
	}
	require.Len(t, told, 2)
	require.Equal(t, time.Minute, told[0].Heartbeat.Idle)
	require.Equal(t, 5*time.Second, told[0].Heartbeat.Looking, "whoever looks wants to see")
	require.Equal(t, 15*time.Second, told[1].Heartbeat.Idle)
	require.Equal(t, told[0].Retry, told[1].Retry)
}
