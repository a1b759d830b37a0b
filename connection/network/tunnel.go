package network

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// ProxyError is a proxy that was not reached, or that opened no tunnel.
type ProxyError struct {
	Host   string        // host:port of the proxy, "" where the setting itself is wrong
	Status int           // of its answer to CONNECT, 0 = it gave none
	After  time.Duration // how long it asked to wait, 0 = it did not
	Err    error         // what went wrong where it gave no answer
}

func (e *ProxyError) Error() string {
	switch {
	case e.Status != 0:
		return fmt.Sprintf("proxy %s: HTTP %d", e.Host, e.Status)
	case e.Host == "":
		return fmt.Sprintf("proxy: %v", e.Err)
	}
	return fmt.Sprintf("proxy %s: %v", e.Host, e.Err)
}

func (e *ProxyError) Unwrap() error { return e.Err }

// tunnel opens a connection to addr through an http, https or socks5 proxy. User and password come from its URL.
func (d Dialer) tunnel(ctx context.Context, via *url.URL, addr string) (net.Conn, error) {
	var conn net.Conn
	var err error
	at := addressOf(via)
	switch via.Scheme {
	case "http", "https":
		conn, err = d.tcp(ctx, at)
		if err == nil && via.Scheme == "https" {
			conn, err = d.encrypt(ctx, conn, hostOf(via))
		}
		if err == nil {
			return connect(ctx, conn, via, addr)
		}
	case "socks5", "socks5h":
		conn, err = d.socks(ctx, via, addr)
	default:
		err = fmt.Errorf("scheme %q is not supported", via.Scheme)
	}
	if err != nil {
		return nil, &ProxyError{Host: at, Err: err}
	}
	return conn, nil
}

// connect asks the proxy at the other end of conn for a tunnel (RFC 9110 section 9.3.6). On an error conn is closed.
func connect(ctx context.Context, conn net.Conn, via *url.URL, addr string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	through, err := ask(conn, via, addr)
	if !stop() {
		err = &ProxyError{Host: addressOf(via), Err: ctx.Err()}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return through, nil
}

func ask(conn net.Conn, via *url.URL, addr string) (net.Conn, error) {
	fail := &ProxyError{Host: addressOf(via)}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr,
		Header: http.Header{"User-Agent": {"Handline"}}}
	if via.User != nil {
		password, _ := via.User.Password()
		login := base64.StdEncoding.EncodeToString([]byte(via.User.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+login)
	}
	if fail.Err = req.Write(conn); fail.Err != nil {
		return nil, fail
	}
	// The answer's body is never read: after 200 it is the tunnel, and no other answer leaves a use for the connection.
	r := bufio.NewReader(io.LimitReader(conn, maxHeader))
	res, err := http.ReadResponse(r, req)
	if err != nil {
		fail.Err = err
		return nil, fail
	}
	if res.StatusCode != http.StatusOK {
		fail.Status, fail.After = res.StatusCode, retryAfter(res.Header)
		return nil, fail
	}
	early, _ := r.Peek(r.Buffered())
	if len(early) == 0 {
		return conn, nil
	}
	return &prefixed{Conn: conn, early: early}, nil
}

// prefixed is a connection whose first bytes came in the same packet as the proxy's answer.
type prefixed struct {
	net.Conn
	early []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.early) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.early)
	p.early = p.early[n:]
	return n, nil
}

// socks opens a tunnel through a SOCKS 5 proxy (RFC 1928), which looks the name up itself.
func (d Dialer) socks(ctx context.Context, via *url.URL, addr string) (net.Conn, error) {
	var auth *proxy.Auth
	if via.User != nil {
		password, _ := via.User.Password()
		auth = &proxy.Auth{User: via.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", addressOf(via), auth, forward(d.tcp))
	if err != nil {
		return nil, err
	}
	conn, err := dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
	if err != nil && ctx.Err() != nil && !opened(err, "dial") {
		err = ctx.Err() // x/net/proxy says i/o timeout where it was cancelled
	}
	return conn, err
}

// forward lets x/net/proxy dial by our own hand. Only DialContext is ever called; Dial completes the interface.
type forward func(ctx context.Context, addr string) (net.Conn, error)

func (f forward) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	return f(ctx, addr)
}
func (f forward) Dial(_, addr string) (net.Conn, error) { return f(context.Background(), addr) }
