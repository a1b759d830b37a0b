package connection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"handline/connection/network"
)

// read decodes until the socket ends, and says why it did.
func (s *session) read(ctx context.Context, kids *sync.WaitGroup) error {
	s.ws.SetReadLimit(readLimit + 1<<10)
	s.ws.SetPingHandler(func(data string) error {
		s.heard()
		s.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(5*time.Second))
		return nil // a pong that could not be sent is the writer's trouble
	})
	s.ws.SetPongHandler(func(data string) error {
		s.heard()
		if rtt, ok := s.sent.took(data, time.Now()); ok {
			s.tell(ctx, ponged{s.session, rtt})
		}
		return nil
	})
	var buf []byte
	for {
		kind, r, err := s.ws.NextReader()
		if err == nil {
			buf, err = readAll(r, buf[:0])
		}
		if err != nil {
			return closed(err, s.place.Base)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.frame(ctx, buf, kind == websocket.BinaryMessage, kids); err != nil {
			return err
		}
		if cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// readAll reads one message into buf. The limit counts what came out of the inflater; gorilla's own counts what went
// in, and 64 KiB of zeroes inflate to 64 MiB.
func readAll(r io.Reader, buf []byte) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > readLimit:
			return buf, websocket.ErrReadLimit
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

// closed is the failure behind a read error.
func closed(err error, base *url.URL) network.Failure {
	var ce *websocket.CloseError
	switch {
	case errors.As(err, &ce):
		return network.ClosedWith(ce.Code, ce.Text)
	case errors.Is(err, websocket.ErrReadLimit):
		return network.Failure{Cause: network.TooBig, Verdict: network.Thrice, Detail: fmt.Sprintf("over %d MiB", readLimit>>20)}
	}
	return network.Classify(err, base, nil, nil)
}

// line is the connection under the socket. It remembers when bytes came last, so that a stream costs one look at the
// clock for each read and not for each of the many events in it. Only the reader uses it, once the socket is open.
type line struct {
	net.Conn
	read time.Time
}

func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.read = time.Now()
	return n, err
}

// from is this machine's address on the connection, zero where it has none.
func (l *line) from() netip.Addr {
	at, _ := netip.ParseAddrPort(l.LocalAddr().String())
	return at.Addr()
}

// heard notes a sign of life that is no event.
func (s *session) heard() {
	s.mu.Lock()
	s.state.heard = s.line.read
	s.mu.Unlock()
}

// badFrames counts frames that could not be decoded.
type badFrames struct {
	from   time.Time // of the current minute
	count  int
	logged time.Time
}

// note counts one and says whether the peer has gone mad: ten in a minute (spec B 40).
func (b *badFrames) note(now time.Time) (mad bool) {
	if now.Sub(b.from) > time.Minute {
		b.from, b.count = now, 0
	}
	b.count++
	return b.count >= 10
}

// sample is a frame's start for the log: 200 bytes, with every quoted text blotted out. A quote that is escaped ends none.
func sample(frame []byte) string {
	var sb strings.Builder
	quoted, escaped := false, false
	for _, c := range bytes.ToValidUTF8(frame[:min(len(frame), 200)], nil) {
		switch {
		case escaped:
			escaped = false
			sb.WriteByte('.')
		case quoted && c == '\\':
			escaped = true
			sb.WriteByte('.')
		case c == '"':
			quoted = !quoted
			sb.WriteByte(c)
		case quoted || c < ' ':
			sb.WriteByte('.')
		default:
			sb.WriteByte(c)
		}
	}
	return sb.String()
}
