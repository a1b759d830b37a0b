package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"
)

// listen calls hint for each route(4) message that may matter, until ctx ends or the socket fails.
func listen(ctx context.Context, hint func()) error {
	fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil { // so that the runtime's poller serves it and Close ends a Read
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	socket := os.NewFile(uintptr(fd), "route")
	defer socket.Close()
	defer context.AfterFunc(ctx, func() { socket.Close() })()
	for buf := make([]byte, 2048); ; {
		n, err := socket.Read(buf)
		switch {
		case errors.Is(err, unix.ENOBUFS): // some were lost
			hint()
		case err != nil:
			return err
		case routeNews(buf[:n]):
			hint()
		}
	}
}

// defaultRoutes reads the routing table. A panic of the parser, which a new kind of message has caused before, is an
// error like any other.
func defaultRoutes() (v4, v6 string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading routes: %v", p)
		}
	}()
	rib, err := route.FetchRIB(unix.AF_UNSPEC, route.RIBTypeRoute, 0)
	if err != nil {
		return "", "", fmt.Errorf("reading routes: %w", err)
	}
	messages, err := route.ParseRIB(route.RIBTypeRoute, rib)
	if err != nil {
		return "", "", fmt.Errorf("reading routes: %w", err)
	}
	for _, m := range messages {
		r, ok := m.(*route.RouteMessage)
		// Scoped routes are those of the interfaces that are not the first choice.
		if !ok || r.Flags&unix.RTF_UP == 0 || r.Flags&unix.RTF_IFSCOPE != 0 || len(r.Addrs) <= unix.RTAX_GATEWAY {
			continue
		}
		way := fmt.Sprintf("%d %s", r.Index, gateway(r.Addrs[unix.RTAX_GATEWAY]))
		switch to := r.Addrs[unix.RTAX_DST].(type) {
		case *route.Inet4Addr:
			if v4 == "" && to.IP == [4]byte{} && all(r.Addrs) {
				v4 = way
			}
		case *route.Inet6Addr:
			if v6 == "" && to.IP == [16]byte{} && all(r.Addrs) {
				v6 = way
			}
		}
	}
	return v4, v6, nil
}

// sources asks nobody: a VPN's own address is seen, and a socket to a stranger's would look like a call to those who watch.
func sources() (v4, v6 string) { return "", "" }

// all says whether the route's mask is that of the default route: 0.0.0.0/1, the half of a VPN, begins with zeroes too.
func all(addrs []route.Addr) bool {
	if len(addrs) <= unix.RTAX_NETMASK {
		return true
	}
	switch mask := addrs[unix.RTAX_NETMASK].(type) {
	case *route.Inet4Addr:
		return mask.IP == [4]byte{}
	case *route.Inet6Addr:
		return mask.IP == [16]byte{}
	}
	return true
}

func gateway(a route.Addr) string {
	switch a := a.(type) {
	case *route.Inet4Addr:
		return netip.AddrFrom4(a.IP).String()
	case *route.Inet6Addr:
		return netip.AddrFrom16(a.IP).String()
	}
	return "on-link"
}
