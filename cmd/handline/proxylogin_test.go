//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/diagnostics"
)

// gatekeeper is a proxy that lets nobody through without a password, and leads everybody else to one place.
type gatekeeper struct {
	to string

	mu     sync.Mutex
	logins []string // as they came
}

const swordfish = "Basic YW5uOnN3b3JkZmlzaA==" // ann:swordfish

func (g *gatekeeper) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	login := req.Header.Get("Proxy-Authorization")
	g.mu.Lock()
	g.logins = append(g.logins, login)
	g.mu.Unlock()
	if login != swordfish {
		fmt.Fprint(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n")
		return
	}
	out, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
	back := make(chan struct{})
	go func() { defer close(back); _, _ = io.Copy(c, out); c.Close() }()
	_, _ = io.Copy(out, in)
	out.Close()
	<-back
}

// A proxy's password is entered apart from its address, goes to the proxy alone, and is in no file.
func TestAProxyThatWantsAPassword(t *testing.T) {
	t.Parallel()
	cert, trust, err := demoTLS()
	require.NoError(t, err)
	_, at := plays(t, demo.Options{Dialect: demo.V0, Key: planted, TLS: cert})
	gate := gatekeeper{to: at}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { gate.serve(c) })
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })

	const proxy = "http://proxy.example:3128"
	v := demoConfig()
	v.Proxy, v.Probe = proxy, "off"
	a := joined(t, v, planted, world{tls: trust, dial: func(ctx context.Context, kind, addr string) (net.Conn, error) {
		if addr != "proxy.example:3128" {
			return nil, fmt.Errorf("%s is not ours", addr)
		}
		return new(net.Dialer).DialContext(ctx, kind, ln.Addr().String())
	}})
	runs(t, a)
	until := func(what string, is func(connection.Snapshot) bool) {
		t.Helper()
		require.Eventually(t, func() bool { return is(a.line.Snapshot()) }, patience, tick, what)
	}
	locked := func(s connection.Snapshot) bool { return s.Cause.Code == network.ProxyAuth }
	until("a password is wanted", locked)
	require.Equal(t, "Add your name and password to the proxy's address in Settings.", a.line.Snapshot().Cause.Advice)

	client := diagnostics.NewClient(a.home.Socket())
	enter := func(proxy, login string) error {
		return client.SetKey(t.Context(), diagnostics.Key{Proxy: proxy, Key: login})
	}
	for proxy, login := range map[string]string{"proxy.example:3128": "ann:swordfish", "http://ann:swordfish@proxy.example": "ann:x", proxy: "swordfish"} {
		err := enter(proxy, login)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "swordfish")
	}
	require.NoError(t, enter(proxy, "ann:starfish"))
	until("the wrong one does not do", func(s connection.Snapshot) bool {
		gate.mu.Lock()
		defer gate.mu.Unlock()
		return locked(s) && len(gate.logins) > 2 && gate.logins[len(gate.logins)-1] == "Basic YW5uOnN0YXJmaXNo"
	})
	require.NoError(t, enter(proxy, "ann:swordfish"))
	until("the right one does", func(s connection.Snapshot) bool { return s.Status == connection.Connected })

	require.NoError(t, filepath.WalkDir(filepath.Dir(a.home.Config()), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NotContains(t, string(b), "swordfish", path)
		return err
	}))
	gate.mu.Lock()
	defer gate.mu.Unlock()
	for _, login := range gate.logins {
		require.True(t, login == "" || strings.HasPrefix(login, "Basic YW5u"), "nothing but what was entered for the proxy")
	}
}
