package demo

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

const (
	eventsPath  = "/sockets/events/" + DefaultConversation
	sessionPath = "/sockets/session/" + DefaultConversation
	apiPath     = "/api/conversations/" + DefaultConversation
)

// agentFrame is a frame of either socket.
type agentFrame struct {
	ID, Timestamp, Kind, Key, Source string
	Value                            any
	Type                             string
	Seq                              int
	From                             int  `json:"from_seq"`
	Through                          *int `json:"through_seq"`
	Event                            *agentFrame
}

func readAgent(t *testing.T, ws *websocket.Conn) (f agentFrame) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(read(t, ws)), &f))
	return f
}

func header(key string) http.Header { return http.Header{"X-Session-Api-Key": {key}} }

func TestEventsSocketResendsInclusively(t *testing.T) {
	play(t, Options{Dialect: AgentServer, Mood: Quiet}, func(t *testing.T, s stage) {
		s.Publish(250)
		truth := s.Truth(DefaultConversation)
		ws := s.dial(t, eventsPath+"?resend_mode=all", nil)
		first := readAgent(t, ws)
		require.Equal(t, "full_state", first.Key)
		require.Equal(t, "waiting_for_confirmation", first.Value.(map[string]any)["execution_status"])
		var ids []string
		at := ""
		for len(ids) < 250 {
			f := readAgent(t, ws)
			ids = append(ids, f.ID)
			if len(ids) == 200 {
				at = f.Timestamp
			}
		}
		require.Equal(t, truth, ids)

		ws = s.dial(t, eventsPath+"?resend_mode=since&after_timestamp="+url.QueryEscape(at), nil)
		readAgent(t, ws)
		again := readAgent(t, ws)
		require.Contains(t, truth[197:200], again.ID, "the timestamp is inclusive, and events may share it")
		s.TurnTo("finished")
		for f := again; ; f = readAgent(t, ws) {
			if f.Key == "execution_status" {
				require.Equal(t, "finished", f.Value)
				break
			}
		}
	})
}

func TestSessionSocketLosesNothing(t *testing.T) {
	play(t, Options{Dialect: AgentServer, Seed: 5}, func(t *testing.T, s stage) {
		s.SetMood(SlowReplay)
		ws := s.dial(t, sessionPath+"?after_seq=9", nil)
		sync := readAgent(t, ws)
		require.Equal(t, "sync", sync.Type)
		require.Equal(t, missed-1, *sync.Through)
		next, twice := 10, 0
		var seen []string
		for next < 240 {
			f := readAgent(t, ws)
			if f.Type == "durable" {
				require.Equal(t, next, f.Seq)
				seen = append(seen, f.Event.ID)
				next++
			} else if f.Event.Kind != "ConversationStateUpdateEvent" {
				twice++
			}
		}
		require.Equal(t, s.Truth(DefaultConversation)[10:240], seen, "what happened during the replay too")
		require.Positive(t, twice, "some events come as transient first")

		ws = s.dial(t, sessionPath, nil)
		live := readAgent(t, ws)
		require.Equal(t, live.From, *live.Through, "without after_seq it is live only")
		require.Equal(t, "full_state", readAgent(t, ws).Event.Key)
	})
}

func TestAgentServerKeys(t *testing.T) {
	play(t, Options{Dialect: AgentServer, Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
		for _, c := range []struct {
			name, query, key, first string
			status, code            int
		}{
			{name: "header", key: "k"},
			{name: "query", query: "?session_api_key=k"},
			{name: "first frame", first: `{"type":"auth","session_api_key":"k"}`},
			{name: "wrong header", key: "x", status: 403},
			{name: "wrong first frame", first: `{"type":"auth","session_api_key":"x"}`, code: 4001},
			{name: "no key", code: 4001},
		} {
			h := http.Header{}
			if c.key != "" {
				h = header(c.key)
			}
			ws, res, err := s.ws.Dial("ws://demo"+eventsPath+c.query, h)
			if c.status != 0 {
				require.Equal(t, c.status, res.StatusCode, c.name)
				continue
			}
			require.NoError(t, err, c.name)
			if c.first != "" {
				say(t, ws, "%s", c.first)
			}
			if c.code != 0 {
				require.True(t, websocket.IsCloseError(end(ws), c.code), c.name)
			} else {
				require.Equal(t, "full_state", readAgent(t, ws).Key, c.name)
			}
			ws.Close()
		}
		res, _ := s.get(t, "GET", "/api/conversations/count", header("x"), "")
		require.Equal(t, 401, res.StatusCode)
		res, body := s.get(t, "GET", "/server_info", header("x"), "")
		require.Equal(t, 200, res.StatusCode, "server_info needs no key")
		require.Contains(t, body, `"title":"OpenHands Agent Server"`)
		seen := s.Seen()
		require.True(t, seen.KeyInQuery && seen.KeyInHeader && seen.KeyInFrame)
	})
}

