package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestV0ReplaysBeforeTheAckAndTheLastStateAtTheEnd(t *testing.T) {
	play(t, Options{Dialect: V0, Mood: Quiet, Seed: 3}, func(t *testing.T, s stage) {
		s.Publish(10)
		s.TurnTo("working")
		s.TurnTo("waiting")
		s.Publish(30)
		truth := s.Truth(DefaultConversation)
		require.NotEqual(t, fmt.Sprint(len(truth)+1), truth[len(truth)-1], "ids have gaps")
		ws, ids := s.v0(t, "")
		require.Equal(t, truth, ids)

		ws.Close()
		raw := s.dial(t, v0Path+"&latest_event_id="+truth[4], nil)
		read(t, raw)
		say(t, raw, "40")
		var states []string
		last := ""
		for frame := read(t, raw); !strings.HasPrefix(frame, "40"); frame = read(t, raw) {
			last = frame
			if _, state := v0ID(frame); state != "" {
				states = append(states, state)
			}
		}
		require.Equal(t, []string{"awaiting_user_input"}, states, "only the last state is replayed")
		_, state := v0ID(last)
		require.NotEmpty(t, state, "and it comes last, with a lower id")

		_, ids = s.v0(t, "&latest_event_id="+truth[34])
		require.Equal(t, truth[35:], ids, "a cursor after every state")
		_, ids = s.v0(t, "&latest_event_id=nonsense")
		require.Equal(t, truth, ids, "a bad cursor silently means everything")
	})
}

