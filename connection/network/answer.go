package network

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answered judges an HTTP answer that was not the one hoped for.
func answered(target *url.URL, res *http.Response, body []byte) Failure {
	f := Failure{Status: res.StatusCode, Detail: status(res.StatusCode)}
	switch code := res.StatusCode; {
	case code == http.StatusSwitchingProtocols:
		f.Cause, f.Verdict, f.Detail = Protocol, Thrice, "the upgrade's answer was not a WebSocket's"
	case code == http.StatusNetworkAuthenticationRequired: // RFC 6585 section 6
		f.Cause, f.Suspect = Captive, true
	case code/100 == 3:
		return redirected(f, target, res.Header.Get("Location"))
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return unauthorized(f, target, isHTML(res, body))
	case code == http.StatusNotFound:
		f.Cause, f.About, f.Verdict = NotABackend, NoPath, Thrice
	case code == http.StatusProxyAuthRequired:
		f.Cause = ProxyAuth
	case code == http.StatusRequestTimeout:
		f.Cause = Timeout
	case code == http.StatusGone:
		f.Cause, f.About, f.Verdict = Gone, Ended, Final
	case code == http.StatusUpgradeRequired:
		f.Cause, f.Verdict = Protocol, Final
	case code == http.StatusTooManyRequests:
		f.Cause, f.After = Throttled, retryAfter(res.Header)
	case code == http.StatusConflict, code/100 == 5:
		f.Cause, f.After = Unavailable, retryAfter(res.Header)
	default:
		f.Cause, f.Suspect = NotABackend, code/100 == 2 && isHTML(res, body)
		if f.Suspect {
			f = shows(f)
		}
	}
	return f
}

// shows makes it known that the answer was a page for people.
func shows(f Failure) Failure {
	f.About = WebPage
	f.Detail += " with a web page"
	return f
}

// redirected judges a redirect, which is never followed: a portal sends elsewhere, a server that moved stays at home.
func redirected(f Failure, target *url.URL, location string) Failure {
	f.Cause = NotABackend
	to, err := url.Parse(location)
	switch {
	case err != nil || location == "":
	case to.Host == "" || target != nil && strings.EqualFold(to.Hostname(), target.Hostname()):
		f.Detail += " to another place on the same server"
		if target != nil && to.Scheme == "https" && !encrypted(target) {
			f.About, f.Detail = WantsTLS, status(f.Status)+" to https"
		}
	default:
		f.About, f.Suspect = Elsewhere, true
		f.Detail += " to " + to.Hostname()
	}
	return f
}

// unauthorized judges 401 and 403. A portal or a firewall may say them too, so they are final only from a server that
// is known to be itself, in a body that is not a web page.
func unauthorized(f Failure, target *url.URL, html bool) Failure {
	if html {
		f.Cause, f.Suspect = NotABackend, true
		return shows(f)
	}
	f.Cause = Auth
	if f.Status == http.StatusForbidden {
		f.Cause = Forbidden
	}
	if target != nil && (encrypted(target) || reachOf(target.Hostname()) != Internet) {
		f.Verdict = Final
	} else {
		f.Suspect = true
	}
	return f
}

// ClosedWith judges a WebSocket close frame (RFC 6455 section 7.4.1; 4001 and 4004 are the agent-server's own). 1000 is
// no reason to stay away: servers send it when they restart.
func ClosedWith(code int, text string) Failure {
	f := Failure{Status: code, Detail: clean(text)}
	switch code {
	case 1001, 1012:
		f.Cause = Draining
	case 1013:
		f.Cause, f.About, f.After = overloaded(f.Detail)
	case 1009:
		f.Cause = TooBig
	case 1002, 1003, 1007, 1010:
		f.Cause, f.Verdict = Protocol, Thrice
	case 1008: // "violates its policy": most often the key, and never said for certain
		f.Cause = Forbidden
	case 1011, 1014:
		f.Cause = Unavailable
	case 4001:
		f.Cause, f.Verdict = Auth, Final
	case 4004:
		f.Cause, f.Verdict = Gone, Final
	case 0, 1005, 1006: // no close frame, or none with a code: the text is the library's
		f = Failure{Cause: Reset}
	default:
		f.Cause = Reset
	}
	if f.Detail == "" && f.Status != 0 {
		f.Detail = fmt.Sprintf("closed with %d", f.Status)
	}
	return f
}

// overloaded tells the agent-server's reasons for "try again later" apart. It drops a client that reads too slowly, and
// one whose next event is larger than a frame of its session socket may be; both lose nothing if they come back at once.
// These reasons are words of the protocol.
func overloaded(reason string) (Cause, About, time.Duration) {
	switch {
	case reason == "frame_too_large":
		return TooBig, BigEvent, 0
	case reason == "slow_consumer":
		return Throttled, SlowReader, 0
	case strings.HasPrefix(reason, "Too many connections"):
		return Throttled, Crowd, 30 * time.Second
	}
	return Throttled, "", 30 * time.Second
}

func status(code int) string { return fmt.Sprintf("HTTP %d", code) }

func isHTML(res *http.Response, body []byte) bool {
	if kind := strings.ToLower(res.Header.Get("Content-Type")); strings.Contains(kind, "html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimLeft(body, "\ufeff \t\r\n"))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3), at most a day. A date counts from the answer's own Date, so
// that a wrong clock on either side does not matter.
func retryAfter(h http.Header) time.Duration {
	const most = 24 * time.Hour
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(sent), 0), most)
}
