package backend

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"handline/connection/network"
	"handline/connection/wire"
)

// voice-code answers no question over HTTP, but whoever connects to its socket is first told which sessions there are.
// So a look at them is a socket that is closed again once it was told. It joins nothing and starts nothing.

// voiceSession is an entry of session_list.
type voiceSession struct {
	ID      string `json:"session_id"`
	Name    string `json:"name"`
	Updated int64  `json:"last_modified"` // milliseconds since 1970
}

func (v voiceSession) common() Conversation {
	c := Conversation{ID: v.ID, Title: v.Name, Running: true}
	if v.Updated > 0 {
		c.Updated = time.UnixMilli(v.Updated)
	}
	return c
}

// voicePlace names the session where none was named. The one that is named is not looked for: the socket will say.
func (c *Client) voicePlace(ctx context.Context, base *url.URL, h wire.Hello) (wire.Place, error) {
	p := wire.Place{Base: base, Dialect: wire.VoiceCode, Hello: h}
	if h.Conversation != "" {
		return p, nil
	}
	found, err := newest(func(int) ([]voiceSession, error) { return c.voiceSessions(ctx, base, h) }, base.Host)
	p.Hello.Conversation, p.Title = found.ID, found.Name
	return p, err
}

// voiceSessions connects, is told the sessions, and goes.
func (c *Client) voiceSessions(ctx context.Context, base *url.URL, h wire.Hello) ([]voiceSession, error) {
	h.Conversation, h.Cursor = "", ""
	codec, err := wire.New(wire.VoiceCode, h)
	if err != nil {
		return nil, network.Classify(err, base, nil, nil)
	}
	address, header := codec.Request(base)
	if h.Key != "" && c.MayCarry != nil {
		if err := c.MayCarry(address); err != nil {
			return nil, err
		}
	}
	ws, res, err := c.Dialer.Upgrade(ctx, address, header, network.Upgrade{})
	if err != nil {
		return nil, network.Classify(err, address, res, nil)
	}
	defer ws.Close()
	defer context.AfterFunc(ctx, func() { ws.Close() })()
	ws.SetReadLimit(answerLimit)
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, network.Classify(err, address, nil, nil)
		}
		sessions, done, err := voiceAnswer(ws, codec, frame, base.Host)
		if done || err != nil {
			return sessions, err
		}
	}
}

// voiceAnswer takes one frame; done says that it was the list.
func voiceAnswer(ws *websocket.Conn, codec wire.Codec, frame []byte, host string) (list []voiceSession, done bool, err error) {
	e, err := codec.Decode(frame, false)
	switch {
	case err != nil:
		return nil, false, network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Host: host, Detail: "what it says makes no sense"}
	case e.Kind == wire.Refused && e.Auth:
		return nil, false, network.Failure{Cause: network.Auth, Verdict: network.Final, Host: host, Detail: e.Reason}
	case e.Kind == wire.Refused:
		return nil, false, network.Failure{Cause: network.Protocol, Verdict: network.Final, Host: host, Detail: e.Reason}
	case e.Kind == wire.Draining:
		return nil, false, network.Failure{Cause: network.Draining, Host: host, After: e.After, Detail: e.Reason}
	}
	var told struct {
		Type     string         `json:"type"`
		Sessions []voiceSession `json:"sessions"`
	}
	if err := json.Unmarshal(frame, &told); err == nil && strings.ReplaceAll(told.Type, "-", "_") == "session_list" {
		return told.Sessions, true, nil
	}
	if e.Reply != nil && e.Kind != wire.Ready { // connect; once it is accepted, nothing more is asked
		if err := ws.WriteMessage(websocket.TextMessage, e.Reply); err != nil {
			return nil, false, network.Failure{Cause: network.Reset, Host: host}
		}
	}
	return nil, false, nil
}
