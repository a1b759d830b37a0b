package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// Changes calls changed each time the network around this machine has become another: another default route, gateway,
// routable address or name server. The kernel's messages come in bursts, and most of them change nothing, so a look is
// taken a moment after the first of a burst and compared with the last. What cannot be seen counts as changed.
//
// It returns nil when ctx ends, after changed has returned for the last time, and an error where the system gives no
// messages.
func Changes(ctx context.Context, changed func()) error {
	inner, cancel := context.WithCancel(ctx)
	hints := make(chan struct{}, 1)
	hint := func() {
		select {
		case hints <- struct{}{}:
		default: // one that is waiting says as much
		}
	}
	hint() // looks again after the kernel has begun to tell: nothing falls between the two
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		settle(inner, hints, look, changed)
	}()
	err := listen(inner, hint)
	cancel()
	<-settled
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("listening for network changes: %w", err)
}

// settleTime is how long a burst may last. With the spread of the dials that follow, 300 ms at most, the first SYN is out
// 1.3 s after the link is up, on a busy machine as well.
const settleTime = 900 * time.Millisecond

// settle turns hints into changes. The first look is the baseline.
func settle(ctx context.Context, hints <-chan struct{}, look func() (surroundings, error), changed func()) {
	before, blind := look()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hints:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settleTime):
		}
		select {
		case <-hints: // the look that follows answers it
		default:
		}
		now, err := look()
		if now != before || err != nil || blind != nil {
			changed()
		}
		before, blind = now, err
	}
}

// surroundings is all that makes one network different from another, as far as a connection cares.
type surroundings struct {
	route4, route6 string // of the default route: interface and gateway, "" = none
	out4, out6     string // where a packet to the internet would come from, "" = from nowhere, or nobody asks
	addresses      string // routable ones, sorted
	names          string // name servers, in order
}

func look() (s surroundings, err error) {
	if s.route4, s.route6, err = defaultRoutes(); err != nil {
		return s, err
	}
	if s.addresses, err = routable(); err != nil {
		return s, err
	}
	s.out4, s.out6 = sources()
	// systemd-resolved writes its own address into the first file and the network's name servers into the second.
	for _, file := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		if text, err := os.ReadFile(file); err == nil {
			s.names += nameServers(string(text)) + ";"
		}
	}
	return s, nil
}

// routable lists the addresses that a connection could come from: of interfaces that are up and have a carrier,
// without loopback and link-local ones.
func routable() (string, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", fmt.Errorf("listing interfaces: %w", err)
	}
	const alive = net.FlagUp | net.FlagRunning
	var found []string
	for _, i := range interfaces {
		if i.Flags&alive != alive || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it went away in between
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
				found = append(found, i.Name+" "+p.String())
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, ","), nil
}

func nameServers(resolvConf string) string {
	var found []string
	for line := range strings.Lines(resolvConf) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			found = append(found, f[1])
		}
	}
	return strings.Join(found, ",")
}
