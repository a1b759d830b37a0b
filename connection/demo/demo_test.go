package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// stage is a server on a network in memory, with a client that follows no redirect.
type stage struct {
	*Server
	p  *Pipe
	ws websocket.Dialer
	hc http.Client
}

// play runs a test in a bubble. What the test leaves open and what Close leaves running fails it.
func play(t *testing.T, o Options, act func(t *testing.T, s stage)) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		s := stage{Server: New(o), p: p}
		served := make(chan error, 1)
		ln := p.Listener()
		go func() { served <- s.Serve(ln) }()
		synctest.Wait()
		s.ws = websocket.Dialer{NetDialContext: p.Dial}
		s.hc = http.Client{
			Transport:     &http.Transport{DialContext: p.Dial, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		defer func() {
			s.Close()
			require.NoError(t, <-served)
		}()
		act(t, s)
	})
}

func (s stage) dial(t *testing.T, path string, header http.Header) *websocket.Conn {
	t.Helper()
	ws, _, err := s.ws.Dial("ws://demo"+path, header)
	require.NoError(t, err)
	t.Cleanup(func() { ws.Close() })
	return ws
}

// get gives the status and the body of a request.
func (s stage) get(t *testing.T, method, path string, header http.Header, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://demo"+path, strings.NewReader(body))
	require.NoError(t, err)
	if header != nil {
		req.Header = header
	}
	res, err := s.hc.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(b)
}

// read gives the next frame, within a fake minute.
func read(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	_, b, err := ws.ReadMessage()
	require.NoError(t, err)
	return string(b)
}

func say(t *testing.T, ws *websocket.Conn, format string, args ...any) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)))
}

// end reads until the socket ends, and gives the error.
func end(ws *websocket.Conn) error {
	_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return err
		}
	}
}

const v0Path = "/socket.io/?EIO=4&transport=websocket&conversation_id=" + DefaultConversation

// v0 opens a socket and reads up to the connect ack: the ids that came before it.
func (s stage) v0(t *testing.T, query string) (*websocket.Conn, []string) {
	t.Helper()
	ws := s.dial(t, v0Path+query, nil)
	require.Contains(t, read(t, ws), `"pingInterval":25000,"maxPayload":4194304}`)
	say(t, ws, "40")
	var ids []string
	for {
		frame := read(t, ws)
		if strings.HasPrefix(frame, `40{"sid":`) {
			require.Contains(t, read(t, ws), "STATUS$READY")
			return ws, ids
		}
		if id, _ := v0ID(frame); id != "" {
			ids = append(ids, id)
		}
	}
}

// v0ID is the id of an event that is no change of state, "" of anything else.
func v0ID(frame string) (id, state string) {
	var e []json.RawMessage
	var v struct {
		ID     json.Number `json:"id"`
		Extras struct {
			State string `json:"agent_state"`
		} `json:"extras"`
	}
	if !strings.HasPrefix(frame, "42") || json.Unmarshal([]byte(frame[2:]), &e) != nil || json.Unmarshal(e[1], &v) != nil {
		return "", ""
	}
	if v.Extras.State != "" {
		return "", v.Extras.State
	}
	return v.ID.String(), ""
}

