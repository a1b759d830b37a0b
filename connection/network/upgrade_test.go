package network

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// hung is a dialer to a server that takes the connection and never answers a request.
func hung() Dialer {
	return Dialer{Raw: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			_, _ = io.Copy(io.Discard, server)
		}()
		return client, nil
	}}
}

func TestACancelledUpgradeEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(3*time.Second, cancel).Stop()
		from := time.Now()
		ws, res, err := hung().Upgrade(ctx, parse(t, "ws://hands.example/socket"), nil, Upgrade{Limit: time.Minute})
		require.Equal(t, 3*time.Second, time.Since(from))
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, ws)
		require.Nil(t, res)
	})
}

func TestAnUpgradeHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		_, _, err := hung().Upgrade(t.Context(), parse(t, "ws://hands.example/socket"), nil, Upgrade{Limit: time.Minute})
		require.Equal(t, time.Minute, time.Since(from))
		require.Equal(t, Failure{Cause: Timeout}, Classify(err, nil, nil, nil))
	})
}

// A WebSocket that was opened outlives the context it was opened under, and runs on what it was wrapped in.
func TestAnOpenWebSocketNeedsNoContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read := 0
	ws, _, err := Dialer{}.Upgrade(ctx, parse(t, "ws://"+peer(t, upgrades)), nil, Upgrade{Wrap: func(c net.Conn) net.Conn { return counted{c, &read} }})
	require.NoError(t, err)
	defer ws.Close()
	cancel()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("hello")))
	require.Positive(t, read)
}

// counted counts the bytes read.
type counted struct {
	net.Conn
	read *int
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	*c.read += n
	return n, err
}
