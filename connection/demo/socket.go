package demo

import (
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
