package demo

import (
	"crypto/tls"
	"net"
	"sync"
)

// door is a listener that can be shut, so that dials are refused, and opened again at the same address.
type door struct {
	mu     sync.Mutex
	ln     net.Listener // nil while shut
	addr   net.Addr
	again  func() (net.Listener, error)
	err    error // why it could not be opened again
	closed bool
	conns  map[*guest]struct{}
	turned chan struct{} // closed and replaced at each change
}

func newDoor(ln net.Listener) *door {
	d := &door{ln: ln, addr: ln.Addr(), conns: make(map[*guest]struct{}), turned: make(chan struct{})}
	d.again = func() (net.Listener, error) { return net.Listen(d.addr.Network(), d.addr.String()) }
	if l, ok := ln.(interface{ Reopen() (net.Listener, error) }); ok {
		d.again = l.Reopen
	}
	return d
}

// Accept implements net.Listener. It waits while the door is shut.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		ln, turned, closed, err := d.ln, d.turned, d.closed, d.err
		d.mu.Unlock()
		switch {
		case closed:
			return nil, net.ErrClosed
		case err != nil:
			return nil, err
		case ln == nil:
			<-turned
			continue
		}
		c, err := ln.Accept()
		if err == nil {
			if g := d.admit(c); g != nil {
				return g, nil
			}
			continue
		}
		select {
		case <-turned: // it was shut, not broken
		default:
			return nil, err
		}
	}
}

// admit remembers a connection, and turns away the one that slipped through while the door was being shut.
func (d *door) admit(c net.Conn) *guest {
	g := &guest{Conn: c, d: d}
	d.mu.Lock()
	shut := d.ln == nil
	if !shut {
		d.conns[g] = struct{}{}
	}
	d.mu.Unlock()
	if shut {
		abort(g)
		return nil
	}
	return g
}

// open listens again. Where that fails Accept gives the error.
func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ln != nil || d.closed {
		return
	}
	d.ln, d.err = d.again()
	d.turn()
}

// shut refuses new connections and resets those that are open.
func (d *door) shut() {
	d.mu.Lock()
	ln, guests := d.ln, d.conns
	d.ln, d.conns = nil, make(map[*guest]struct{})
	d.turn()
	d.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	for g := range guests {
		abort(g)
	}
}

func (d *door) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.shut()
}

// turn wakes Accept. The caller holds the mutex.
func (d *door) turn() {
	close(d.turned)
	d.turned = make(chan struct{})
}

// Close implements net.Listener for net/http, which calls it when it is done.
func (d *door) Close() error { d.close(); return nil }

// Addr implements net.Listener.
func (d *door) Addr() net.Addr { return d.addr }

// guest is an accepted connection.
type guest struct {
	net.Conn
	d *door
}

func (g *guest) Close() error {
	g.d.mu.Lock()
	delete(g.d.conns, g)
	g.d.mu.Unlock()
	return g.Conn.Close()
}

// SetLinger passes on to the real connection, so that Close can reset it.
func (g *guest) SetLinger(sec int) error {
	if l, ok := g.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return nil
}

// gone says that the client is known to have hung up, before its last bytes have been read.
func gone(c net.Conn) bool {
	if g, ok := bare(c).(*guest); ok {
		p, ok := g.Conn.(interface{ PeerClosed() bool })
		return ok && p.PeerClosed()
	}
	return false
}

// abort resets a connection: no goodbye, neither of TLS nor of WebSocket.
func abort(c net.Conn) {
	c = bare(c)
	if l, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0) // a closed connection cannot be reset, and need not be
	}
	c.Close()
}

// bare is the connection under TLS.
func bare(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}
