package connection

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
)

// uplink is a connection whose way out is slow, with a system that holds some of what is on its way, as all do.
type uplink struct {
	net.Conn
	rate, holds int // bytes a second, bytes

	mu   sync.Mutex
	left time.Time // by when what was written so far has left
	by   time.Time
	gone chan struct{}
	out  chan []byte
}

func (u *uplink) Write(p []byte) (int, error) {
	u.mu.Lock()
	now := time.Now()
	if u.left.Before(now) {
		u.left = now
	}
	u.left = u.left.Add(time.Duration(len(p)) * time.Second / time.Duration(u.rate))
	free, by := u.left.Add(-time.Duration(u.holds)*time.Second/time.Duration(u.rate)), u.by
	u.mu.Unlock()
	if !by.IsZero() && by.Before(free) {
		return 0, os.ErrDeadlineExceeded
	}
	select {
	case <-time.After(time.Until(free)):
	case <-u.gone:
		return 0, net.ErrClosed
	}
	u.out <- append([]byte(nil), p...)
	return len(p), nil
}

func (u *uplink) SetWriteDeadline(by time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.by = by
	return nil
}

func (u *uplink) Close() error {
	select {
	case <-u.gone:
	default:
		close(u.gone)
	}
	return u.Conn.Close()
}

// deliver is the system, which goes on sending until the connection is closed.
func (u *uplink) deliver() {
	for {
		select {
		case p := <-u.out:
			select {
			case <-time.After(time.Duration(len(p)) * time.Second / time.Duration(u.rate)):
				u.Conn.Write(p)
			case <-u.gone:
			}
		case <-u.gone:
			return
		}
	}
}

// throttled makes every connection's way out slow.
func (w *world) throttled(rate, holds int) {
	dial := w.opt.Dialer.Raw
	w.stop()
	w.opt.Dialer = network.Dialer{Raw: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		u := &uplink{Conn: c, rate: rate, holds: holds, gone: make(chan struct{}), out: make(chan []byte, 1<<10)}
		go u.deliver() // ends with the connection
		return u, nil
	}}
	w.start()
	w.until(Connected, time.Minute)
	w.pass(time.Minute)
}

// A long message takes its time on a slow uplink. The line must bear that: a cut would have it sent again, and cut again.
func TestALongMessageOnASlowUplink(t *testing.T) {
	for name, holds := range map[string]int{"held by the system": 256 << 10, "held by us": 4 << 10} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(w *world) {
				w.throttled(24<<10, holds)
				text := strings.Repeat("x", 400_000) // 17 s
				dials := len(w.pipe.Dials())
				for range 2 {
					w.says(text)
					w.pass(time.Second)
					w.do(Nudge{Link: true, Route: true}) // its ping waits behind the message, too
					w.pass(2 * time.Minute)
				}
				w.arrived(text, text)
				require.Len(t, w.pipe.Dials(), dials, "nothing was cut")
			})
		})
	}
}

// Whoever hangs up in the middle of a long message does not wait for it.
func TestHangingUpInTheMiddleOfAMessage(t *testing.T) {
	everywhere(t, func(w *world) {
		w.throttled(1<<10, 4<<10)
		w.says(strings.Repeat("x", 400_000))
		w.pass(3 * time.Second)
		w.do(Disconnect{})
		from := time.Now()
		w.until(Disconnected, time.Second)
		w.do(Connect{})
		w.until(Connected, 10*time.Second)
		require.Less(t, time.Since(from), time.Second, "the next dial waits until the last session has ended")
	})
}
