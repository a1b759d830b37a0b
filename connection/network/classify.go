package network

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"time"
	"unicode"
)

// Classify gives the failure behind an error or an answer of target. res is the HTTP answer, nil where there was none;
// body is its first bytes. An answer says more than the error that came with it, and a Failure that is already in the
// error's chain says most. Nothing to classify gives the zero Failure.
func Classify(err error, target *url.URL, res *http.Response, body []byte) Failure {
	return classify(runtime.GOOS, err, target, res, body)
}

func classify(goos string, err error, target *url.URL, res *http.Response, body []byte) Failure {
	var f Failure
	switch {
	case errors.As(err, &f):
	case res != nil:
		f = answered(target, res, body)
	case err != nil:
		f = troubled(goos, err)
	default:
		return Failure{}
	}
	if f.Host == "" && f.Cause != Proxy && target != nil && target.Host != "" {
		f.Host = addressOf(target)
	}
	f.Detail = clean(f.Detail)
	return f
}

// cutShort is what net/http says of an answer that ended within its first line, up to the second digit of the status.
var cutShort = regexp.MustCompile(`malformed HTTP (response "H(T(T(P(/(1(\.[01]?)?)?)?)?)?)?"|status code "[0-9]{0,2}")$`)

// troubled judges an error. The order matters: the more exact reason wraps the vaguer one.
func troubled(goos string, err error) Failure {
	var proxy *ProxyError
	var cert *certError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &proxy):
		return proxied(goos, proxy)
	case errors.As(err, &cert):
		return certified(cert)
	case errors.As(err, &record):
		return Failure{Cause: NotABackend, About: NoTLS, Suspect: true, Detail: "the answer is not TLS"}
	case errors.As(err, &dns) && dns.IsNotFound:
		return Failure{Cause: DNS, Silent: true, Detail: "no such name"}
	case errors.As(err, &dns):
		return Failure{Cause: DNS, About: Unresolved, Silent: true, Detail: "the name server did not answer"}
	case opened(err, "remote error"), opened(err, "local error"): // how crypto/tls names alerts
		return Failure{Cause: Protocol, Detail: "TLS was refused: " + last(err).Error()}
	case cutShort.MatchString(err.Error()):
		return Failure{Cause: Reset}
	case strings.Contains(err.Error(), "malformed HTTP"): // net/http has no type for it
		return Failure{Cause: NotABackend, About: Noise, Suspect: true, Detail: "the answer is not HTTP"}
	}
	return socketed(goos, err)
}

// socketed judges what the sockets say.
func socketed(goos string, err error) Failure {
	switch {
	case errors.Is(err, context.Canceled):
		return Failure{Cause: Timeout, Detail: "cancelled"}
	case errors.Is(err, errRefused):
		return Failure{Cause: Refused}
	case errors.Is(err, errHostNoRoute) && goos == "darwin" && nearby(err):
		// macOS 15 and later answer so for an address on the local network that the user has not allowed.
		return Failure{Cause: LocalNetwork, Silent: true}
	case is(err, errNoRoute, errHostNoRoute, errHostDown, errNetDown, errNoAddress):
		return Failure{Cause: NoNetwork, Silent: true, Detail: last(err).Error()}
	case errors.Is(err, fs.ErrPermission) && opened(err, "dial"):
		return Failure{Cause: NoNetwork, About: Firewall, Silent: true, Detail: "this computer's firewall did not permit it"}
	case late(err), errors.Is(err, context.DeadlineExceeded):
		return Failure{Cause: Timeout, Silent: opened(err, "dial")}
	case is(err, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, errReset, errAborted, errBroken):
		return Failure{Cause: Reset}
	}
	return Failure{Cause: Reset, Detail: last(err).Error()} // what wraps it may hold a URL
}

// late says whether a timeout is in the chain. Each error is asked, because url.Error says no for a timeout that is not
// the very next one.
func late(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if t, ok := err.(interface{ Timeout() bool }); ok && t.Timeout() {
			return true
		}
	}
	return false
}

