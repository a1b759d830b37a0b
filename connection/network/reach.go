package network

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// Reach is how far away a server is, judged by its address alone.
type Reach uint8

const (
	Internet    Reach = iota // anything else, names included
	Nearby                   // a private or link-local address, a name under .local or without a dot
	ThisMachine              // loopback: never offline, never behind a portal
)

// ReachOf judges a server's URL. A name is never looked up.
func ReachOf(server string) Reach {
	u, err := url.Parse(server)
	if err != nil {
		return Internet
	}
	return reachOf(u.Hostname())
}

func reachOf(host string) Reach {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return ThisMachine
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil && (strings.HasSuffix(host, ".local") || !strings.Contains(host, ".")):
		return Nearby
	case err != nil:
		return Internet
	case ip.Unmap().IsLoopback():
		return ThisMachine
	case ip.Unmap().IsPrivate() || ip.Unmap().IsLinkLocalUnicast():
		return Nearby
	}
	return Internet
}

// MayCarryKey says whether a key may travel to target: over https and wss to anywhere, over http and ws only to
// loopback and to the origins that the user allowed ("http://192.168.1.20:3000"; a missing port is the scheme's own).
// The error is a final Failure.
func MayCarryKey(target *url.URL, allowed []string) error {
	switch {
	case encrypted(target):
		return nil
	case target.Scheme != "http" && target.Scheme != "ws":
	case numericLoopback(target.Hostname()):
		return nil
	default:
		for _, a := range allowed {
			u, err := url.Parse(a)
			if err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "ws") && addressOf(u) == addressOf(target) {
				return nil
			}
		}
	}
	return Failure{Cause: Plaintext, Verdict: Final, Host: addressOf(target)}
}

// numericLoopback leaves out names under .localhost: not every resolver keeps them on this machine, so a key may not
// depend on it.
func numericLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func encrypted(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "wss" }

// hostOf is the URL's host as resolvers and certificates know it: lower case, international names in ASCII.
func hostOf(u *url.URL) string {
	host := u.Hostname()
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		return ascii
	}
	return strings.ToLower(host)
}

// addressOf is the URL's host:port, with the scheme's own port where none is given.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "https", "wss":
			port = "443"
		case "socks5", "socks5h":
			port = "1080"
		default:
			port = "80"
		}
	}
	return net.JoinHostPort(hostOf(u), port)
}
