package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// socketIO speaks Engine.IO 4 and Socket.IO 5 over WebSocket alone: every frame begins with the Engine.IO packet type,
// and those of type 4 (message) go on with the Socket.IO packet type.
// https://github.com/socketio/engine.io-protocol https://github.com/socketio/socket.io-protocol
//
// OpenHands V0 is the case with a conversation: what the server must know travels in the URL's query, the replay comes
// before the connect ack, and event ids are whole numbers, strings or absent.
type socketIO struct {
	hello     Hello
	namespace string // "" for the root
	top       int64  // highest event id the socket brought, -1 = none
	filled    int64  // highest event id up to which history leaves no gap
	joined    bool   // the connect ack came
	waiting   int    // binary attachments still to come
	partial   Event  // the event they belong to
	cursor    []byte // scratch
	reply     []byte // scratch
}

func newSocketIO(h Hello) *socketIO {
	c := &socketIO{hello: h, top: -1}
	if n, ok := integer([]byte(h.Cursor)); ok && n >= 0 {
		c.top = n
	}
	if ns := strings.Trim(h.Namespace, "/"); ns != "" {
		c.namespace = "/" + ns
	}
	return c
}

func (c *socketIO) Request(base *url.URL) (*url.URL, http.Header) {
	u := *base
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	path := c.hello.Path
	if path == "" {
		path = "/socket.io"
	}
	u = *u.JoinPath(path)
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	q, _ := url.ParseQuery(c.hello.Params)
	q.Set("EIO", "4")
	q.Set("transport", "websocket")
	header := http.Header{}
	if c.openHands() {
		q.Set("conversation_id", c.hello.Conversation)
		q.Set("latest_event_id", fmt.Sprint(c.top))
		if c.hello.Key != "" {
			// The self-hosted server looks for its key here and nowhere else; a missing one hangs it.
			q.Set("session_api_key", c.hello.Key)
		}
	}
	if c.hello.Key != "" {
		header.Set("Authorization", "Bearer "+c.hello.Key)
	}
	u.RawQuery = q.Encode()
	return &u, header
}

// Greet is nil: the server opens with its Engine.IO handshake.
func (c *socketIO) Greet() []byte { return nil }

func (c *socketIO) Decode(frame []byte, binary bool) (Event, error) {
	if binary {
		return c.attachment()
	}
	if len(frame) == 0 {
		return Event{}, errors.New("reading Engine.IO packet: empty")
	}
	switch rest := frame[1:]; frame[0] {
	case '0':
		return c.open(rest)
	case '1':
		return Event{Kind: Draining, Reason: "the server closed the transport"}, nil
	case '2':
		// "When the client receives a ping packet, it must respond with a pong packet": engine.io-protocol, heartbeat.
		c.reply = append(append(c.reply[:0], '3'), rest...)
		return Event{Kind: Beat, Reply: c.reply}, nil
	case '3', '6':
		return Event{Kind: Beat}, nil
	case '4':
		var e Event // filled in where it is: copying it up from below would cost as much as reading the packet
		if err := c.message(&e, rest); err != nil {
			return Event{}, err
		}
		return e, nil
	}
	return Event{}, fmt.Errorf("reading Engine.IO packet: unknown type %q", frame[0])
}

// open answers the handshake with the connect packet of our namespace.
func (c *socketIO) open(body []byte) (Event, error) {
	e := Event{}
	err := walkObject(body, func(key, value []byte) bool {
		if string(key) == "maxPayload" {
			n, _ := integer(value)
			e.MaxFrame = int(n)
		}
		return true
	})
	if err != nil {
		return Event{}, fmt.Errorf("reading Engine.IO handshake: %w", err)
	}
	e.Reply = c.packet(c.reply[:0], "40")
	if c.hello.Key != "" && !c.openHands() {
		auth, _ := json.Marshal(map[string]string{"token": c.hello.Key})
		e.Reply = append(e.Reply, auth...)
	}
	c.reply = e.Reply
	return e, nil
}

// message reads a Socket.IO packet: <type>[<attachments>-][<namespace>,][<ack id>][JSON].
func (c *socketIO) message(e *Event, b []byte) error {
	if len(b) == 0 {
		return errors.New("reading Socket.IO packet: empty")
	}
	kind := b[0]
	b = b[1:]
	attachments := 0
	if kind == '5' || kind == '6' {
		n, rest := digits(b)
		if len(rest) == 0 || rest[0] != '-' || len(n) > 3 {
			return errors.New("reading Socket.IO packet: no attachment count")
		}
		attachments, _ = atoi(n)
		b = rest[1:]
	}
	space := ""
	if len(b) > 0 && b[0] == '/' {
		end := bytes.IndexByte(b, ',')
		if end < 0 {
			end = len(b)
		}
		space, b = string(bytes.TrimRight(b[:end], "/")), b[min(end+1, len(b)):]
	}
	if space != c.namespace {
		return nil // another namespace's business
	}
	id, body := digits(b)
	switch kind {
	case '0':
		c.joined, c.filled = true, c.top
		e.Kind, e.Gap = Ready, c.openHands()
	case '1':
		e.Kind, e.Reason = Draining, "the server ended the session"
	case '2', '5':
		return c.event(e, id, body, attachments)
	case '3', '6':
		if len(id) == 0 { // without one it would be taken for the ack of whatever is in flight
			return errors.New("reading Socket.IO ack: of nothing")
		}
		e.Kind, e.ID, e.Body, e.Final = Ack, id, body, !c.openHands()
		if attachments > 0 {
			c.waiting, c.partial = attachments, Event{} // the bytes that it carries are for nobody here
		}
	case '4':
		*e = refusal(body)
	default:
		return fmt.Errorf("reading Socket.IO packet: unknown type %q", kind)
	}
	return nil
}

