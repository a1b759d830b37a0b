package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// voiceCode speaks the backend of spec B, voice-code, in its versions 0.2 to 0.5.
//
//	< hello   > connect   < connected (from 0.3 on), session_list …   = ready
//	> set_max_message_size, subscribe   < session_history …   = synced   < what happens
//
// The rules are:
//   - The key travels in connect and nowhere else. connect is sent once, because a second one without a key ends the
//     session; nothing but it and pings is sent before the server has said yes.
//   - Yes is the first of connected and session_list, since 0.2 never says connected. A pong is no yes: pings are
//     answered before any key was shown. No is auth_error; the close code 1000 that follows it means nothing.
//   - What happens while a history is due is held back until it came, so that the order is whole: voicehistory.go.
//   - Replays with their acks, heartbeat and draining were documented or proposed and are in no release. They are obeyed
//     when met, and never waited for. One refused ack ends all acks: releases do not know the word.
//   - 0.2 tells everybody everything, so what is about other sessions than ours is ignored. So are words and fields that
//     nobody knows yet.
//   - The server's acks name nothing. One prompt is in flight at a time, so they mean that one. From 0.4 on prompts are
//     not told again, so nothing else confirms them.
type voiceCode struct {
	hello   Hello
	session string // ours, in lower case as the server has it
	level   int    // the second number of the version that is spoken, 2 to 5
	keyed   bool   // the server advertised that it drops prompts it knows the key of
	greeted bool
	ready   bool
	deaf    bool            // the server does not know message_ack
	turns   int             // prompts of ours that were taken and are not answered
	told    map[string]bool // what was said once and is not said again
	history voiceHistory
	batch   []Event // scratch: what one frame tells
}

const (
	// voiceSpoken is the version this client names, voiceAuth the highest hello.auth_version it understands.
	voiceSpoken, voiceAuth = "0.5.0", 1
	// voiceFrameLimit is what http-kit 2.8 takes in one WebSocket message. It drops the connection over a longer one.
	voiceFrameLimit = 4 << 20
	// voicePatience is how many pongs may come before a history that was asked for. The server answers in order, and
	// this client pings every few seconds, so that many pongs mean an answer that will not come.
	voicePatience = 4
)

func newVoiceCode(h Hello) *voiceCode {
	return &voiceCode{hello: h, session: strings.ToLower(h.Conversation), level: 2, told: make(map[string]bool)}
}

// Request asks for the socket, which is at any path, without the key: URLs are logged.
func (c *voiceCode) Request(base *url.URL) (*url.URL, http.Header) {
	u := *base.JoinPath(c.hello.Path)
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.RawQuery = c.hello.Params
	return &u, http.Header{}
}

// Greet is nil: the server speaks first.
func (c *voiceCode) Greet() []byte { return nil }

// Ping proves that the server's own loop lives; WebSocket pings are answered by the library under it.
func (c *voiceCode) Ping() []byte { return []byte(`{"type":"ping"}`) }

// Bye is nil: the WebSocket's own close says it all.
func (c *voiceCode) Bye() []byte { return nil }

func (c *voiceCode) Decode(frame []byte, binary bool) (Event, error) {
	if binary && !utf8.Valid(frame) {
		return Event{}, errors.New("decoding frame of voice-code: binary")
	}
	f, err := readVoiceFrame(frame)
	if err != nil {
		return Event{}, fmt.Errorf("decoding frame of voice-code: %w", err)
	}
	ours := c.session != "" && strings.EqualFold(text(f.session), c.session)
	switch string(f.kind) {
	case "hello":
		return c.greet(f), nil
	case "connected", "session_list":
		return c.accepted(f), nil
	case "auth_error":
		return Event{Kind: Refused, Auth: true, Final: true, Reason: brief(text(f.message))}, nil
	case "error":
		return c.fault(f, ours), nil
	case "pong":
		return c.pong(), nil
	case "heartbeat":
		return Event{Kind: Beat}, nil
	case "draining":
		ms, _ := integer(f.retry)
		return Event{Kind: Draining, After: time.Duration(min(max(ms, 0), 86_400_000)) * time.Millisecond, Reason: brief(text(f.message))}, nil
	case "ack":
		return c.taken(f), nil
	case "replay":
		return c.replayed(f)
	}
	if !ours {
		return c.other(f.kind), nil
	}
	switch string(f.kind) {
	case "session_history":
		return c.histories(f)
	case "session_updated":
		return c.updated(f)
	case "turn_complete":
		return c.answered(f), nil
	case "session_locked":
		return Event{Kind: Rejected, Busy: true, Agent: AgentWorking, Reason: brief(text(f.message))}, nil
	case "session_killed":
		return Event{Agent: AgentPaused}, nil
	}
	return c.other(f.kind), nil
}

// greet answers hello with connect and notes what the server can do.
func (c *voiceCode) greet(f voiceFrame) Event {
	if c.greeted {
		return Event{}
	}
	c.greeted = true
	if n, ok := integer(f.auth); ok && n > voiceAuth {
		return Event{Kind: Refused, Final: true, Outdated: true, Reason: "the server asks for the key in a newer way"}
	}
	version := text(f.version)
	connect := struct {
		Type    string `json:"type"`
		Key     string `json:"api_key,omitempty"`
		Session string `json:"session_id,omitempty"`
		Version string `json:"protocol_version,omitempty"`
	}{Type: "connect", Key: c.hello.Key, Session: c.session}
	switch {
	case atLeast(version, 0, 4):
		// hello names the most that the server speaks; connected says what was agreed on, and without it 0.4 is safe.
		c.level, connect.Version = 4, voiceSpoken
	case atLeast(version, 0, 3):
		c.level = 3
	}
	c.keyed = advertises(f.capabilities, "idempotency_key")
	b, _ := json.Marshal(connect) // texts always encode
	return Event{Reply: b}
}

