//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/persistence"
	"handline/tray"
)

// hotel is a network with a portal: until somebody logs in, it answers in place of everybody, over plain HTTP with its
// login page and over TLS with its own certificate. All that it was told is kept.
type hotel struct {
	t             *testing.T
	server, probe string // where the real ones are
	web, secure   string // where the portal is

	mu     sync.Mutex
	closed bool // nobody has logged in yet
	open   []net.Conn
	told   bytes.Buffer // as it came by the wire
	probes int
}

func newHotel(t *testing.T, server, probe string) *hotel {
	h := &hotel{t: t, server: server, probe: probe}
	login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://portal.example/login?from="+r.Host, http.StatusFound)
	})
	var nobody *authority
	cert, key := nobody.files(t, "portal.example", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	h.web = h.listen(login, nil)
	h.secure = h.listen(login, &tls.Config{Certificates: []tls.Certificate{pair}})
	return h
}

// listen serves a part of the portal, and writes down each byte before TLS is taken off.
func (h *hotel) listen(handler http.Handler, secure *tls.Config) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(h.t, err)
	address := ln.Addr().String()
	ln = eavesdropper{ln, h}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	s := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(ln) }()
	h.t.Cleanup(func() { s.Close(); <-served })
	return address
}

type eavesdropper struct {
	net.Listener
	hotel *hotel
}

func (e eavesdropper) Accept() (net.Conn, error) {
	conn, err := e.Listener.Accept()
	return overheard{conn, e.hotel}, err
}

type overheard struct {
	net.Conn
	hotel *hotel
}

func (o overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.hotel.mu.Lock()
	defer o.hotel.mu.Unlock()
	o.hotel.told.Write(b[:n])
	return n, err
}

// dial is the only way out of the hotel.
func (h *hotel) dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to := map[string][2]string{
		"openhands.example:443": {h.server, h.secure}, "probe.example:80": {h.probe, h.web},
	}[addr]
	if to[0] == "" {
		return nil, fmt.Errorf("%s is not ours", addr)
	}
	if addr == "probe.example:80" {
		h.probes++
	}
	where := to[0]
	if h.closed {
		where = to[1]
	}
	conn, err := new(net.Dialer).DialContext(ctx, kind, where)
	if err == nil {
		h.open = append(h.open, conn)
	}
	return conn, err
}

// turn makes the network a portal's, or everybody's again. What was open belongs to another network.
func (h *hotel) turn(closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = closed
	if closed {
		for _, conn := range h.open {
			conn.Close()
		}
	}
}

func (h *hotel) asked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.probes
}

// pinboard is a menu bar that keeps what it is told.
type pinboard struct {
	mu      sync.Mutex
	notices []tray.Notice
}

func (*pinboard) Show(tray.View)            {}
func (*pinboard) Clicks() <-chan tray.Click { return nil }
func (p *pinboard) Notify(n tray.Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notices = append(p.notices, n)
}

func (p *pinboard) about(topic tray.Topic) (found []tray.Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.notices {
		if n.Topic == topic {
			found = append(found, n)
		}
	}
	return found
}

func TestAHotel(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.files(t, "openhands.example", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	require.NoError(t, err)
	server := demo.New(demo.Options{Dialect: demo.V0, Key: planted})
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close(); <-served })
	h := newHotel(t, ln.Addr().String(), answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "success") }))

	v := persistence.Default()
	v.Server, v.Conversation, v.Proxy, v.Probe = "https://openhands.example", demo.DefaultConversation, "off", "http://probe.example/"
	v.ConnectAtLaunch = "always"
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	a := joined(t, v, planted, world{dial: h.dial, tls: &tls.Config{RootCAs: roots}})
	var bar pinboard
	a.faces = append(a.faces, func(ctx context.Context) error { return a.menu(ctx, &bar) })
	runs(t, a)
	phase := func(p connection.Phase, within time.Duration) time.Duration {
		t.Helper()
		from := time.Now()
		require.Eventually(t, func() bool { return a.line.Snapshot().Phase == p }, within, 10*time.Millisecond, "%s", p)
		return time.Since(from)
	}
	phase(connection.Online, patience)
	require.Zero(t, h.asked(), "nobody looks for a portal while the line is well")

	h.turn(true)
	found := phase(connection.Captive, promised(10*time.Second))
	require.Equal(t, network.Captive, a.line.Snapshot().Cause.Code)
	require.Equal(t, "http://probe.example/", a.line.Snapshot().Portal, "the probe's address, never the portal's own")
	require.Eventually(t, func() bool { return h.asked() >= 2 }, patience, tick)
	require.LessOrEqual(t, h.asked(), 2, "once in ten seconds")

	h.turn(false) // somebody has logged in, with a browser
	back := phase(connection.Online, promised(12*time.Second))
	t.Logf("the portal was found after %v; the line was back %v after the login", found.Round(time.Millisecond), back.Round(time.Millisecond))
	notices := bar.about(tray.TopicPortal)
	require.Len(t, notices, 1, "one notification")
	require.Equal(t, "This network wants you to log in", notices[0].Title)
	require.Equal(t, tray.OpenLogin, notices[0].Action)

	h.mu.Lock()
	defer h.mu.Unlock()
	require.Contains(t, h.told.String(), "GET / HTTP/1.1\r\nHost: probe.example", "the wire was listened to")
	for _, secret := range []string{planted, "socket.io", "EIO=", demo.DefaultConversation, "api/", "Authorization", "Session", "Cookie:"} {
		require.NotContains(t, h.told.String(), secret)
	}
}

// nginx cuts a line on which its server said nothing for ten seconds, which is less than the time between two pings.
func TestNginxThatCutsSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("short: real silence takes a minute")
	}
	t.Parallel()
	python := pythonPeer(t)
	p := newPeer(t, python)
	p.every = "0"
	p.start()
	front := nginx(t, "", "", fmt.Sprintf(`proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1; proxy_read_timeout 10s;
		proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`, p.port))
	a := newTyped(t, p)
	for name, value := range map[string]string{"server": "http://" + front, "conversation": "c1", "connectAtLaunch": "always",
		"heartbeat.looking": "15s"} { // as if nobody looked
		a.must("config", "set", name, value)
	}
	began := time.Now()
	a.run()
	losses := func() (n int) {
		for _, e := range a.timeline() {
			if e.At.After(began) && e.Status == string(connection.Reconnecting) {
				n++
			}
		}
		return n
	}
	a.noticed(connection.Connected, began, patience)
	require.Eventually(t, func() bool { return losses() >= 2 }, 2*patience, 100*time.Millisecond, "nginx cuts it twice")
	a.until(connection.Connected, patience)
	time.Sleep(35 * time.Second)
	require.Equal(t, 2, losses(), "and then the pulse is quicker than nginx")
	require.Equal(t, connection.Connected, a.snapshot().Status)
}
