package network

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// Upgrade is how a WebSocket is asked for. The zero value is a small one, bounded by the context alone.
type Upgrade struct {
	Limit      time.Duration           // of the dial and the upgrade together, 0 = none but the context's
	ReadBuffer int                     // bytes taken from the system at once, 0 = 4 KiB
	Compress   bool                    // offer permessage-deflate (RFC 7692)
	Wrap       func(net.Conn) net.Conn // what the WebSocket runs on in place of the connection, nil = the connection
}

// Upgrade dials and opens a WebSocket at a ws or wss address. A refusal comes with the answer, of whose body at most
// 1 KiB is there. The errors are for Classify.
//
// Cancelling ctx makes it return at once, with nothing left open; a WebSocket that it has returned no longer depends on
// ctx. gorilla obeys a cancelled context only until the connection stands, so the connection itself is closed then.
func (d Dialer) Upgrade(ctx context.Context, to *url.URL, header http.Header, u Upgrade) (*websocket.Conn, *http.Response, error) {
	stop := func() bool { return true }
	dial := func(within context.Context, _, _ string) (net.Conn, error) {
		conn, err := d.Dial(within, to)
		if err != nil {
			return nil, err
		}
		stop = context.AfterFunc(ctx, func() { conn.Close() })
		if u.Wrap != nil {
			return u.Wrap(conn), nil
		}
		return conn, nil
	}
	ws, res, err := (&websocket.Dialer{
		NetDialContext: dial, NetDialTLSContext: dial, HandshakeTimeout: u.Limit,
		ReadBufferSize: u.ReadBuffer, WriteBufferSize: 4 << 10, EnableCompression: u.Compress,
	}).DialContext(ctx, to.String(), header)
	if !stop() { // what came of it then is only the falling apart
		if ws != nil {
			ws.Close()
		}
		return nil, nil, ctx.Err()
	}
	return ws, res, err
}