// is says whether err is one of the given errors.
func is(err error, one ...error) bool {
	for _, e := range one {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// opened says whether a net.OpError of the given operation is in the chain.
func opened(err error, op string) bool {
	var e *net.OpError
	for errors.As(err, &e) {
		if e.Op == op {
			return true
		}
		err = e.Err
	}
	return false
}

// last is the innermost error.
func last(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}

// nearby says whether the address that was dialled is one of the local network.
func nearby(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr == nil {
		return false
	}
	to, perr := netip.ParseAddrPort(op.Addr.String())
	return perr == nil && reachOf(to.Addr().String()) == Nearby
}

// proxied judges a proxy. With no route even to the proxy it is the network that is missing.
func proxied(goos string, e *ProxyError) Failure {
	f := Failure{Cause: Proxy, Host: e.Host, Status: e.Status, After: e.After, Detail: status(e.Status)}
	if e.Status == http.StatusProxyAuthRequired || e.Status == http.StatusUnauthorized { // tinyproxy says the latter to a wrong password
		f.Cause = ProxyAuth
	}
	if e.Status != 0 {
		return f
	}
	inner := troubled(goos, e.Err)
	if inner.Cause == NoNetwork || errors.Is(e.Err, context.Canceled) {
		inner.Host = e.Host
		return inner
	}
	f.Silent, f.Suspect = inner.Silent, inner.Suspect
	f.Detail = cmp.Or(strings.TrimPrefix(inner.Detail, "unknown error "), string(inner.Cause)) // x/net/proxy's prefix
	if opened(e.Err, "socks connect") && strings.Contains(f.Detail, "authentication") {
		f.Cause = ProxyAuth
	}
	return f
}

// certError is a certificate that was not accepted, with what is needed to say why. The verifiers of the systems say
// it each in their own words (macOS in the user's language), so dates and names are compared here.
type certError struct {
	host string
	leaf *x509.Certificate
	now  time.Time
	err  error
}

func (e *certError) Error() string { return e.err.Error() }
func (e *certError) Unwrap() error { return e.err }

// certified judges a certificate. The name goes first: a portal's certificate may be out of date as well.
func certified(e *certError) Failure {
	var invalid x509.CertificateInvalidError
	switch {
	case e.leaf.VerifyHostname(e.host) != nil:
		return Failure{Cause: TLSName, Suspect: true, Detail: "issued for " + issuedFor(e.leaf)}
	case e.now.Before(e.leaf.NotBefore):
		return Failure{Cause: TLSClock, Detail: "the clock says " + e.now.Format(time.DateOnly)}
	case e.now.After(e.leaf.NotAfter):
		return Failure{Cause: TLSExpired, Detail: "expired " + e.leaf.NotAfter.UTC().Format(time.DateOnly)}
	case errors.As(e.err, &invalid) && invalid.Reason == x509.Expired:
		return Failure{Cause: TLSExpired, Detail: "its issuer's certificate expired"}
	case e.leaf.Issuer.String() == e.leaf.Subject.String():
		return Failure{Cause: TLSAuthority, Suspect: true, Detail: "signed by itself"}
	}
	return Failure{Cause: TLSAuthority, Suspect: true, Detail: "issued by " + e.leaf.Issuer.CommonName}
}

func issuedFor(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return "no name"
}

// clean makes one short printable line of words that are not ours, without queries and passwords of URLs.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	words := strings.Fields(s)
	for i, w := range words {
		if scheme, rest, ok := strings.Cut(w, "://"); ok {
			if at := strings.LastIndex(rest, "@"); at >= 0 {
				rest = rest[at+1:]
			}
			w = scheme + "://" + rest
		}
		if before, after, ok := strings.Cut(w, "?"); ok && after != "" {
			w = before
		}
		words[i] = w
	}
	if r := []rune(strings.Join(words, " ")); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return strings.Join(words, " ")
}
