package demo

import (
	"bytes"
	"time"
)

// talk is how a dialect carries a conversation on an open socket.
type talk struct {
	pump  func() error                // sends what has happened since it last did
	heard func(frame []byte) error    // takes a frame of the client
	beat  func() time.Duration        // says or does what is due, and when it is due next; 0 = the line is dead; nil = nothing
	leave func()                      // says goodbye before the server restarts
	frame func(payload string) []byte // dresses a payload as one of the dialect's frames, for a huge one
}

// live carries the conversation until the line ends.
func (k *socket) live(t talk) {
	var beat, noise <-chan time.Time
	if t.beat != nil {
		beat = time.After(t.beat())
	}
	huge := false
	for {
		mood, changed := k.s.now()
		switch {
		case mood == Draining:
			t.leave()
			return
		case mood == Huge && !huge:
			huge = true
			if k.text(t.frame(string(bytes.Repeat([]byte("a"), hugeFrame)))) != nil {
				return
			}
		case mood == Garbage && noise == nil:
			noise = time.After(2 * time.Second)
		}
		news := k.s.newsChannel()
		if t.pump() != nil {
			return
		}
		select {
		case <-news:
		case <-changed:
		case frame := <-k.in:
			if t.heard(frame) != nil {
				return
			}
		case <-beat:
			next := t.beat()
			if next == 0 {
				return
			}
			beat = time.After(next)
		case <-noise:
			noise = nil
			if mood == Garbage && k.garbage() != nil {
				return
			}
		case <-k.gone:
			return
		case <-k.s.done:
			return
		}
	}
}

// newsChannel is closed when an event is published.
func (s *Server) newsChannel() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// garbage writes something that no dialect can read.
func (k *socket) garbage() error {
	k.s.mu.Lock()
	n := k.s.dice.IntN(4)
	k.s.mu.Unlock()
	switch n {
	case 0:
		return k.text([]byte(`{"cut":"of`))
	case 1:
		return k.binary([]byte{0xff, 0xfe, 0x00, 0x80})
	case 2:
		return k.text([]byte("42[\"oh_event\",{\"id\":"))
	}
	return k.text([]byte("<html>502 Bad Gateway</html>"))
}
