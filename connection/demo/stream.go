package demo

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes a direction holds between its writer and its reader, like a socket's two buffers.
const window = 64 << 10

// stream is one direction of a connection in memory. It has one end that writes and one that reads, and it behaves as
// TCP does between two kernels: the writer succeeds while there is room in the window, whatever the network does.
//
// All waiting is on a channel or a timer, never on the mutex, so that synctest sees it as idleness.
type stream struct {
	mu     sync.Mutex
	change chan struct{} // closed and replaced whenever something a waiter looks at has changed

	parts   []part // sent and not read, oldest first
	size    int    // bytes in parts
	latency time.Duration
	frozen  bool // the network swallows everything: nothing arrives, nobody is told, until it heals
	budget  int  // bytes until the connection is cut, −1 = never
	cut     func()

	writerEnd error // what Write gives since this direction was ended, nil = open
	readerEnd error // what Read gives since the reader hung up, nil = it did not
	readBy    time.Time
	writeBy   time.Time
}

// part is what one write sent, or the end of the stream.
type part struct {
	data []byte
	end  error
	due  time.Time
}

func newStream(latency time.Duration, frozen bool, budget int) *stream {
	return &stream{change: make(chan struct{}), latency: latency, frozen: frozen, budget: budget}
}

// news wakes whoever waits. The caller holds the mutex.
func (s *stream) news() {
	close(s.change)
	s.change = make(chan struct{})
}

// set changes the stream under its mutex and wakes its waiters.
func (s *stream) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.news()
}

// end closes the direction: the reader gets what was sent and then toReader, the writer gets toWriter at once. Only the
// first end counts.
func (s *stream) end(toReader, toWriter error) {
	s.set(func() {
		if s.writerEnd == nil {
			s.writerEnd = toWriter
			s.parts = append(s.parts, part{end: toReader, due: time.Now().Add(s.latency)})
		}
	})
}

// hangUp is the reader closing its end: what was sent is lost, and the writer is told, unless the network is frozen.
func (s *stream) hangUp() {
	s.set(func() {
		s.readerEnd, s.parts, s.size = net.ErrClosed, nil, 0
	})
}

func (s *stream) read(b []byte) (int, error) {
	for {
		s.mu.Lock()
		n, err, until := s.take(b, time.Now())
		change := s.change
		s.mu.Unlock()
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		await(change, until)
	}
}

// take reads what has arrived. Where nothing has, until says when to look again, zero = at the next change.
func (s *stream) take(b []byte, now time.Time) (n int, err error, until time.Time) {
	switch {
	case s.readerEnd != nil:
		return 0, s.readerEnd, until
	case !s.readBy.IsZero() && !now.Before(s.readBy):
		return 0, os.ErrDeadlineExceeded, until
	}
	until = s.readBy
	if s.frozen || len(s.parts) == 0 {
		return 0, nil, until
	}
	p := &s.parts[0]
	if p.due.After(now) {
		return 0, nil, sooner(until, p.due)
	}
	if p.end != nil {
		return 0, p.end, until
	}
	n = copy(b, p.data)
	p.data, s.size = p.data[n:], s.size-n
	if len(p.data) == 0 {
		s.parts = s.parts[1:]
	}
	s.news()
	return n, nil, until
}

func (s *stream) write(b []byte) (int, error) {
	sent := 0
	for {
		s.mu.Lock()
		n, err, until := s.put(b[sent:], time.Now())
		change, cut := s.change, s.budget == 0
		s.mu.Unlock()
		sent += n
		if cut {
			s.cut()
			return sent, syscall.ECONNRESET
		}
		if err != nil || sent == len(b) {
			return sent, err
		}
		await(change, until)
	}
}

// put sends as much of b as there is room for.
func (s *stream) put(b []byte, now time.Time) (n int, err error, until time.Time) {
	switch {
	case s.writerEnd != nil:
		return 0, s.writerEnd, until
	case s.readerEnd != nil && !s.frozen:
		return 0, syscall.EPIPE, until
	case !s.writeBy.IsZero() && !now.Before(s.writeBy):
		return 0, os.ErrDeadlineExceeded, until
	}
	n = min(len(b), window-s.size)
	if s.budget >= 0 {
		n = min(n, s.budget)
		s.budget -= n
	}
	if n > 0 {
		s.parts = append(s.parts, part{data: append([]byte(nil), b[:n]...), due: now.Add(s.latency)})
		s.size += n
		s.news()
	}
	return n, nil, s.writeBy
}

// over says that the reader has hung up, or that the end of the stream is all that is left to read.
func (s *stream) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readerEnd != nil || s.writerEnd != nil
}

// await returns at the change or at until, whichever is first.
func await(change <-chan struct{}, until time.Time) {
	if until.IsZero() {
		<-change
		return
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-change:
	case <-t.C:
	}
}

// sooner is the earlier of two times, where zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
