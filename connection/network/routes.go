package network

import (
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// RouteTo says whether this machine has a route to a host. Loopback always has one; an address has one if the system
// would know where to send a packet; a name is not looked up, so it is judged by the default route, or by any address
// of ours where it is a name of the local network. No packet is sent, and what cannot be seen counts as a route.
func RouteTo(host string) bool { return ways{connect: connectUDP, look: look}.to(host) }

// Stranded says whether no interface of this machine has a local address any more, as when a VPN went down: what was sent
// from it has no way back. What cannot be seen is not stranded.
func Stranded(from netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil || from.IsLoopback() {
		return false
	}
	from = from.Unmap().WithZone("")
	return !slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == from
	})
}

// ways are the two questions that RouteTo asks of the system.
type ways struct {
	connect func(ip string) error // a datagram socket, whose connect(2) asks the routing table and sends nothing
	look    func() (surroundings, error)
}

func (w ways) to(host string) bool {
	reach := reachOf(host)
	if reach == ThisMachine {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return !is(w.connect(host), errNoRoute, errHostNoRoute, errHostDown, errNetDown, errNoAddress)
	}
	s, err := w.look()
	if err != nil {
		return true
	}
	return s.route4+s.route6+s.out4+s.out6 != "" || reach == Nearby && s.addresses != ""
}

func connectUDP(ip string) error {
	conn, err := dialUDP(ip)
	if err == nil {
		conn.Close()
	}
	return err
}

func dialUDP(ip string) (net.Conn, error) { return net.Dial("udp", net.JoinHostPort(ip, "9")) }

// defaultRoute is a line of Linux's /proc/net/route or /proc/net/ipv6_route that leads everywhere.
type defaultRoute struct {
	metric uint64
	text   string // interface and gateway
}

// defaultIn finds the default route with the lowest metric in a table, read line by line.
func defaultIn(table string, read func(fields []string) (defaultRoute, bool)) string {
	var found []defaultRoute
	for line := range strings.Lines(table) {
		if w, ok := read(strings.Fields(line)); ok {
			found = append(found, w)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MinFunc(found, func(a, b defaultRoute) int {
		return cmp.Or(cmp.Compare(a.metric, b.metric), cmp.Compare(a.text, b.text))
	}).text
}

// route4 reads "Iface Destination Gateway Flags RefCnt Use Metric Mask …", addresses in the machine's byte order.
func route4(f []string) (defaultRoute, bool) {
	if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
		return defaultRoute{}, false
	}
	flags, _ := strconv.ParseUint(f[3], 16, 32)
	metric, _ := strconv.ParseUint(f[6], 10, 64)
	return defaultRoute{metric, f[0] + " " + f[2]}, flags&routeUp != 0 && flags&routeReject == 0
}

// route6 reads "destination length source length gateway metric refcnt use flags interface".
func route6(f []string) (defaultRoute, bool) {
	if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || f[9] == "lo" {
		return defaultRoute{}, false
	}
	flags, _ := strconv.ParseUint(f[8], 16, 32)
	metric, _ := strconv.ParseUint(f[5], 16, 64)
	return defaultRoute{metric, f[9] + " " + f[4]}, flags&routeUp != 0 && flags&routeReject == 0
}

const (
	routeUp     = 0x1   // RTF_UP
	routeReject = 0x200 // RTF_REJECT
)

// routeNews says whether a message of macOS's routing socket may mean another network. Most do not: lookups that
// missed, multicast groups, and routes to single hosts and neighbours, which come by the thousand. The header
// (net/route.h, struct rt_msghdr) is read by hand, because a parser may fail on the kinds that a new system adds.
func routeNews(m []byte) bool {
	const (
		rtmAdd, rtmDelete, rtmChange       = 0x1, 0x2, 0x3
		rtmLosing, rtmMiss, rtmGet         = 0x5, 0x7, 0x4
		rtmResolve, rtmNewMAddr, rtmDelMAd = 0xb, 0xf, 0x10
		rtfHost, rtfLinkLayer, rtfCloned   = 0x4, 0x400, 0x20000
	)
	if len(m) < 4 {
		return true
	}
	switch m[3] {
	case rtmLosing, rtmMiss, rtmGet, rtmResolve, rtmNewMAddr, rtmDelMAd:
		return false
	case rtmAdd, rtmDelete, rtmChange:
		return len(m) < 12 || binary.LittleEndian.Uint32(m[8:])&(rtfHost|rtfLinkLayer|rtfCloned) == 0
	}
	return true
}
