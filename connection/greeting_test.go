package connection

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// A server whose connect handler hangs goes on answering pings, or sending its own. Neither is progress: the greeting ends
// when nothing else has come for readyTime.
func TestPulseIsNoProgressOfAGreeting(t *testing.T) {
	for name, peer := range map[string]struct {
		target wire.Target
		first  string            // what the server says at once
		beat   string            // what it says every five seconds, "" = nothing
		answer map[string]string // what it says to what
	}{
		"voice-code answers pings": {wire.Target{Dialect: wire.VoiceCode, Conversation: "c1"}, `{"type":"hello","version":"0.4.0"}`,
			"", map[string]string{`{"type":"ping"}`: `{"type":"pong"}`}},
		"socketio pings": {wire.Target{Dialect: wire.SocketIO}, `0{"sid":"s","pingInterval":5000}`, "2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				peer.target.Server = "http://hands.example"
				m, pipe, stop := hears(t, peer.target, func(ws *websocket.Conn) {
					_ = ws.WriteMessage(websocket.TextMessage, []byte(peer.first))
					said := make(chan string)
					go func() {
						defer close(said)
						for {
							_, frame, err := ws.ReadMessage()
							if err != nil {
								return
							}
							said <- string(frame)
						}
					}()
					beat := time.NewTicker(5 * time.Second)
					defer beat.Stop()
					for {
						out := peer.beat
						select {
						case frame, ok := <-said:
							if !ok {
								return
							}
							out = peer.answer[frame]
						case <-beat.C:
						}
						if out != "" {
							_ = ws.WriteMessage(websocket.TextMessage, []byte(out))
						}
					}
				})
				defer stop()
				time.Sleep(readyTime - time.Second)
				synctest.Wait()
				require.Equal(t, Greeting, m.Snapshot().Phase)
				time.Sleep(1500 * time.Millisecond) // before the next dial
				synctest.Wait()
				require.NotEqual(t, Greeting, m.Snapshot().Phase)
				require.Equal(t, network.Timeout, m.Snapshot().Cause.Code)
				require.Len(t, pipe.Dials(), 1)
			})
		})
	}
}

// hears runs a line to a server of the test's own in memory. stop ends both; it must be called within the bubble.
func hears(t *testing.T, target wire.Target, serve func(*websocket.Conn)) (m *Manager, pipe *demo.Pipe, stop func()) {
	pipe = demo.NewPipe()
	ln := pipe.Listener()
	up := websocket.Upgrader{}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		serve(ws)
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(ln) }()
	m = New(Options{Target: target, Wanted: true, Dialer: network.Dialer{Raw: pipe.Dial}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return m, pipe, func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, server.Close())
		<-served
	}
}

// What a Socket.IO server says instead of yes, and what becomes of the line.
func TestARefusalIsToldAsWhatItIs(t *testing.T) {
	for said, want := range map[string]network.Failure{
		"User u is not allowed to join conversation c1": {Cause: network.Forbidden, Verdict: network.Final},
		"Invalid namespace":                             {Cause: network.NotABackend, About: network.NoNamespace, Verdict: network.Final},
		"Unable to connect":                             {Cause: network.NotABackend, About: network.NoNamespace, Verdict: network.Final},
		"invalid_session_api_key":                       {Cause: network.Auth, Verdict: network.Final},
		"No conversation_id in query params":            {Cause: network.Gone, Verdict: network.Final},
		"the database is busy":                          {Cause: network.Unavailable},
	} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := wire.Target{Server: "http://hands.example", Dialect: wire.SocketIO, Conversation: "c1"}
				m, pipe, stop := hears(t, target, func(ws *websocket.Conn) {
					_ = ws.WriteMessage(websocket.TextMessage, []byte(`0{"sid":"s"}`))
					_, _, _ = ws.ReadMessage()
					_ = ws.WriteMessage(websocket.TextMessage, []byte(`44{"message":"`+said+`"}`))
					for { // the transport stays open, and the client has to close it
						if _, _, err := ws.ReadMessage(); err != nil {
							return
						}
					}
				})
				defer stop()
				time.Sleep(time.Minute)
				synctest.Wait()
				s := m.Snapshot()
				want.Detail = said
				require.Equal(t, Explain(want, target.Server), s.Cause)
				require.Equal(t, want.Verdict == network.Final, s.Phase == Stuck)
				require.Equal(t, want.Verdict == network.Final, len(pipe.Dials()) == 1)
			})
		})
	}
}