func TestAgentServerRefusals(t *testing.T) {
	play(t, Options{Dialect: AgentServer, Mood: Quiet}, func(t *testing.T, s stage) {
		ws := s.dial(t, "/sockets/events/11111111-2222-4333-8444-555555555555", nil)
		require.True(t, websocket.IsCloseError(end(ws), 4004))
		_, res, err := s.ws.Dial("ws://demo/sockets/events/not-a-uuid", nil)
		require.Error(t, err)
		require.Equal(t, 403, res.StatusCode)
		for range most {
			readAgent(t, s.dial(t, eventsPath, nil))
		}
		require.True(t, websocket.IsCloseError(end(s.dial(t, eventsPath, nil)), websocket.CloseTryAgainLater))
		synctest.Wait()
		require.Equal(t, most, s.Live())
	})
	play(t, Options{Dialect: AgentServer, Mood: Quiet, Version: "1.11.0", Key: "k"}, func(t *testing.T, s stage) {
		for path, h := range map[string]http.Header{
			sessionPath + "?session_api_key=k": nil,         // not there yet
			eventsPath:                         header("k"), // the header is not looked at yet
		} {
			_, res, err := s.ws.Dial("ws://demo"+path, h)
			require.Error(t, err)
			require.Equal(t, 403, res.StatusCode, path)
		}
		s.Publish(3)
		ws := s.dial(t, eventsPath+"?session_api_key=k&resend_all=true", nil)
		readAgent(t, ws)
		require.Equal(t, s.Truth(DefaultConversation)[0], readAgent(t, ws).ID)
	})
}

func TestAgentServerTakesMessages(t *testing.T) {
	play(t, Options{Dialect: AgentServer, Mood: Quiet}, func(t *testing.T, s stage) {
		ws := s.dial(t, eventsPath, nil)
		readAgent(t, ws)
		say(t, ws, `{"role":"user","content":[{"type":"text","text":"by socket"}]}`)
		require.Equal(t, "user", readAgent(t, ws).Source)
		require.Equal(t, "running", readAgent(t, ws).Value)
		say(t, ws, `{"nonsense":true}`)
		require.Equal(t, "ServerErrorEvent", readAgent(t, ws).Kind)
		say(t, ws, `{"type":"auth","session_api_key":"k"}`)
		_, body := s.get(t, "POST", apiPath+"/events", nil, `{"role":"user","content":[{"type":"text","text":"by REST"}],"run":false}`)
		require.JSONEq(t, `{"success":true}`, body)
		require.Equal(t, "MessageEvent", readAgent(t, ws).Kind)
		require.Equal(t, []string{"by socket", "by REST"}, s.Asked(DefaultConversation))
		_, body = s.get(t, "GET", apiPath+"/events/count", nil, "")
		require.Equal(t, "2\n", body)

		var page struct {
			Items []agentFrame
			Next  *string `json:"next_page_id"`
		}
		s.Publish(3)
		truth := s.Truth(DefaultConversation)
		_, body = s.get(t, "GET", apiPath+"/events/search?limit=2&sort_order=TIMESTAMP", nil, "")
		require.NoError(t, json.Unmarshal([]byte(body), &page))
		require.Equal(t, truth[2], *page.Next, "the page's id is its first event")
		_, body = s.get(t, "GET", apiPath+"/events/search?page_id="+*page.Next, nil, "")
		page.Next = nil
		require.NoError(t, json.Unmarshal([]byte(body), &page))
		require.Equal(t, truth[2], page.Items[0].ID)
		require.Nil(t, page.Next)
		s.SetMood(Draining)
		require.True(t, websocket.IsCloseError(end(ws), websocket.CloseServiceRestart))
	})
}

