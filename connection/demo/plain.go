package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gorilla/websocket"
)

// plain is a Socket.IO server that anybody might have written: any namespace, a token in the connect payload, events
// that want an ack or carry bytes, and an answer to spec A's ping. It keeps no history.
func (s *Server) plain() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /socket.io/", s.engineIO(s.plainSocket))
	return mux
}

func (s *Server) plainSocket(e *engine, r *http.Request) {
	p, err := e.next()
	for err == nil && p.kind != '0' {
		p, err = e.next()
	}
	mood, _ := s.now()
	if err != nil || mood == HangGreeting {
		e.idle()
		return
	}
	var auth struct {
		Token string `json:"token"`
	}
	_ = json.Unmarshal(p.body, &auth) // no payload is no token
	key := s.headerKey(r)
	if auth.Token != "" {
		key = auth.Token
		s.note(func(v *Seen) { v.KeyInFrame = true })
	}
	if !s.admits(key, s.opt.Key) {
		_ = e.send(`44%s{"message":"invalid token"}`, p.space)
		e.idle()
		return
	}
	if e.send(`40%s{"sid":"%s"}`, p.space, e.sid) != nil {
		return
	}
	c := s.main
	all, _ := s.after(c, 0)
	s.plainTalk(e, c, p.space, len(all))
}

func (s *Server) plainTalk(e *engine, c *conversation, space string, place int) {
	e.k.live(talk{
		beat: e.beat,
		pump: func() error {
			fresh, _ := s.after(c, place)
			place += len(fresh)
			for _, v := range fresh {
				if err := e.plainEvent(space, v); err != nil {
					return err
				}
			}
			return nil
		},
		heard: func(frame []byte) error {
			own, err := e.own(frame)
			if own || err != nil {
				return err
			}
			return s.plainHeard(e, c, parse(frame))
		},
		leave: func() {
			_ = e.send("41%s", space)
			e.k.bye(websocket.CloseGoingAway, "")
		},
		frame: func(payload string) []byte { return fmt.Appendf(nil, `42%s["message","%s"]`, space, payload) },
	})
}

// plainEvent sends an event; every tenth wants an ack, and every sixteenth carries bytes.
func (e *engine) plainEvent(space string, v event) error {
	switch {
	case v.kind == hidden:
		return nil
	case v.kind == turned:
		return e.emit(space, "agent", map[string]any{"state": v.to})
	case v.seq%16 == 15:
		if err := e.send(`451-%s["message",{"id":%d,"data":{"_placeholder":true,"num":0}}]`, space, v.num); err != nil {
			return err
		}
		return e.k.binary([]byte(v.text))
	case v.seq%10 == 9:
		body, err := json.Marshal(map[string]any{"id": v.num, "text": v.text})
		if err != nil {
			return err
		}
		return e.send(`42%s%d["message",%s]`, space, v.num, body)
	}
	return e.emit(space, "message", map[string]any{"id": v.num, "text": v.text})
}

func (s *Server) plainHeard(e *engine, c *conversation, p packet) error {
	switch p.kind {
	case '1':
		return errOver
	case '3', '6':
		s.note(func(v *Seen) { v.Acks++ })
		return nil
	case '2', '5':
	default:
		return nil
	}
	name, arg := p.event()
	if name == "ping" {
		return e.emit(p.space, "pong", arg)
	}
	var text string
	if json.Unmarshal(arg, &text) != nil {
		text = textIn(arg)
	}
	if text == "" {
		text = name + " " + strconv.Quote(string(arg))
	}
	if s.ignores() {
		return nil
	}
	s.publish(c, asked, text, "")
	if p.ack != "" {
		return e.send(`43%s%s[]`, p.space, p.ack)
	}
	return nil
}
