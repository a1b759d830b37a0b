package connection

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// BenchmarkReceive takes a stream of 300 B events off a socket, with the place kept on disk and without.
func BenchmarkReceive(b *testing.B) {
	b.Run("persisting off", func(b *testing.B) { receive(b, Options{}) })
	b.Run("persisting on", func(b *testing.B) {
		state, _, err := persistence.OpenState(filepath.Join(b.TempDir(), "state.db"))
		require.NoError(b, err)
		defer state.Close()
		receive(b, Options{Load: state.Cursor, Save: state.Write})
	})
}

const firstEvent = 1_000_000 // ids have seven digits: one replaces another in place

// event is a frame (RFC 6455 section 5.2) and where its id stands.
func event() (frame []byte, id int) {
	text := fmt.Sprintf(`42["oh_event",{"id":%d,"timestamp":"2026-11-22T04:19:00.874091","source":"agent","message":"Running a command",`+
		`"action":"run","args":{"command":"%s"}}]`, firstEvent, strings.Repeat("make test ", 14))
	frame = append([]byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}, text...)
	return frame, bytes.Index(frame, []byte(strconv.Itoa(firstEvent)))
}

func receive(b *testing.B, o Options) {
	start := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		ws.WriteMessage(websocket.TextMessage, []byte(`0{"sid":"s"}`))
		ws.ReadMessage()
		ws.WriteMessage(websocket.TextMessage, []byte(`40{"sid":"t"}`))
		<-start
		frame, id := event()
		var chunk []byte
		for i := range b.N {
			strconv.AppendInt(frame[:id], int64(firstEvent+i), 10)
			chunk = append(chunk, frame...)
			if len(chunk) > 512<<10 || i == b.N-1 {
				ws.NetConn().Write(chunk)
				chunk = chunk[:0]
			}
		}
		ws.ReadMessage()
	}))
	defer s.Close()
	done, count := make(chan struct{}), 0
	o.Target = wire.Target{Server: s.URL, Conversation: "c1", Dialect: wire.SocketIO}
	o.Wanted, o.Dialer = true, network.Dialer{}
	o.Deliver = func(wire.Target, wire.Event) {
		if count++; count == b.N {
			close(done)
		}
	}
	m := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	for s := range m.Watch(ctx) {
		if s.Status == Connected {
			break
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	close(start)
	select {
	case <-done:
	case <-time.After(time.Minute):
		b.Error("not all came")
	}
	b.StopTimer()
	cancel()
	require.NoError(b, <-ended)
}