// app is an AppConversation.
type app struct {
	ID      string
	Sandbox string  `json:"sandbox_status"`
	Status  *string `json:"execution_status"`
	URL     *string `json:"conversation_url"`
	Key     *string `json:"session_api_key"`
}

func (s stage) look(t *testing.T) app {
	t.Helper()
	_, body := s.get(t, "GET", "/api/v1/app-conversations?ids="+DefaultConversation, http.Header{"Authorization": {"Bearer k"}}, "")
	var all []app
	require.NoError(t, json.Unmarshal([]byte(body), &all))
	return all[0]
}

// runtime opens the session socket of the runtime that a look found.
func (s stage) atRuntime(a app) (*websocket.Conn, *http.Response, error) {
	u, err := url.Parse(*a.URL)
	if err != nil {
		return nil, nil, err
	}
	base := u.Path[:len(u.Path)-len("/api/conversations/")-32]
	return s.ws.Dial("ws://"+u.Host+base+sessionPath+"?after_seq=-1", header(*a.Key))
}

func TestDirectoryRotatesAndSleeps(t *testing.T) {
	play(t, Options{Dialect: AppServer, Key: "k", Rotating: true}, func(t *testing.T, s stage) {
		time.Sleep(starting)
		old := s.look(t)
		require.Equal(t, "RUNNING", old.Sandbox)
		ws, _, err := s.atRuntime(old)
		require.NoError(t, err)
		require.Equal(t, "sync", readAgent(t, ws).Type)
		ws.Close()
		time.Sleep(time.Second)
		_, res, err := s.atRuntime(old)
		require.Error(t, err)
		require.Equal(t, 404, res.StatusCode, "the old address is gone")
		fresh := s.look(t)
		require.NotEqual(t, *old.Key, *fresh.Key)
		swapped := fresh
		swapped.Key = old.Key
		_, res, err = s.atRuntime(swapped)
		require.Error(t, err)
		require.Equal(t, 403, res.StatusCode)

		ws, _, err = s.atRuntime(fresh)
		require.NoError(t, err)
		s.SetMood(Asleep)
		require.Error(t, end(ws))
		asleep := s.look(t)
		require.Equal(t, "PAUSED", asleep.Sandbox)
		require.Nil(t, asleep.URL)
		require.Zero(t, s.Seen().Wakes, "looking wakes nobody")
		s.get(t, "POST", "/api/v1/sandboxes/oh-"+DefaultConversation+"/resume", http.Header{"Authorization": {"Bearer k"}}, "")
		require.Equal(t, "STARTING", s.look(t).Sandbox)
		time.Sleep(starting)
		ws, _, err = s.atRuntime(s.look(t))
		require.NoError(t, err)
		ws.Close()
		require.Equal(t, 1, s.Seen().Wakes)
	})
}

func TestDeviceLogin(t *testing.T) {
	play(t, Options{Dialect: AppServer, Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
		_, body := s.get(t, "POST", "/oauth/device/authorize", nil, "")
		var d struct {
			Code string `json:"device_code"`
			Open string `json:"verification_uri_complete"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &d))
		form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		ask := func(code string) string {
			_, body := s.get(t, "POST", "/oauth/device/token", form, "device_code="+code)
			return body
		}
		require.Contains(t, ask("wrong"), "invalid_grant")
		time.Sleep(deviceEvery)
		require.Contains(t, ask(d.Code), "authorization_pending")
		require.Contains(t, ask(d.Code), "slow_down")
		open, err := url.Parse(d.Open)
		require.NoError(t, err)
		s.get(t, "GET", open.RequestURI(), nil, "")
		time.Sleep(deviceEvery)
		require.Contains(t, ask(d.Code), `"access_token":"k"`)
		time.Sleep(deviceEvery)
		require.Contains(t, ask(d.Code), "invalid_grant", "a code is good once")
		res, _ := s.get(t, "GET", "/api/keys/current", nil, "")
		require.Equal(t, 401, res.StatusCode)
	})
}
