//go:build unix

package main

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
)

// A person sends as they quit, and while the server is away: the built program, and real servers.
func TestSentAsItQuitsAndTypedOffline(t *testing.T) {
	if testing.Short() {
		t.Skip("short: real servers take a while to start")
	}
	realServers(t, func(t *testing.T, h hearer) {
		g := newGate(t, strings.TrimPrefix(h.url, "http://"))
		a := newTyped(t, nil)
		a.run()
		a.must("connect", h.conversation, "--server", "http://"+g.at)

		_, err := a.client.Send(context.Background(), "as it quits")
		require.NoError(t, err)
		a.ends()
		require.Equal(t, []string{"as it quits"}, h.said(), "a healthy server gets it before the end")

		a.run()
		a.until(connection.Connected, patience)
		a.drains(patience)
		g.shut()
		a.until(connection.Reconnecting, patience)
		for _, text := range []string{"typed offline", "and this"} {
			require.Contains(t, a.must("send", text), "Queued.")
		}
		a.ends()
		a.run()
		a.until(connection.Reconnecting, patience)
		_, out := a.types("", "status")
		require.Contains(t, out, "2 messages queued")

		g.open()
		a.until(connection.Connected, patience)
		from := time.Now()
		a.drains(promised(2 * time.Second))
		t.Logf("confirmed %v after the line's return", time.Since(from).Round(time.Millisecond))
		require.Equal(t, []string{"as it quits", "typed offline", "and this"}, h.said())
	})
}

// A server that takes a message and shows nothing holds up no end of the program, which looks for it at the next start.
func TestAQuitDoesNotWaitForAServerThatSaysNothing(t *testing.T) {
	server, at := plays(t, demo.Options{Dialect: demo.V0, Mood: demo.Quiet})
	a := newTyped(t, nil)
	a.run()
	a.must("connect", demo.DefaultConversation, "--server", "http://"+at)
	server.SetMood(demo.Deaf)
	_, err := a.client.Send(t.Context(), "anybody there?")
	require.NoError(t, err)
	a.ends()
	require.Empty(t, server.Asked(demo.DefaultConversation))
	server.SetMood(demo.Quiet)
	a.run()
	a.drains(patience)
	require.Equal(t, []string{"anybody there?"}, server.Asked(demo.DefaultConversation))
}

// ends is what a system that shuts down sees: SIGTERM, and the program has ended in time, and well.
func (a *typed) ends() {
	a.t.Helper()
	from := time.Now()
	require.NoError(a.t, a.process.Process.Signal(syscall.SIGTERM))
	require.NoError(a.t, a.process.Wait())
	require.LessOrEqual(a.t, time.Since(from), promised(endsWithin))
	a.t.Logf("it ended within %v", time.Since(from).Round(time.Millisecond))
}

// gate is a relay before a server. While it is shut nobody is there, and the server lives on.
type gate struct {
	t      *testing.T
	to, at string
	work   sync.WaitGroup

	mu    sync.Mutex
	ln    net.Listener // nil while it is shut
	conns []net.Conn
}

func newGate(t *testing.T, to string) *gate {
	g := &gate{t: t, to: to, at: free(t)}
	g.open()
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open() {
	ln, err := net.Listen("tcp", g.at)
	require.NoError(g.t, err)
	g.mu.Lock()
	g.ln = ln
	g.mu.Unlock()
	g.work.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			g.relay(c)
		}
	})
}

func (g *gate) relay(c net.Conn) {
	s, err := net.Dial("tcp", g.to)
	if err != nil {
		c.Close()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ln == nil {
		c.Close()
		s.Close()
		return
	}
	g.conns = append(g.conns, c, s)
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		g.work.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			way[1].Close()
		})
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	if g.ln != nil {
		g.ln.Close()
	}
	for _, c := range g.conns {
		c.Close()
	}
	g.ln, g.conns = nil, nil
	g.mu.Unlock()
	g.work.Wait()
}