// accepted is the server's yes: the line is ready, and the history is asked for.
func (c *voiceCode) accepted(f voiceFrame) Event {
	if c.ready || !c.greeted {
		return Event{}
	}
	c.ready = true
	if c.level >= 4 && atLeast(text(f.negotiated), 0, 5) {
		c.level = 5
	}
	e := Event{Kind: Ready, MaxFrame: voiceFrameLimit}
	if c.session == "" {
		return e // only looked at
	}
	c.history.resume(c.level, c.hello.Cursor)
	e.Reply = voiceSize(c.portion())
	e.Then, e.More = []Event{{Reply: c.subscribe()}}, true
	return e
}

func (c *voiceCode) pong() Event {
	if c.history.due {
		if c.history.pongs++; c.history.pongs >= voicePatience {
			return Event{Kind: Refused, Reason: "the server never sent the history"}
		}
	}
	return Event{Kind: Pong}
}

// taken reads an ack: of a prompt, or of the size we asked for.
func (c *voiceCode) taken(f voiceFrame) Event {
	if strings.HasPrefix(strings.ToLower(text(f.message)), "max message size") {
		return Event{}
	}
	c.turns++
	return Event{Kind: Ack, Agent: AgentWorking, Final: c.level >= 4}
}

// answered is the end of a turn. It confirms a prompt whose ack never came.
func (c *voiceCode) answered(f voiceFrame) Event {
	e := Event{Agent: AgentFinished}
	if string(f.aborted) == "true" {
		e.Agent = AgentWaiting
	}
	if c.turns > 0 {
		c.turns--
	} else {
		e.Kind, e.Final = Ack, true
	}
	return e
}

// fault reads an error. One that names our session is about the oldest prompt. One that names none is about a type of
// message that the server does not know, and must disturb nothing, or about what was asked last: the server answers in
// order, so with no history due and no turn running that can only be the prompt in flight.
func (c *voiceCode) fault(f voiceFrame, ours bool) Event {
	why := brief(text(f.message))
	low := strings.ToLower(why)
	switch text(f.code) {
	case "unsupported_protocol_version":
		return Event{Kind: Refused, Final: true, Outdated: true, Reason: why}
	case "unsupported_subscribe_field", "invalid_subscribe":
		if c.history.due && c.once(text(f.code)) {
			c.level = max(c.level, 4)
			c.history.resume(c.level, "")
			return Event{Reply: c.subscribe(), Reason: why}
		}
		return c.remark(why)
	}
	switch {
	case c.history.due && strings.HasPrefix(low, "session not found"):
		return Event{Kind: Refused, Final: true, Reason: why}
	case len(f.session) == 0 && (strings.Contains(low, "message_ack") || strings.Contains(low, "message-ack")):
		c.deaf = true
		return c.remark(why)
	case ours && c.turns > 0:
		c.turns--
		return Event{Agent: AgentError, Reason: why}
	case ours:
		return Event{Kind: Rejected, Reason: why}
	case c.ready && len(f.session) == 0 && c.turns == 0 && !c.history.due && !strings.HasPrefix(low, "unknown message type"):
		return Event{Kind: Rejected, Vague: true, Reason: why}
	}
	return c.remark(why)
}

// other takes a frame that says nothing about the conversation. A type that nobody knows is worth one line in the log.
func (c *voiceCode) other(kind []byte) Event {
	switch string(kind) {
	case "recent_sessions", "session_created", "session_ready", "session_history", "session_updated", "turn_complete",
		"session_locked", "session_killed", "response", "available_commands", "command_started", "command_output",
		"command_complete", "command_error", "command_history", "command_output_full", "compaction_complete",
		"compaction_error", "session_name_inferred", "infer_name_error", "worktree_session_created",
		"worktree_session_error", "file_uploaded", "resources_list", "resource_deleted", "available_recipes",
		"recipe_started", "recipe_exited", "recipe_step_started", "recipe_step_transition", "recipe_step_complete",
		"orchestration_retry", "user_prompt", "ghost_prompt":
		return Event{}
	}
	return c.remark("the server said " + brief(string(kind)) + ", which is not known")
}

// remark is an event with nothing to tell but a line for the log, once.
func (c *voiceCode) remark(why string) Event {
	if !c.once(why) {
		return Event{}
	}
	return Event{Reason: why}
}

// once says whether something comes for the first time. It remembers a few, because a server may make up any number.
func (c *voiceCode) once(what string) bool {
	if c.told[what] || len(c.told) >= 32 {
		return false
	}
	c.told[what] = true
	return true
}

// Encode makes a prompt for our session. Where the server advertises idempotency keys, the client's id is one.
func (c *voiceCode) Encode(id, message string) ([]byte, error) {
	prompt := struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Session string `json:"resume_session_id"`
		Key     string `json:"idempotency_key,omitempty"`
	}{Type: "prompt", Text: message, Session: c.session}
	if c.keyed {
		prompt.Key = id
	}
	b, err := json.Marshal(prompt)
	if err != nil {
		return nil, fmt.Errorf("writing prompt %s: %w", id, err)
	}
	return b, nil
}