func TestV0HasAHoleBetweenReplayAndJoin(t *testing.T) {
	play(t, Options{Dialect: V0, Seed: 1}, func(t *testing.T, s stage) {
		s.SetMood(SlowReplay)
		before := len(s.Truth(DefaultConversation))
		ws, ids := s.v0(t, "")
		require.Len(t, ids, before)
		truth := s.Truth(DefaultConversation)
		require.Greater(t, len(truth), before, "things happened during the replay")
		var next string
		for next == "" {
			next, _ = v0ID(read(t, ws))
		}
		require.NotEqual(t, truth[before], next, "and reached nobody")
		path := fmt.Sprintf("/api/conversations/%s/events?limit=100&start_id=%s", DefaultConversation, truth[before])
		_, body := s.get(t, "GET", path, nil, "")
		var page struct {
			Events []struct{ ID int }
			More   bool `json:"has_more"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &page))
		require.Equal(t, truth[before], fmt.Sprint(page.Events[0].ID), "REST fills the hole")
		require.False(t, page.More)
	})
}

func TestV0Refusals(t *testing.T) {
	for _, c := range []struct {
		name, path, want string
		mood             Mood
	}{
		{"no conversation", "/socket.io/?EIO=4&transport=websocket&session_api_key=k", `44{"message":"No conversation_id in query params"}`, Quiet},
		{"wrong key", v0Path + "&session_api_key=wrong", `44{"message":"invalid_session_api_key"}`, Quiet},
		{"key no longer good", v0Path + "&session_api_key=k", `44{"message":"invalid_session_api_key"}`, Refusing},
		{"no key", v0Path, "2", Quiet},
		{"unknown provider", v0Path + "&session_api_key=k&providers_set=svn", "2", Quiet},
		{"hang", v0Path + "&session_api_key=k", "2", HangGreeting},
	} {
		play(t, Options{Dialect: V0, Key: "k", Mood: c.mood}, func(t *testing.T, s stage) {
			ws := s.dial(t, c.path, nil)
			read(t, ws)
			say(t, ws, "40")
			require.Equal(t, c.want, read(t, ws), c.name)
			if c.want != "2" {
				require.Equal(t, "2", read(t, ws), "the transport stays open")
			}
		})
	}
}

func TestV0DropsWhoDoesNotAnswerItsPing(t *testing.T) {
	play(t, Options{Dialect: V0, Mood: Quiet}, func(t *testing.T, s stage) {
		ws, _ := s.v0(t, "")
		start := time.Now()
		require.Equal(t, "2", read(t, ws))
		require.Equal(t, pingInterval, time.Since(start))
		say(t, ws, "3")
		require.Equal(t, "2", read(t, ws))
		require.Error(t, end(ws))
		require.Equal(t, 2*pingInterval+pingTimeout, time.Since(start))
	})
}

func TestV0TakesWhatTheUserDoes(t *testing.T) {
	play(t, Options{Dialect: V0, Mood: Quiet}, func(t *testing.T, s stage) {
		ws, _ := s.v0(t, "")
		say(t, ws, `427["oh_user_action",{"action":"message","args":{"content":"Grüße 🚀"}}]`)
		seen := ""
		for !strings.Contains(seen, "437[]") || !strings.Contains(seen, `"agent_state":"running"`) {
			frame := read(t, ws)
			require.Equal(t, len(frame), len([]rune(frame)), "all is ASCII")
			seen += frame
		}
		require.Contains(t, seen, `"source":"user"`, "the message comes back as an event")
		say(t, ws, `428["ping",{"sent":1}]`)
		say(t, ws, `42["oh_action",{"action":"change_agent_state","args":{"agent_state":"paused"}}]`)
		for {
			frame := read(t, ws)
			require.NotContains(t, frame, "pong")
			require.False(t, strings.HasPrefix(frame, "438"), "an unknown event is not even acked")
			if _, state := v0ID(frame); state == "paused" {
				break
			}
		}
		require.Equal(t, []string{"Grüße 🚀"}, s.Asked(DefaultConversation))
	})
}

func TestV0Rest(t *testing.T) {
	play(t, Options{Dialect: V0, Key: "k", Mood: Quiet, Conversations: []string{"a", "b"}}, func(t *testing.T, s stage) {
		key := http.Header{"X-Session-Api-Key": {"k"}}
		s.Publish(1)
		for _, c := range []struct{ path, want string }{
			{"/alive", `{"status":"ok"}`},
			{"/health", `"OK"`},
			{"/api/options/config", `"APP_MODE":"oss"`},
			{"/api/conversations?limit=1", `"next_page_id":"1","results":[{"conversation_id":"a"`},
			{"/api/conversations/b", `"status":"STOPPED"`},
			{"/api/conversations/typo", "null\n"},
			{"/saas", "<!doctype html>"},
		} {
			res, body := s.get(t, "GET", c.path, key, "")
			require.Equal(t, 200, res.StatusCode, c.path)
			if c.path == "/api/conversations?limit=1" {
				require.Contains(t, body, `"conversation_id":"a"`)
				require.Contains(t, body, `"next_page_id":"1"`)
				continue
			}
			require.Contains(t, body, c.want, c.path)
		}
		res, _ := s.get(t, "GET", "/api/conversations", nil, "")
		require.Equal(t, 401, res.StatusCode)
		for _, id := range []string{"typo", "b"} {
			ws := s.dial(t, "/socket.io/?EIO=4&transport=websocket&session_api_key=k&conversation_id="+id, nil)
			read(t, ws)
			say(t, ws, "40")
			require.Contains(t, read(t, ws), `40{"sid"`)
		}
		seen := s.Seen()
		require.Equal(t, 1, seen.Typos, "connecting created a conversation")
		require.Equal(t, 1, seen.Starts, "and started an agent")
		require.True(t, seen.KeyInQuery)
	})
}

func TestPlainSocketIO(t *testing.T) {
	play(t, Options{Dialect: Plain, Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
		ws := s.dial(t, "/socket.io/?EIO=4&transport=websocket", nil)
		read(t, ws)
		say(t, ws, `40/news,{"token":"wrong"}`)
		require.Equal(t, `44/news,{"message":"invalid token"}`, read(t, ws))

		ws = s.dial(t, "/socket.io/?EIO=4&transport=websocket", nil)
		read(t, ws)
		say(t, ws, `40/news,{"token":"k"}`)
		require.Contains(t, read(t, ws), `40/news,{"sid":`)
		say(t, ws, `42/news,["ping",{"sent":12}]`)
		require.Equal(t, `42/news,["pong",{"sent":12}]`, read(t, ws))
		s.Publish(16)
		acks := 0
		for {
			frame := read(t, ws)
			if ack := parse([]byte(frame)).ack; ack != "" {
				acks++
				say(t, ws, "43/news,%s[]", ack)
			}
			if strings.HasPrefix(frame, "451-/news,") {
				_, blob, err := ws.ReadMessage()
				require.NoError(t, err)
				require.NotEmpty(t, blob)
				break
			}
		}
		require.Equal(t, 1, acks)
		say(t, ws, `42/news,3["message","hi"]`)
		for frame := ""; frame != "43/news,3[]"; {
			frame = read(t, ws)
		}
		require.Equal(t, []string{"hi"}, s.Asked(DefaultConversation))
		require.Equal(t, 1, s.Seen().Acks)
		s.SetMood(Draining)
		for frame := ""; frame != "41/news,"; {
			frame = read(t, ws)
		}
		require.True(t, websocket.IsCloseError(end(ws), websocket.CloseGoingAway))
	})
}