func TestEveryMoodLeavesNothingBehind(t *testing.T) {
	paths := map[Dialect]string{
		V0: v0Path, Plain: "/socket.io/?EIO=4&transport=websocket", AgentServer: sessionPath, VoiceCode: "/",
		AppServer: "/runtime/0" + eventsPath,
	}
	for d, path := range paths {
		for _, m := range Moods() {
			play(t, Options{Dialect: d, Seed: uint64(m)}, func(t *testing.T, s stage) {
				require.NotEmpty(t, m.Name())
				require.True(t, strings.HasSuffix(m.Says(), "."), m.Name())
				ws := s.dial(t, path, nil)
				say(t, ws, "40")
				go func() { _ = end(ws) }()
				s.SetMood(m)
				time.Sleep(5 * time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				if again, _, err := s.ws.DialContext(ctx, "ws://demo"+path, nil); err == nil {
					_ = again.WriteMessage(websocket.TextMessage, []byte("40"))
					go func() { _ = end(again); again.Close() }()
					time.Sleep(5 * time.Second)
				}
				s.SetMood(Steady)
				res, _ := s.get(t, "GET", "/alive", nil, "")
				require.Contains(t, []int{200, 400, 404}, res.StatusCode, "it answers again")
				s.Close()
				require.Zero(t, s.Live())
			})
		}
	}
}

func TestSteadyIsAnEventASecondAndAStateEveryTen(t *testing.T) {
	play(t, Options{Dialect: V0}, func(t *testing.T, s stage) {
		ws, replay := s.v0(t, "")
		require.Empty(t, replay)
		var ids, states []string
		for start := time.Now(); time.Since(start) < 41*time.Second; {
			frame := read(t, ws)
			if frame == "2" {
				say(t, ws, "3")
			}
			id, state := v0ID(frame)
			if id != "" {
				ids = append(ids, id)
			}
			if state != "" {
				states = append(states, state)
			}
		}
		require.InDelta(t, 41, len(ids), 1)
		require.Equal(t, s.Truth(DefaultConversation)[:len(ids)], ids)
		require.Equal(t, []string{"running", "awaiting_user_input", "running", "finished"}, states[:4])
	})
}

func TestSilentAnswersNothingAndWakesWithoutLoss(t *testing.T) {
	play(t, Options{Dialect: V0, Mood: Quiet}, func(t *testing.T, s stage) {
		ws, _ := s.v0(t, "")
		pongs := 0
		ws.SetPongHandler(func(string) error { pongs++; return nil })
		frames := make(chan string, 100)
		go func() {
			defer close(frames)
			for {
				_, b, err := ws.ReadMessage()
				if err != nil {
					return
				}
				frames <- string(b)
			}
		}()
		ping := func() {
			require.NoError(t, ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
			synctest.Wait()
		}
		ping()
		require.Equal(t, 1, pongs)
		s.SetMood(Silent)
		ping()
		s.Publish(1)
		say(t, ws, `42["oh_user_action",{"action":"message","args":{"content":"still there?"}}]`)
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, pongs, "not even control pings are answered")
		require.Empty(t, frames)
		require.Empty(t, s.Asked(DefaultConversation))
		s.SetMood(Quiet)
		synctest.Wait()
		require.Equal(t, []string{"still there?"}, s.Asked(DefaultConversation), "a stopped process loses nothing")
		require.NotEmpty(t, frames)
	})
}

func TestFrontDoor(t *testing.T) {
	for _, c := range []struct {
		mood   Mood
		status int
		header string
		value  string
		body   string
	}{
		{Captive, 302, "Location", portal, ""},
		{CaptiveHTML, 200, "Content-Type", "text/html; charset=utf-8", "hotel"},
		{Unavailable, 503, "Retry-After", "5", "no server"},
		{Throttled, 429, "Retry-After", "5", "Rate limit"},
		{Draining, 503, "Retry-After", "3", "restarting"},
	} {
		play(t, Options{Dialect: V0}, func(t *testing.T, s stage) {
			s.SetMood(c.mood)
			_, res, err := s.ws.Dial("ws://demo"+v0Path, nil)
			require.ErrorIs(t, err, websocket.ErrBadHandshake, c.mood.Name())
			require.Equal(t, c.status, res.StatusCode)
			require.Equal(t, c.value, res.Header.Get(c.header))
			_, body := s.get(t, "GET", "/alive", nil, "")
			require.Contains(t, body, c.body)
			require.Equal(t, 1, s.Dials())
		})
	}
}

func TestDrainingSaysGoodbyeAndIsBackAfterThreeSeconds(t *testing.T) {
	play(t, Options{Dialect: V0}, func(t *testing.T, s stage) {
		ws, _ := s.v0(t, "")
		s.SetMood(Draining)
		_, state := v0ID(read(t, ws))
		require.Equal(t, "stopped", state)
		require.True(t, websocket.IsCloseError(end(ws), websocket.CloseServiceRestart))
		require.Equal(t, Draining, s.Mood())
		time.Sleep(away)
		require.Equal(t, Steady, s.Mood())
		s.v0(t, "")
	})
}

func TestFlappingDropsAfterFiftyMilliseconds(t *testing.T) {
	play(t, Options{Dialect: V0}, func(t *testing.T, s stage) {
		s.SetMood(Flapping)
		ws, _ := s.v0(t, "")
		start := time.Now()
		require.ErrorIs(t, end(ws), syscall.ECONNRESET)
		require.Equal(t, flap, time.Since(start))
		require.Equal(t, 1, s.Seen().Peak)
	})
}

func TestHugeAndGarbage(t *testing.T) {
	play(t, Options{Dialect: V0}, func(t *testing.T, s stage) {
		ws, _ := s.v0(t, "")
		s.SetMood(Huge)
		require.Greater(t, len(read(t, ws)), 16<<20)
		s.SetMood(Garbage)
		bad := 0
		for start := time.Now(); time.Since(start) < 20*time.Second; {
			frame := read(t, ws)
			if frame == "2" {
				say(t, ws, "3")
			} else if id, state := v0ID(frame); id == "" && state == "" {
				bad++
			}
		}
		require.InDelta(t, 9, bad, 2)
	})
}
