package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// listen calls hint for each rtnetlink(7) message about links, addresses, routes and rules, until ctx ends or the socket
// fails.
func listen(ctx context.Context, hint func()) error {
	// Non-blocking, so that the runtime's poller serves it and Close ends a Read.
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), "rtnetlink")
	defer socket.Close()
	const groups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV4_ROUTE-1) |
		1<<(unix.RTNLGRP_IPV6_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1) |
		1<<(unix.RTNLGRP_IPV4_RULE-1) | 1<<(unix.RTNLGRP_IPV6_RULE-1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	defer context.AfterFunc(ctx, func() { socket.Close() })()
	// What the messages say is read from the tables, so they are only counted; a cut one counts as well.
	for buf := make([]byte, 4096); ; {
		if _, err := socket.Read(buf); err != nil && !errors.Is(err, unix.ENOBUFS) { // ENOBUFS: some were lost
			return err
		}
		hint()
	}
}

func defaultRoutes() (v4, v6 string, err error) {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return "", "", fmt.Errorf("reading routes: %w", err)
	}
	v4 = defaultIn(string(table), route4)
	table, err = os.ReadFile("/proc/net/ipv6_route")
	if errors.Is(err, fs.ErrNotExist) { // IPv6 is off
		return v4, "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("reading routes: %w", err)
	}
	return v4, defaultIn(string(table), route6), nil
}

// sources are the addresses from which the system would send to the internet. A VPN that routes by rules of its own, or by
// halves of the internet, leaves the default route alone and is seen by them.
func sources() (v4, v6 string) {
	return source("203.0.113.1"), source("2001:db8::1") // nobody's: RFC 5737 section 3, RFC 3849
}

// source is the address from which the system would send to another, "" = it could not. No packet is sent.
func source(to string) string {
	c, err := dialUDP(to)
	if err != nil {
		return ""
	}
	defer c.Close()
	from, _, _ := net.SplitHostPort(c.LocalAddr().String())
	return from
}
