package demo

import "net"

// pipeAddr is host:port.
type pipeAddr string

func (pipeAddr) Network() string  { return "tcp" }
func (a pipeAddr) String() string { return string(a) }

// Listener is the server's end of the network. While it is closed, dials are refused; asking again opens it anew.
func (p *Pipe) Listener() net.Listener {
	var ln *pipeListener
	p.change(func() {
		if p.ln == nil {
			p.ln = &pipeListener{p: p, queue: make(chan *pipeConn, 128), done: make(chan struct{})}
		}
		ln = p.ln
	})
	return ln
}

type pipeListener struct {
	p     *Pipe
	queue chan *pipeConn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		l.p.change(func() {}) // there is room in the backlog
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close refuses what comes and resets what nobody accepted yet.
func (l *pipeListener) Close() error {
	l.p.mu.Lock()
	open := l.p.ln == l
	if open {
		l.p.ln = nil
		close(l.done)
	}
	l.p.mu.Unlock()
	for open {
		select {
		case c := <-l.queue:
			_ = c.SetLinger(0)
			c.Close()
		default:
			open = false
		}
	}
	return nil
}

// Addr is where the demo would listen.
func (l *pipeListener) Addr() net.Addr { return pipeAddr("127.0.0.1:3000") }

// Reopen opens the listener again after Close.
func (l *pipeListener) Reopen() (net.Listener, error) { return l.p.Listener(), nil }
