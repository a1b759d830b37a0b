package backend

import (
	"net/http/httptest"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// TestDemoServersAreWhatTheyPlay looks at each server of the demo, written from the protocols' documents alone, joins
// the conversation it points at, and holds what history and socket bring against what the server says is true.
func TestDemoServersAreWhatTheyPlay(t *testing.T) {
	for _, row := range []struct {
		play    demo.Dialect
		version string
		kind    Kind
		want    wire.Dialect
	}{
		{demo.V0, "", V0, wire.SocketIO},
		{demo.Plain, "", PlainServer, wire.SocketIO},
		{demo.AgentServer, "1.46.0", AgentServer, wire.Session},
		{demo.AgentServer, "1.20.0", AgentServer, wire.Events},
		{demo.AppServer, "", AppServer, wire.Session},
	} {
		t.Run(string(row.play)+row.version, func(t *testing.T) {
			played := demo.New(demo.Options{Dialect: row.play, Version: row.version, Key: "k"})
			defer played.Close()
			server := httptest.NewServer(played)
			defer server.Close()
			c := &Client{}
			target := wire.Target{Server: server.URL, Dialect: wire.Auto}
			s, err := c.Identify(t.Context(), target)
			require.NoError(t, err)
			require.Equal(t, row.kind, s.Kind)
			if row.kind != PlainServer {
				require.NoError(t, c.Key(t.Context(), target, "k"))
				require.Equal(t, network.Auth, asFailure(c.Key(t.Context(), target, "wrong")).Cause)
			}
			p, err := c.Locate(t.Context(), target, "k", false)
			require.NoError(t, err)
			require.Equal(t, row.want, p.Dialect)
			if row.kind == PlainServer {
				return
			}

			codec, err := wire.New(p.Dialect, p.Hello)
			require.NoError(t, err)
			address, header := codec.Request(p.Base)
			ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), address.String(), header)
			require.NoError(t, err)
			defer ws.Close()
			for ready := false; !ready; {
				_, frame, err := ws.ReadMessage()
				require.NoError(t, err)
				e, err := codec.Decode(frame, false)
				require.NoError(t, err, "%s", frame)
				if e.Reply != nil {
					require.NoError(t, ws.WriteMessage(websocket.TextMessage, e.Reply))
				}
				ready = e.Kind == wire.Ready
			}
			before := played.Truth(p.Hello.Conversation)
			if row.want == wire.Session {
				return
			}
			var got []string
			require.NoError(t, c.History(t.Context(), p, "", func(item []byte) error {
				e, err := codec.Item(item)
				got = append(got, string(e.ID))
				return err
			}))
			require.GreaterOrEqual(t, len(got), len(before))
			require.Equal(t, before, got[:len(before)])
		})
	}
}