// event reads ["name", argument...]. OpenHands' own are walked only as far as needed; all others are taken as they are.
func (c *socketIO) event(e *Event, ack, body []byte, attachments int) error {
	i := skipSpace(body, 0)
	if i == len(body) || body[i] != '[' {
		return fmt.Errorf("reading Socket.IO event: %w", errNotArray)
	}
	name := skipSpace(body, i+1)
	end := stringEnd(body, name)
	if end < 0 {
		return errors.New("reading Socket.IO event: no name")
	}
	e.Kind, e.Name, e.Body, e.Replay = Message, body[name+1:end-1], body, !c.joined
	if len(ack) > 0 {
		c.reply = append(append(c.packet(c.reply[:0], "43"), ack...), "[]"...)
		e.Reply = c.reply
	}
	if string(e.Name) == "oh_event" {
		if comma := skipSpace(body, end); comma < len(body) && body[comma] == ',' {
			e.Body = firstArgument(body[skipSpace(body, comma+1):])
			if err := c.openHandsEvent(e, &c.top); err != nil {
				return err
			}
		}
	} else if body[len(body)-1] != ']' {
		return fmt.Errorf("reading Socket.IO event: %w", errBroken)
	}
	if attachments > 0 {
		c.waiting, c.partial = attachments, *e
		p := &c.partial
		p.ID, p.Cursor, p.Name, p.Body = bytes.Clone(e.ID), bytes.Clone(e.Cursor), bytes.Clone(e.Name), bytes.Clone(e.Body)
		p.Reply = bytes.Clone(e.Reply) // an ack, once the whole event is here
		*e = Event{}
	}
	return nil
}

// attachment takes one binary frame; the event is told when its last one came.
func (c *socketIO) attachment() (Event, error) {
	if c.waiting == 0 {
		return Event{}, errors.New("reading Socket.IO attachment: none was announced")
	}
	if c.waiting--; c.waiting > 0 {
		return Event{}, nil
	}
	return c.partial, nil
}

// Encode asks for an ack: python-socketio, on which OpenHands V0 stands, sends one when the event's handler has returned.
func (c *socketIO) Encode(id, text string) ([]byte, error) {
	name, payload := "message", any(map[string]string{"id": id, "text": text})
	if c.openHands() {
		name = "oh_user_action"
		payload = map[string]any{"action": "message",
			"args": map[string]any{"content": text, "image_urls": []string{}, "file_urls": []string{}}}
	}
	b, err := json.Marshal([]any{name, payload})
	if err != nil {
		return nil, fmt.Errorf("writing Socket.IO event: %w", err)
	}
	return append(append(c.packet(nil, "42"), id...), b...), nil
}

// packet begins a Socket.IO packet of our namespace.
func (c *socketIO) packet(b []byte, kind string) []byte {
	b = append(b, kind...)
	if c.namespace != "" {
		b = append(append(b, c.namespace...), ',')
	}
	return b
}

// Ping is nil: no OpenHands server answers spec A's "ping" event, and every server answers a WebSocket ping.
func (c *socketIO) Ping() []byte { return nil }

// Bye leaves the namespace.
func (c *socketIO) Bye() []byte { return c.packet(nil, "41") }

// firstArgument cuts what follows the first argument off: nearly always that is only the closing bracket.
func firstArgument(rest []byte) []byte {
	if bytes.HasSuffix(rest, []byte("}]")) {
		return rest[:len(rest)-1]
	}
	if end := valueEnd(rest, 0); end > 0 {
		return rest[:end]
	}
	return rest
}

// refusal reads a connect error: {"message":"…"} in version 5, a bare string in older servers. The server leaves the
// transport open; hanging up is ours.
func refusal(body []byte) Event {
	reason := text(body)
	if m := member(body, "message"); m != nil {
		reason = text(m)
	}
	e := Event{Kind: Refused, Reason: reason}
	low := strings.ToLower(reason)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(low, w) {
				return true
			}
		}
		return false
	}
	switch {
	case low == "invalid namespace", low == "unable to connect": // how npm's server and python-socketio say it
		e.Nowhere, e.Final = true, true
	case has("not allowed", "forbidden"): // first: who is not allowed may be called anything
		e.Barred, e.Final = true, true
	case has("api_key", "api key", "auth", "token", "credential", "session$timeout"):
		e.Auth, e.Final = true, true
	case has("no conversation", "not found"):
		e.Final = true
	}
	return e
}
