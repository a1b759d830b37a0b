// Package network is the machine's network: what it is doing, and how to get through it.
package network

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Dialer opens every connection of Handline: socket, REST, probe and checks. The zero value dials directly.
type Dialer struct {
	// Proxy gives the proxy for a target, nil = direct. nil func: always direct.
	Proxy func(target *url.URL) (*url.URL, error)
	// Raw opens plain TCP. nil: the system's happy eyeballs. Tests refuse foreign addresses or dial in memory here.
	Raw func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is the base configuration. nil: the system's roots.
	TLS *tls.Config
	// Connect bounds the TCP connect, 0 = 10 s.
	Connect time.Duration
}

// Dial opens a connection to the target's host, through its proxy, with TLS for https and wss.
func (d Dialer) Dial(ctx context.Context, target *url.URL) (net.Conn, error) { panic("to come") }

// Client is an HTTP client on this dialer that follows no redirect and keeps no connection.
func (d Dialer) Client() *http.Client { panic("to come") }

// Classify gives the failure behind an error or an answer of target. res is the HTTP answer, nil where there was none;
// body is its first bytes.
func Classify(err error, target *url.URL, res *http.Response, body []byte) Failure { panic("to come") }

// Portal is what a look for a captive portal found.
type Portal struct {
	Verdict PortalVerdict
	// Open is the address to open in a browser to log in: the probe's own, never the portal's Location.
	Open string
}

// PortalVerdict is one of three: a wrong answer is a portal, the right one is a way out, none is neither.
type PortalVerdict uint8

const (
	NoAnswer PortalVerdict = iota
	WayOut
	LogIn
)
