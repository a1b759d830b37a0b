package network

import (
	"net/netip"
	"net/url"
	"strings"
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
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
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