// Only a server's own word that it has no history ends the asking for what a greeting left out. An answer that broke off
// within its first line looks like no web server's, and would leave a hole for good.
func TestOnlyAServerWithoutAHistoryIsBelieved(t *testing.T) {
	for name, row := range map[string]struct {
		f     network.Failure
		asked int // within a minute; negative = at least so often
	}{
		"unknown path":  {network.Failure{Cause: network.NotABackend, Status: 404}, 1},
		"a web page":    {network.Failure{Cause: network.NotABackend, Suspect: true, Status: 200}, 3},
		"a portal":      {network.Failure{Cause: network.NotABackend, Suspect: true, Status: 302}, -8},
		"half a line":   {network.Failure{Cause: network.NotABackend, Suspect: true, Detail: "the answer is not HTTP"}, -8},
		"a reset":       {network.Failure{Cause: network.Reset}, -8},
		"a busy server": {network.Failure{Cause: network.Unavailable, Status: 503}, -8},
		"a rate limit":  {network.Failure{Cause: network.Throttled, Status: 429, After: 25 * time.Second}, -3},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
				w.stop()
				asked := 0
				w.opt.History = func(context.Context, wire.Place, string, func([]byte) error) error {
					asked++
					return row.f
				}
				w.start()
				w.until(Connected, time.Minute)
				w.pass(time.Minute)
				require.Equal(t, row.asked < 0, w.manager.Snapshot().Syncing)
				if row.asked < 0 {
					require.GreaterOrEqual(t, asked, -row.asked)
					require.LessOrEqual(t, asked, -row.asked+3)
				} else {
					require.Equal(t, row.asked, asked)
				}
			})
		})
	}
}

// A history that is refused for good will not come: a line that said "connected" then would show nothing, for ever.
func TestAHistoryThatIsRefusedEndsTheLine(t *testing.T) {
	inWorld(t, demo.Options{Dialect: demo.AgentServer, Version: "1.40.0"}, func(w *world) {
		w.until(Connected, time.Minute)
		w.stop()
		w.server.Publish(150)
		given, refuses, history := 0, true, w.opt.History
		w.opt.History = func(ctx context.Context, p wire.Place, after string, each func([]byte) error) error {
			return history(ctx, p, after, func(item []byte) error {
				if given++; given > 120 && refuses {
					return network.Failure{Cause: network.Auth, Verdict: network.Final, Status: 401}
				}
				return each(item)
			})
		}
		w.start()
		w.until(Error, time.Minute)
		require.Equal(w.t, network.Auth, w.manager.Snapshot().Cause.Code)
		refuses = false
		w.do(KeyChanged{})
		w.until(Connected, time.Minute)
		w.server.SetMood(demo.Quiet)
		w.whole()
	})
}

// The socket was let in by the same key a moment ago: one refusal may be a gateway's bad moment, and mends itself.
func TestOneRefusalOfAHistoryIsNotBelieved(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.stop()
		asked, history := 0, w.opt.History
		w.opt.History = func(ctx context.Context, p wire.Place, after string, each func([]byte) error) error {
			if asked++; asked <= 2 {
				return network.Failure{Cause: network.Forbidden, Verdict: network.Final, Status: 403}
			}
			return history(ctx, p, after, each)
		}
		w.start()
		w.pass(2 * time.Minute)
		require.Equal(w.t, Connected, w.manager.Snapshot().Status)
		require.False(w.t, w.manager.Snapshot().Syncing)
		require.Equal(w.t, 3, asked)
	})
}

// One that makes no sense may be a proxy's bad moment; three times three, it is what this server says.
func TestAHistoryThatMakesNoSenseEndsTheLine(t *testing.T) {
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.stop()
		asked := 0
		w.opt.History = func(context.Context, wire.Place, string, func([]byte) error) error {
			asked++
			return network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Detail: "the answer is not the JSON expected"}
		}
		w.start()
		w.until(Connected, time.Minute)
		w.pass(2 * time.Second)
		require.Equal(w.t, Connected, w.manager.Snapshot().Status)
		w.until(Error, time.Minute)
		require.Equal(w.t, network.Protocol, w.manager.Snapshot().Cause.Code)
		require.Equal(w.t, 9, asked)
	})
}
