package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// both gives the two ends of a new connection.
func both(t *testing.T, p *Pipe, ln net.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := p.Dial(context.Background(), "tcp", "demo:1")
	require.NoError(t, err)
	server, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestPipeDelaysEachByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		p.Latency(40 * time.Millisecond)
		start := time.Now()
		client, server := both(t, p, p.Listener())
		require.Equal(t, 80*time.Millisecond, time.Since(start), "a dial takes a round trip")
		_, err := client.Write([]byte("ping"))
		require.NoError(t, err)
		b := make([]byte, 10)
		n, err := server.Read(b)
		require.NoError(t, err)
		require.Equal(t, "ping", string(b[:n]))
		require.Equal(t, 120*time.Millisecond, time.Since(start))
	})
}

func TestPipeKeepsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		client, server := both(t, p, p.Listener())
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Minute)))
		start := time.Now()
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))

		require.NoError(t, server.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := server.Write(make([]byte, window+1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "a full window blocks")
		require.Equal(t, window, n)

		require.NoError(t, client.SetReadDeadline(time.Time{}))
		time.AfterFunc(time.Second, func() { _ = client.SetReadDeadline(time.Unix(1, 0)) })
		_, err = io.ReadFull(client, make([]byte, window+1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "a new deadline reaches a read under way")
	})
}

func TestPipeCutsAfterExactlyNBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 5, 9, window + 3} {
			p := NewPipe()
			p.CutAfter(ToClient, n)
			client, server := both(t, p, p.Listener())
			var got []byte
			done := make(chan error)
			go func() {
				var err error
				got, err = io.ReadAll(client)
				done <- err
			}()
			wrote, err := server.Write(bytes.Repeat([]byte("x"), n+1))
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, n, wrote)
			require.ErrorIs(t, <-done, syscall.ECONNRESET)
			require.Len(t, got, n)
			_, err = client.Write([]byte("y"))
			require.ErrorIs(t, err, syscall.ECONNRESET, "the other way is cut too")

			next, _ := both(t, p, p.Listener())
			_, err = next.Write([]byte("z"))
			require.NoError(t, err, "only one connection is cut")
		}
	})
}

func TestPipePartitionTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		client, server := both(t, p, p.Listener())
		p.Partition(true)
		_, err := client.Write([]byte("lost?"))
		require.NoError(t, err)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = server.Read(make([]byte, 10))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err = p.Dial(ctx, "tcp", "demo:1")
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout())

		p.Partition(false)
		require.NoError(t, server.SetReadDeadline(time.Time{}))
		b := make([]byte, 10)
		n, err := server.Read(b)
		require.NoError(t, err)
		require.Equal(t, "lost?", string(b[:n]), "what was swallowed arrives when the network heals")
	})
}

func TestPipeEndsAsTCPDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		ln := p.Listener()
		client, server := both(t, p, ln)
		_, _ = client.Write([]byte("last words"))
		require.NoError(t, client.(*pipeConn).CloseWrite())
		b, err := io.ReadAll(server)
		require.NoError(t, err)
		require.Equal(t, "last words", string(b))
		_, err = server.Write([]byte("heard"))
		require.NoError(t, err, "the other half is open")
		require.NoError(t, client.Close())
		_, err = server.Write([]byte("?"))
		require.ErrorIs(t, err, syscall.EPIPE)

		client, server = both(t, p, ln)
		require.NoError(t, server.(*pipeConn).SetLinger(0))
		server.Close()
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)

		require.NoError(t, ln.Close())
		_, err = p.Dial(context.Background(), "tcp", "demo:1")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		p.Fail(syscall.EHOSTUNREACH)
		_, err = p.Dial(context.Background(), "tcp", "demo:1")
		require.ErrorIs(t, err, syscall.EHOSTUNREACH)
	})
}

func TestPipeCountsDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		start := time.Now()
		client, _ := both(t, p, p.Listener())
		time.Sleep(time.Second)
		p.Hang(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		done := make(chan struct{})
		for range 2 {
			go func() {
				_, _ = p.Dial(ctx, "tcp", "demo:1")
				done <- struct{}{}
			}()
		}
		<-done
		<-done
		at := p.Dials()
		require.Len(t, at, 3)
		require.Equal(t, time.Second, at[2].Sub(start))
		require.Equal(t, 2, p.InFlight())
		now, peak := p.Open()
		require.Equal(t, []int{1, 1}, []int{now, peak})
		client.Close()
		now, _ = p.Open()
		require.Zero(t, now)
	})
}
