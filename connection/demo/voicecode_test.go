package demo

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// voiceFrame is a frame of the voice-code server.
type voiceFrame struct {
	Type, Code, Version, Message any
	SessionID                    string `json:"session_id"`
	MessageID                    string `json:"message_id"`
	Messages                     []struct {
		UUID, Type, Role, Text string
		Seq                    int
		Offset                 *int
	}
	Complete   bool   `json:"is_complete"`
	First      *int   `json:"first_seq"`
	Last       *int   `json:"last_seq"`
	Next       *int   `json:"next_seq"`
	NextOffset int    `json:"next_offset"`
	End        bool   `json:"end_of_file"`
	Signature  string `json:"file_signature"`
	Replaced   bool   `json:"file_replaced"`
	Negotiated string `json:"negotiated_protocol_version"`
	RetryAfter int    `json:"retry_after_ms"`
}

func (f voiceFrame) ids() (all []string) {
	for _, m := range f.Messages {
		all = append(all, m.UUID)
	}
	return all
}

// until reads up to a frame of a type.
func until(t *testing.T, ws *websocket.Conn, kind string) voiceFrame {
	t.Helper()
	for {
		var f voiceFrame
		require.NoError(t, json.Unmarshal([]byte(read(t, ws)), &f))
		if f.Type == kind {
			return f
		}
	}
}

// voice opens a socket and connects, speaking a version.
func (s stage) voice(t *testing.T, version string) *websocket.Conn {
	t.Helper()
	ws := s.dial(t, "/ws", nil)
	require.Equal(t, s.opt.Version, until(t, ws, "hello").Version)
	say(t, ws, `{"type":"connect","api_key":"k","session_id":"x","protocol_version":"%s"}`, version)
	until(t, ws, "available_commands")
	return ws
}

func TestVoiceCodeKeys(t *testing.T) {
	for _, first := range []string{`{"type":"connect","api_key":"wrong"}`, `{"type":"connect"}`, `{"type":"subscribe"}`} {
		play(t, Options{Dialect: VoiceCode, Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
			ws := s.dial(t, "/", nil)
			say(t, ws, `{"type":"ping"}`)
			until(t, ws, "pong")
			say(t, ws, "%s", first)
			until(t, ws, "auth_error")
			require.True(t, websocket.IsCloseError(end(ws), websocket.CloseNormalClosure), "1000 does not mean: do not come back")
		})
	}
	play(t, Options{Dialect: VoiceCode, Version: "0.4.0", Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
		ws := s.dial(t, "/", nil)
		say(t, ws, `{"type":"connect","api_key":"k","protocol_version":"0.3.0"}`)
		require.Equal(t, "unsupported_protocol_version", until(t, ws, "error").Code)
		res, body := s.get(t, "GET", "/health", nil, "")
		require.Equal(t, 400, res.StatusCode)
		require.Contains(t, body, "requires WebSocket connection")
	})
}

func TestVoiceCodeHistoryByID(t *testing.T) {
	play(t, Options{Dialect: VoiceCode, Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
		s.Publish(40)
		truth := s.Truth(DefaultConversation)
		ws := s.dial(t, "/", nil)
		say(t, ws, `{"type":"connect","api_key":"k"}`)
		until(t, ws, "hello")
		require.Equal(t, "session_list", until(t, ws, "session_list").Type, "0.2 says nothing of having connected")
		ask := func(last string) voiceFrame {
			say(t, ws, `{"type":"subscribe","session_id":"%s","last_message_id":"%s"}`, DefaultConversation, last)
			return until(t, ws, "session_history")
		}
		require.Equal(t, truth[31:], ask(truth[30]).ids())
		require.Equal(t, truth, ask("unknown").ids())
		say(t, ws, `{"type":"set_max_message_size","size_kb":2}`)
		until(t, ws, "ack")
		cut := ask(truth[5])
		require.False(t, cut.Complete)
		require.Equal(t, truth[len(truth)-len(cut.ids()):], cut.ids(), "the newest are kept: the hole is after the cursor")
		s.Publish(1)
		require.Len(t, until(t, ws, "session_updated").ids(), 1)
		say(t, ws, `{"type":"message_ack","message_id":"1"}`)
		require.Equal(t, "Unknown message type: message_ack", until(t, ws, "error").Message)
	})
}

