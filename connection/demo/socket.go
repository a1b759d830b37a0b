package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// errOver ends a socket's script: the line is gone, or the server closes.
var errOver = errors.New("the socket is over")

// socket is one open WebSocket. Its script runs in the handler's goroutine and is the only one that writes data; one
// more goroutine reads.
type socket struct {
	s    *Server
	ws   *websocket.Conn
	in   chan []byte   // the client's frames, handed over one by one
	gone chan struct{} // closed when nothing more can be read
	over chan struct{} // closed when the script has ended
	once sync.Once
}

// serve upgrades a request and runs a script on the socket, which is reset when the script returns.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, script func(*socket)) {
	ws, err := s.up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	k := &socket{s: s, ws: ws, in: make(chan []byte), gone: make(chan struct{}), over: make(chan struct{})}
	ws.SetPingHandler(k.pong)
	s.mu.Lock()
	s.sockets[k] = struct{}{}
	s.seen.Peak = max(s.seen.Peak, s.live())
	closed, mood := s.closed, s.mood
	s.mu.Unlock()
	if closed || moods[mood].shut {
		k.abort() // the mood changed between the request and now, too late for the cut
	}
	if mood == Flapping {
		defer time.AfterFunc(flap, k.abort).Stop()
	}
	var reader sync.WaitGroup
	reader.Go(k.read)
	script(k)
	close(k.over)
	k.abort()
	reader.Wait()
	s.mu.Lock()
	delete(s.sockets, k)
	if s.opt.Rotating {
		s.runtime++
	}
	s.mu.Unlock()
}

func (k *socket) abort() { k.once.Do(func() { abort(k.ws.NetConn()) }) }

// read hands frames to the script until the line ends. A silent server reads nothing more; what was sent meanwhile is
// taken when it wakes, as with a process that was stopped.
func (k *socket) read() {
	defer close(k.gone)
	for {
		_, frame, err := k.ws.ReadMessage()
		if err != nil || !k.awake() {
			return
		}
		select {
		case k.in <- frame:
		case <-k.over:
			return
		}
	}
}

// pong answers a ping frame, in moods that answer.
func (k *socket) pong(data string) error {
	if mood, _ := k.s.now(); mood != Silent {
		// A full window or a dead peer shows in the next write or read.
		_ = k.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	}
	return nil
}

// awake waits while the server is silent. It is false when the script or the server has ended meanwhile.
func (k *socket) awake() bool {
	for {
		mood, changed := k.s.now()
		if mood != Silent {
			return true
		}
		select {
		case <-changed:
		case <-k.gone:
			return false
		case <-k.over:
			return false
		case <-k.s.done:
			return false
		}
	}
}

// text writes a text frame, and binary a binary one, when the server is not silent.
func (k *socket) text(frame []byte) error   { return k.write(websocket.TextMessage, frame) }
func (k *socket) binary(frame []byte) error { return k.write(websocket.BinaryMessage, frame) }

func (k *socket) write(kind int, frame []byte) error {
	if !k.awake() {
		return errOver
	}
	_ = k.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
	return k.ws.WriteMessage(kind, frame)
}

// json writes a value as a text frame.
func (k *socket) json(v any) error {
	frame, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.text(frame)
}

// bye closes the WebSocket politely: the close frame, and a second for the client's own.
func (k *socket) bye(code int, reason string) {
	if !k.awake() {
		return
	}
	until := time.Now().Add(time.Second)
	_ = k.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), until)
	t := time.NewTimer(time.Second)
	defer t.Stop()
	for {
		select {
		case <-k.in: // said too late
			continue
		case <-k.gone:
		case <-t.C:
		case <-k.s.done:
		}
		return
	}
}

// hear waits for one frame of the client, at most d.
func (k *socket) hear(d time.Duration) ([]byte, error) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case frame := <-k.in:
		return frame, nil
	case <-t.C:
		return nil, errors.New("the client said nothing")
	case <-k.gone:
	case <-k.s.done:
	}
	return nil, errOver
}

// pause lets time pass.
func (k *socket) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-k.gone:
	case <-k.s.done:
	}
	return errOver
}

// ignore takes what the client sends and answers nothing, until the line ends.
func (k *socket) ignore() {
	for {
		select {
		case <-k.in:
		case <-k.gone:
			return
		case <-k.s.done:
			return
		}
	}
}

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
