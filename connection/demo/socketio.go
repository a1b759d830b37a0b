package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Engine.IO 4 as python-engineio runs it: the server pings, and drops who does not answer.
const (
	pingInterval = 25 * time.Second
	pingTimeout  = 20 * time.Second
	maxPayload   = 4 << 20
)

// engine speaks Engine.IO on a socket. Packets are one text frame each, with the type as first digit: 0 open, 1 close,
// 2 ping, 3 pong, 4 message.
type engine struct {
	k      *socket
	sid    string
	due    time.Time // of the next ping, or of the answer to the last one
	pinged bool
}

// engineIO opens the engine and runs a script on it. Only the WebSocket transport is played.
func (s *Server) engineIO(script func(*engine, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("EIO") != "4":
			answer(w, http.StatusBadRequest, "The client is using an unsupported version of the Socket.IO or Engine.IO protocols")
		case !websocket.IsWebSocketUpgrade(r):
			answer(w, http.StatusBadRequest, "Invalid transport")
		default:
			s.serve(w, r, func(k *socket) {
				s.mu.Lock()
				e := &engine{k: k, sid: fmt.Sprintf("%016x", s.dice.Uint64())}
				s.mu.Unlock()
				open := `0{"sid":"%s","upgrades":[],"pingTimeout":%d,"pingInterval":%d,"maxPayload":%d}`
				if e.send(open, e.sid, pingTimeout.Milliseconds(), pingInterval.Milliseconds(), maxPayload) == nil {
					script(e, r)
				}
			})
		}
	}
}

func (e *engine) send(format string, args ...any) error {
	return e.k.text(fmt.Appendf(nil, format, args...))
}

// beat pings when it is time to, and gives the time until it must be called again; 0 = the client did not answer.
func (e *engine) beat() time.Duration {
	now := time.Now()
	switch {
	case e.due.IsZero():
		e.due = now.Add(pingInterval)
	case now.Before(e.due):
	case e.pinged || e.send("2") != nil:
		return 0
	default:
		e.pinged, e.due = true, now.Add(pingTimeout)
	}
	return max(e.due.Sub(now), 1)
}

// own takes the engine's own packets, and says whether this was one.
func (e *engine) own(frame []byte) (bool, error) {
	switch {
	case len(frame) == 0:
		return true, nil
	case frame[0] == '3':
		e.pinged, e.due = false, time.Now().Add(pingInterval)
		return true, nil
	case frame[0] == '1':
		return true, errOver
	}
	return frame[0] != '4', nil
}

// next gives the client's next Socket.IO packet and keeps the pulse meanwhile.
func (e *engine) next() (packet, error) {
	for {
		d := e.beat()
		if d == 0 {
			return packet{}, errOver
		}
		t := time.NewTimer(d)
		select {
		case frame := <-e.k.in:
			t.Stop()
			own, err := e.own(frame)
			if err != nil || !own {
				return parse(frame), err
			}
		case <-t.C:
		case <-e.k.gone:
			t.Stop()
			return packet{}, errOver
		case <-e.k.s.done:
			t.Stop()
			return packet{}, errOver
		}
	}
}

// idle keeps the engine alive and answers nothing, until the client leaves.
func (e *engine) idle() {
	for {
		if _, err := e.next(); err != nil {
			return
		}
	}
}

// pause lets time pass as a busy connect handler does: pings go out, and no answer is read. A client that has waited
// longer than interval and timeout together is therefore dropped, as by the real server.
func (e *engine) pause(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		due := e.beat()
		if due == 0 {
			return errOver
		}
		t := time.NewTimer(min(due, time.Until(end)))
		select {
		case <-t.C:
		case <-e.k.gone:
			t.Stop()
			return errOver
		case <-e.k.s.done:
			t.Stop()
			return errOver
		}
	}
	return nil
}

// packet is one Socket.IO packet: 0 connect, 1 disconnect, 2 event, 3 ack, 4 connect error, 5 binary event, 6 binary ack.
type packet struct {
	kind  byte
	space string // namespace with its comma as it stands on the wire, "" = /
	ack   string // digits, "" = no answer is wanted
	body  []byte
}

func parse(frame []byte) packet {
	if len(frame) < 2 {
		return packet{}
	}
	p := packet{kind: frame[1], body: frame[2:]}
	if p.kind == '5' || p.kind == '6' {
		_, p.body, _ = bytes.Cut(p.body, []byte("-"))
	}
	if len(p.body) > 0 && p.body[0] == '/' {
		space, rest, _ := bytes.Cut(p.body, []byte(","))
		p.space, p.body = string(space)+",", rest
	}
	digits := 0
	for digits < len(p.body) && p.body[digits] >= '0' && p.body[digits] <= '9' {
		digits++
	}
	p.ack, p.body = string(p.body[:digits]), p.body[digits:]
	return p
}

// event reads the body of an event packet: its name and first argument.
func (p packet) event() (name string, arg json.RawMessage) {
	var all []json.RawMessage
	if json.Unmarshal(p.body, &all) != nil || len(all) == 0 || json.Unmarshal(all[0], &name) != nil {
		return "", nil
	}
	if len(all) > 1 {
		arg = all[1]
	}
	return name, arg
}

// emit sends an event, as python-socketio writes it: no spaces, and nothing but ASCII.
func (e *engine) emit(space, name string, arg any) error {
	body, err := json.Marshal(arg)
	if err != nil {
		return err
	}
	return e.send(`42%s["%s",%s]`, space, name, ascii(body))
}

// ascii escapes everything in a JSON text that is not ASCII, in surrogate pairs where need be.
func ascii(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for _, r := range string(body) {
		switch {
		case r < 0x80:
			out = append(out, byte(r))
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return out
}
