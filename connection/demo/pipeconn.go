package demo

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeConn is one end of a connection in memory. Errors are those of the net package, so that they are classified alike.
type pipeConn struct {
	in, out       *stream
	local, remote net.Addr
	closed        func() // tells the pipe, once
	mu            sync.Mutex
	abort, gone   bool
}

func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

func (c *pipeConn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

func (c *pipeConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if no, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, no)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close sends what is left and then the end, or a reset after SetLinger(0), as a TCP connection does.
func (c *pipeConn) Close() error {
	c.mu.Lock()
	abort, again := c.abort, c.gone
	c.gone = true
	c.mu.Unlock()
	if again {
		return c.wrap("close", net.ErrClosed)
	}
	var last error = io.EOF
	if abort {
		last = syscall.ECONNRESET
	}
	c.in.hangUp()
	c.out.end(last, net.ErrClosed)
	c.closed()
	return nil
}

// CloseWrite ends this direction and leaves the other open.
func (c *pipeConn) CloseWrite() error {
	c.out.end(io.EOF, syscall.EPIPE)
	return nil
}

// SetLinger with 0 makes Close send a reset.
func (c *pipeConn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort = sec == 0
	return nil
}

// PeerClosed says that the other end was closed, before its last bytes have been read here.
func (c *pipeConn) PeerClosed() bool { return c.in.over() }

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.set(func() { c.in.readBy = t })
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.set(func() { c.out.writeBy = t })
	return nil
}
