package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Direction is a way through a Pipe.
type Direction int

const (
	ToServer Direction = iota
	ToClient
)

// Pipe is a network in memory between one client and one server, with the faults of a real one. It serves tests in a
// synctest bubble, where real sockets would stop the clock. Every address leads to the one listener. The methods that
// cause faults may be called at any time, from anywhere, and act on open connections too unless they say otherwise.
type Pipe struct {
	mu      sync.Mutex
	ln      *pipeListener
	pairs   map[*pipeConn]*pipeConn // the client's end to the server's
	latency time.Duration
	failing error
	hanging bool
	frozen  [2]bool
	budget  [2]int        // of the next connection
	healed  chan struct{} // closed and replaced when a waiting dial should look again

	dials        []time.Time
	flying, most int // dials in flight now, and the most there ever were
	open, peak   int // connections the client holds, and the most it ever held
	port         int
}

// NewPipe makes a network without faults or latency.
func NewPipe() *Pipe {
	return &Pipe{
		pairs:  make(map[*pipeConn]*pipeConn),
		budget: [2]int{-1, -1},
		healed: make(chan struct{}),
		port:   40000,
	}
}

// Dial connects to the listener. It has the shape of net.Dialer.DialContext, and its errors.
func (p *Pipe) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.takeOff()
	defer p.land()
	fail := func(err error) (net.Conn, error) {
		if no, ok := err.(syscall.Errno); ok {
			err = os.NewSyscallError("connect", no)
		}
		return nil, &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(addr), Err: err}
	}
	for {
		c, err, wait := p.connect(addr)
		if c == nil && err == nil {
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return fail(ctx.Err())
			}
		}
		if lag := p.roundTrip(); lag > 0 {
			t := time.NewTimer(lag)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			if c != nil {
				c.Close()
			}
			return fail(err)
		}
		return c, nil
	}
}

// connect answers a dial. No connection and no error means that nothing answers until wait is closed.
func (p *Pipe) connect(addr string) (c net.Conn, err error, wait <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.failing != nil:
		return nil, p.failing, nil
	case p.hanging || p.frozen[ToServer] || p.frozen[ToClient]:
		return nil, nil, p.healed
	case p.ln == nil:
		return nil, syscall.ECONNREFUSED, nil
	case len(p.ln.queue) == cap(p.ln.queue):
		return nil, nil, p.healed // a full backlog drops the SYN
	}
	client, server := p.pair(addr)
	p.ln.queue <- server
	return client, nil, nil
}

// pair makes the two ends. The caller holds the mutex.
func (p *Pipe) pair(addr string) (client, server *pipeConn) {
	up := newStream(p.latency, p.frozen[ToServer], p.budget[ToServer])
	down := newStream(p.latency, p.frozen[ToClient], p.budget[ToClient])
	p.budget = [2]int{-1, -1}
	up.cut = func() { reset(up, down) }
	down.cut = up.cut
	p.port++
	here, there := pipeAddr(fmt.Sprintf("127.0.0.1:%d", p.port)), pipeAddr(addr)
	client = &pipeConn{in: down, out: up, local: here, remote: there}
	server = &pipeConn{in: up, out: down, local: there, remote: here, closed: func() {}}
	client.closed = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, client)
		p.open--
	}
	p.pairs[client] = server
	p.open++
	p.peak = max(p.peak, p.open)
	return client, server
}

// reset cuts both directions: what was sent still arrives, then both ends are told.
func reset(streams ...*stream) {
	for _, s := range streams {
		s.end(syscall.ECONNRESET, syscall.ECONNRESET)
		s.set(func() { s.budget = -1 })
	}
}

// change applies a fault under the mutex, to open connections too, and lets waiting dials look again.
func (p *Pipe) change(fault func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault()
	close(p.healed)
	p.healed = make(chan struct{})
	for client := range p.pairs {
		client.out.set(func() { client.out.frozen, client.out.latency = p.frozen[ToServer], p.latency })
		client.in.set(func() { client.in.frozen, client.in.latency = p.frozen[ToClient], p.latency })
	}
}

// Latency is how long each byte travels one way; a dial takes two.
func (p *Pipe) Latency(d time.Duration) { p.change(func() { p.latency = d }) }

// Fail makes dials end with err, at once: syscall.ECONNREFUSED, syscall.EHOSTUNREACH, a *net.DNSError. nil heals.
func (p *Pipe) Fail(err error) { p.change(func() { p.failing = err }) }

// Hang leaves dials without an answer until it is lifted. Open connections live on.
func (p *Pipe) Hang(on bool) { p.change(func() { p.hanging = on }) }

// Blackhole swallows what is sent one way. Nobody is told; when it is lifted, what was swallowed arrives.
func (p *Pipe) Blackhole(d Direction, on bool) { p.change(func() { p.frozen[d] = on }) }

// Partition is a blackhole both ways: the cable is out.
func (p *Pipe) Partition(on bool) { p.change(func() { p.frozen = [2]bool{on, on} }) }

// CutAfter lets n bytes of the next connection pass in a direction, and then resets it. What was sent arrives first.
func (p *Pipe) CutAfter(d Direction, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget[d] = max(n, 0)
}

// Cut resets every open connection now.
func (p *Pipe) Cut() {
	p.change(func() {
		for client := range p.pairs {
			reset(client.in, client.out)
		}
	})
}

// Dials are the times at which the client dialled.
func (p *Pipe) Dials() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.dials...)
}

// InFlight is the most dials that were ever under way at one time.
func (p *Pipe) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// Open is how many connections the client holds now, and peak the most it ever held.
func (p *Pipe) Open() (now, peak int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.peak
}

func (p *Pipe) takeOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials = append(p.dials, time.Now())
	p.flying++
	p.most = max(p.most, p.flying)
}

func (p *Pipe) land() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
}

func (p *Pipe) roundTrip() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return 2 * p.latency
}
