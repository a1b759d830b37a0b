package diagnostics

import (
	"context"
	"io"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
)

// A server that takes the connection and never answers holds no examination that was given up.
func TestACancelledTryEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := network.Dialer{Raw: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				_, _ = io.Copy(io.Discard, server)
			}()
			return client, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(3*time.Second, cancel).Stop()
		from := time.Now()
		err := Socket{URL: &url.URL{Scheme: "ws", Host: "hands.example", Path: "/socket"}}.try(ctx, d)
		require.Equal(t, 3*time.Second, time.Since(from))
		require.Equal(t, network.Failure{Cause: network.Timeout, Host: "hands.example", Detail: "the upgrade was not answered"}, err)
	})
}
