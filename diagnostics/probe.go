package diagnostics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"handline/connection/network"
)

// Socket is a WebSocket that can be tried without disturbing anybody: not a word is sent on it, and it is asked for in a
// way that joins nothing.
type Socket struct {
	URL    *url.URL
	Header http.Header
	// Closes is the code by which the server hangs up on who names no conversation, having accepted the key. 0 = the
	// server speaks first.
	Closes int
	// Speaks judges the server's first frame where it speaks first.
	Speaks func(frame []byte, binary bool) error
	// Explain refines a refusal of the upgrade by asking the server. nil: taken as it is.
	Explain func(ctx context.Context, f network.Failure) network.Failure
}

// firstFrame bounds what is read of a server that should only say hello.
const firstFrame = 64 << 10

// try opens the socket, hears the server's first sign and hangs up.
func (s Socket) try(ctx context.Context, d network.Dialer) error {
	ws, res, err := d.Upgrade(ctx, s.URL, s.Header, network.Upgrade{})
	if err != nil {
		return s.refused(ctx, err, res)
	}
	defer ws.Close()
	defer context.AfterFunc(ctx, func() { ws.Close() })()
	ws.SetReadLimit(firstFrame)
	kind, frame, err := ws.ReadMessage()
	switch said := new(websocket.CloseError); {
	case ctx.Err() != nil:
		return network.Failure{Cause: network.Timeout, Host: s.URL.Host, Detail: "the socket opened and nothing was said"}
	case errors.As(err, &said) && s.Closes != 0 && said.Code == s.Closes:
		return nil
	case errors.As(err, &said):
		return network.ClosedWith(said.Code, said.Text)
	case err != nil:
		return network.Classify(err, s.URL, nil, nil)
	}
	if s.Speaks != nil {
		if err := s.Speaks(frame, kind == websocket.BinaryMessage); err != nil {
			return network.Failure{Cause: network.Protocol, Host: s.URL.Host, Detail: fmt.Sprintf("the first frame: %v", err)}
		}
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(50*time.Millisecond)) // a courtesy
	return nil
}

// refused is the failure behind an upgrade that was not granted.
func (s Socket) refused(ctx context.Context, err error, res *http.Response) error {
	if ctx.Err() != nil {
		return network.Failure{Cause: network.Timeout, Host: s.URL.Host, Detail: "the upgrade was not answered"}
	}
	var body []byte
	if res != nil {
		body, _ = io.ReadAll(io.LimitReader(res.Body, 1<<10))
	}
	f := network.Classify(err, s.URL, res, body)
	if s.Explain != nil && res != nil {
		f = s.Explain(ctx, f)
	}
	return f
}
