// Package network is the machine's network: what it is doing, and how to get through it.
package network

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Dialer opens every connection of Handline: socket, REST, probe and checks. The zero value dials directly.
type Dialer struct {
	// Proxy gives the proxy for a target, nil = direct. nil func: always direct.
	Proxy func(target *url.URL) (*url.URL, error)
	// Login gives the name and password for a proxy that asks for them and whose URL has none, nil = none are known. It may
	// block until ctx ends. nil func: none are ever known.
	Login func(ctx context.Context, proxy *url.URL) *url.Userinfo
	// Raw opens plain TCP. nil: the system's happy eyeballs. Tests refuse foreign addresses or dial in memory here.
	Raw func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is the base configuration. nil: the system's roots.
	TLS *tls.Config
	// Connect bounds the TCP connect, 0 = 10 s.
	Connect time.Duration
}

// Dial opens a connection to the target's host, through its proxy, with TLS for https and wss.
//
// ctx bounds all stages together. Cancelling it makes Dial return at once from any of them, with nothing left open; a
// connection that Dial has returned no longer depends on it. The errors are for Classify.
func (d Dialer) Dial(ctx context.Context, target *url.URL) (net.Conn, error) {
	conn, err := d.plain(ctx, target)
	if err == nil && encrypted(target) {
		conn, err = d.encrypt(ctx, conn, hostOf(target))
	}
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", addressOf(target), err)
	}
	return conn, nil
}

// plain opens TCP to the target or a tunnel to it. Every target gets a tunnel, plain ones too: a WebSocket cannot
// travel as an ordinary proxied request (RFC 6455 section 4.1).
func (d Dialer) plain(ctx context.Context, target *url.URL) (net.Conn, error) {
	if d.Proxy == nil {
		return d.tcp(ctx, addressOf(target))
	}
	proxy, err := d.Proxy(target)
	switch {
	case err != nil:
		return nil, &ProxyError{Err: err}
	case proxy == nil:
		return d.tcp(ctx, addressOf(target))
	}
	conn, err := d.tunnel(ctx, proxy, addressOf(target))
	if err != nil && proxy.User == nil && d.Login != nil && Classify(err, nil, nil, nil).Cause == ProxyAuth {
		// Only now: most proxies want none, and the question may be a person's to answer.
		if login := d.Login(ctx, proxy); login != nil {
			known := *proxy
			known.User = login
			return d.tunnel(ctx, &known, addressOf(target))
		}
	}
	return conn, err
}

// Within bounds the TCP connect of every dial made under the context, whoever makes it: a server that does not answer at
// all is given less time than one that does.
func Within(ctx context.Context, connect time.Duration) context.Context {
	return context.WithValue(ctx, within{}, connect)
}

type within struct{}

// tcp connects within d.Connect, or the context's own bound. Its errors are always a *net.OpError with Op "dial", by which Classify knows that
// nothing has answered yet.
func (d Dialer) tcp(ctx context.Context, addr string) (net.Conn, error) {
	bound, _ := ctx.Value(within{}).(time.Duration)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(bound, d.Connect, 10*time.Second))
	defer cancel()
	dial := d.Raw
	if dial == nil {
		dial = (&net.Dialer{
			FallbackDelay: 250 * time.Millisecond, // RFC 8305 section 8
			// A backstop for a line on which nobody sends; unanswered data is bounded by tune.
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 3},
			Control:         tune,
		}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil && !opened(err, "dial") {
		err = &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return conn, err
}

// unacknowledged is how long sent data may go unanswered before the system gives the connection up. Keepalive does not
// fire while data is in flight, and without this bound Linux waits for a quarter of an hour.
const unacknowledged = 20 * time.Second

// encrypt puts TLS over conn, for which it then answers: on an error conn is closed. Only HTTP/1.1 is offered, because
// that is what a WebSocket upgrade speaks.
func (d Dialer) encrypt(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	cfg := d.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.ServerName, cfg.NextProtos = host, []string{"http/1.1"}
	secure := tls.Client(conn, cfg)
	err := secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	conn.Close()
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) && len(bad.UnverifiedCertificates) > 0 {
		now := time.Now
		if cfg.Time != nil {
			now = cfg.Time
		}
		err = &certError{host: host, leaf: bad.UnverifiedCertificates[0], now: now(), err: err}
	}
	return nil, err
}

// Client is an HTTP client on this dialer that follows no redirect, keeps no connection and stores no cookie. The
// request's context bounds everything.
func (d Dialer) Client() *http.Client {
	return &http.Client{
		Transport:     once{d},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// once is a transport for one request each. It dials by itself, because http.Transport lets a dial go on after its
// request was cancelled, for the sake of requests to come.
type once struct{ dialer Dialer }

func (o once) RoundTrip(req *http.Request) (*http.Response, error) {
	conn, err := o.dialer.Dial(req.Context(), req.URL)
	if err != nil {
		return nil, err
	}
	var taken atomic.Bool
	take := func(context.Context, string, string) (net.Conn, error) {
		if taken.Swap(true) {
			return nil, net.ErrClosed
		}
		return conn, nil
	}
	res, err := (&http.Transport{
		DialContext: take, DialTLSContext: take, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
	}).RoundTrip(req)
	if !taken.Swap(true) {
		conn.Close()
	}
	return res, err
}

// maxHeader bounds what a server or proxy may send before its body.
const maxHeader = 64 << 10