func TestVoiceCodeHistoryBySeqAndOffset(t *testing.T) {
	for _, version := range []string{"0.4.0", "0.5.0"} {
		play(t, Options{Dialect: VoiceCode, Version: "0.5.0", Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
			s.Publish(30)
			ws := s.voice(t, version)
			say(t, ws, `{"type":"set_max_message_size","size_kb":2}`)
			var ids []string
			cursor := 0
			for done := false; !done; {
				field := map[string]string{"0.4.0": "last_seq", "0.5.0": "from_offset"}[version]
				say(t, ws, `{"type":"subscribe","session_id":"%s","%s":%d}`, DefaultConversation, field, cursor)
				f := until(t, ws, "session_history")
				ids, done = append(ids, f.ids()...), f.Complete || f.End
				if version == "0.4.0" {
					require.Equal(t, cursor+1, *f.First)
					require.Equal(t, 31, *f.Next)
					cursor = *f.Last
				} else {
					require.Equal(t, cursor+1, *f.Messages[0].Offset, "each message follows a line that is none")
					cursor = f.NextOffset
				}
			}
			require.Equal(t, s.Truth(DefaultConversation), ids)
			s.Publish(1)
			live := until(t, ws, "session_history")
			require.Equal(t, s.Truth(DefaultConversation)[30:], live.ids())
			for _, bad := range []struct{ field, code string }{
				{`"last_message_id":"x"`, "unsupported_subscribe_field"},
				{`"last_seq":-1`, "invalid_subscribe"},
			} {
				if version == "0.4.0" {
					say(t, ws, `{"type":"subscribe","session_id":"%s",%s}`, DefaultConversation, bad.field)
					require.Equal(t, bad.code, until(t, ws, "error").Code)
				}
			}
			if version == "0.5.0" {
				say(t, ws, `{"type":"subscribe","session_id":"%s","from_offset":%d,"file_signature_seen":"other"}`, DefaultConversation, cursor)
				again := until(t, ws, "session_history")
				require.True(t, again.Replaced && again.End)
				require.Zero(t, again.NextOffset)
				require.Empty(t, again.Messages)
				require.Regexp(t, "^3100:"+s.Truth(DefaultConversation)[0], again.Signature)
				s.Publish(1)
				require.Equal(t, s.Truth(DefaultConversation)[0], until(t, ws, "session_history").ids()[0], "it goes on from there")
			}
		})
	}
}

func TestVoiceCodePromptsAndLock(t *testing.T) {
	for version, locks := range map[string]bool{"0.2.0": true, "0.4.0": false} {
		play(t, Options{Dialect: VoiceCode, Version: version, Key: "k", Mood: Quiet}, func(t *testing.T, s stage) {
			ws, other := s.voice(t, version), s.voice(t, version)
			prompt := fmt.Sprintf(`{"type":"prompt","text":"hi","resume_session_id":"%s"}`, DefaultConversation)
			say(t, ws, "%s", prompt)
			require.Equal(t, "Processing prompt...", until(t, ws, "ack").Message)
			say(t, other, "%s", prompt)
			if locks {
				until(t, other, "session_locked")
			} else {
				until(t, other, "ack")
			}
			start := time.Now()
			require.Equal(t, DefaultConversation, until(t, ws, "turn_complete").SessionID)
			require.Equal(t, thinking, time.Since(start))
			if locks {
				require.Equal(t, []string{"hi"}, s.Asked(DefaultConversation))
				require.Len(t, s.Truth(DefaultConversation), 2)
			} else {
				until(t, other, "turn_complete")
				require.Len(t, s.Truth(DefaultConversation), 2, "what the user typed is not in the stream")
			}
		})
	}
}

func TestVoiceCodeDrainsAndReplays(t *testing.T) {
	play(t, Options{Dialect: VoiceCode, Key: "k", Mood: Quiet, Proposed: true}, func(t *testing.T, s stage) {
		s.Publish(7)
		ws := s.voice(t, "")
		first := until(t, ws, "replay")
		require.Equal(t, s.Truth(DefaultConversation)[0], first.MessageID)
		say(t, ws, `{"type":"message_ack","message_id":"%s"}`, first.MessageID)
		start := time.Now()
		until(t, ws, "heartbeat")
		require.Equal(t, heartbeat, time.Since(start))
		require.Equal(t, 1, s.Seen().Acks)
		s.SetMood(Draining)
		require.Equal(t, 3000, until(t, ws, "draining").RetryAfter)
		require.True(t, websocket.IsCloseError(end(ws), websocket.CloseGoingAway))
		time.Sleep(away)
		ws = s.voice(t, "")
		require.NotEqual(t, first.MessageID, until(t, ws, "replay").MessageID, "what was confirmed is not sent again")
	})
}
