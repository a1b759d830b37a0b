package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// This file is what the two sockets of the OpenHands agent-server share: how they are asked for, how one event of a
// conversation reads, and how a message is sent. Ready, cursor and replay differ: events.go and session.go.

// AgentServerDialect picks the better of an agent-server's two sockets by the server's version. A version that cannot
// be read gets the one that every version has.
func AgentServerDialect(version string) Dialect {
	if atLeast(version, 1, 45, 0) {
		return Session
	}
	return Events
}

// agentServer is the client's half of both sockets that does not depend on which.
type agentServer struct {
	hello Hello
	path  string // "events" or "session"
}

// request puts the key into a header, where no access log sees it. Servers before 1.12 look into the query alone.
func (a agentServer) request(base *url.URL, query url.Values) (*url.URL, http.Header) {
	u := base.JoinPath("sockets", a.path, url.PathEscape(a.hello.Conversation))
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	q, _ := url.ParseQuery(a.hello.Params)
	for name, values := range query {
		q[name] = values
	}
	header := http.Header{}
	switch {
	case a.hello.Key == "":
	case a.hello.Version != "" && before(a.hello.Version, 1, 12, 0):
		q.Set("session_api_key", a.hello.Key)
	default:
		header.Set("X-Session-API-Key", a.hello.Key)
	}
	u.RawQuery = q.Encode()
	return u, header
}

// Greet repeats the key in the first message: newer servers call the header deprecated, and a proxy may have dropped
// it. From 1.22.1 on a frame that was not needed is ignored; before, it would have been taken for a message to the agent.
func (a agentServer) Greet() []byte {
	if a.hello.Key == "" || !atLeast(a.hello.Version, 1, 22, 1) {
		return nil
	}
	b, _ := json.Marshal(struct {
		Type string `json:"type"`
		Key  string `json:"session_api_key"`
	}{"auth", a.hello.Key}) // two strings always encode
	return b
}

// Encode makes a user message, which also sets the agent to work. The protocol has no place for the client's id and
// acknowledges nothing: the message's return as an event with source "user" is the confirmation.
func (a agentServer) Encode(id, message string) ([]byte, error) {
	type content struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	b, err := json.Marshal(struct {
		Role    string    `json:"role"`
		Content []content `json:"content"`
	}{"user", []content{{"text", message}}})
	if err != nil {
		return nil, fmt.Errorf("writing message %s: %w", id, err)
	}
	return b, nil
}

// Said joins the texts of a user's message.
func (a agentServer) Said(body []byte) (string, bool) {
	var source, kind, message []byte
	walkMembers(body, func(key, value []byte) bool {
		switch string(key) {
		case "source":
			source = value
			return string(value) == `"user"`
		case "kind":
			kind = value
		case "llm_message":
			message = value
		}
		return true
	})
	if string(source) != `"user"` || string(kind) != `"MessageEvent"` {
		return "", false
	}
	said := ""
	walkArray(member(message, "content"), func(part []byte) bool {
		said += text(member(part, "text"))
		return true
	})
	return said, true
}

// Ping is nil: the agent-server answers WebSocket pings and has none of its own.
func (a agentServer) Ping() []byte { return nil }

// Bye is nil: the WebSocket's own close says it all.
func (a agentServer) Bye() []byte { return nil }

// agentEvent is what one walk over an event of the agent-server finds. All but stamp, id and kind are raw JSON.
type agentEvent struct {
	id, stamp, kind           []byte
	key, value, code, details []byte
}

func readAgentEvent(body []byte) (agentEvent, error) {
	a, end, err := leadingAgentEvent(body)
	if err == nil {
		err = onlySpace(body, end)
	}
	return a, err
}

// leadingAgentEvent is readAgentEvent for an event that other text may follow: it also gives the index after it.
func leadingAgentEvent(body []byte) (agentEvent, int, error) {
	var a agentEvent
	end, err := walkMembers(body, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			a.id = unquoted(value)
		case "timestamp":
			a.stamp = unquoted(value)
		case "kind":
			a.kind = unquoted(value)
		case "key":
			a.key = value
		case "value":
			a.value = value
		case "code":
			a.code = value
		case "detail":
			a.details = value
		}
		return true
	})
	if err == nil && len(a.kind) == 0 {
		err = fmt.Errorf("reading event: no kind")
	}
	return a, end, err
}

// isState says whether the event tells of the conversation's state and not of something that happened in it.
func (a *agentEvent) isState() bool { return string(a.kind) == "ConversationStateUpdateEvent" }

// isSnapshot says whether it is the whole state, which a server tells to a new subscriber and never keeps.
func (a *agentEvent) isSnapshot() bool { return a.isState() && string(a.key) == `"full_state"` }

// agent is the agent's state that a live event tells.
//
// "idle" at rest means that the agent waits for a task. As a change it is only the stepping stone from finished to
// running, right after the user's own message, and says nothing: nobody wants to be called for that.
func (a *agentEvent) agent() Agent {
	switch {
	case a.isSnapshot():
		return ExecutionStatus(text(member(a.value, "execution_status")))
	case !a.isState(), string(a.value) == `"idle"`:
		return AgentUnknown
	case string(a.key) == `"execution_status"`, string(a.key) == `"agent_status"`: // the name before 1.0
		return ExecutionStatus(text(a.value))
	}
	return AgentUnknown
}

// rejection is a server's complaint about what we sent. It names no message; as one is in flight at a time, it is that
// one. Of the details only the first line is kept: the others quote the message.
//
// What the server could not read it does not have. After any other complaint it may: a message is stored first, and then
// the agent is set to work. A server that has closed the conversation, as when somebody deletes it, keeps the socket and
// tells nothing more; whoever looks again is told why.
func rejection(code, details []byte) Event {
	line, _, _ := strings.Cut(text(details), "\n")
	if line == "inactive_service" {
		return Event{Kind: Refused, Reason: "the server no longer serves this conversation here"}
	}
	e := Event{Kind: Rejected, Reason: text(code)}
	e.Vague = e.Reason != "ValidationError" && e.Reason != "JSONDecodeError"
	if line != "" {
		e.Reason += ": " + line
	}
	return e
}

// ExecutionStatus gives the agent-server's and app server's execution_status, as a state at rest, its common word.
func ExecutionStatus(status string) Agent {
	switch status {
	case "running":
		return AgentWorking
	case "idle", "waiting_for_confirmation":
		return AgentWaiting
	case "finished":
		return AgentFinished
	case "paused":
		return AgentPaused
	case "error", "stuck":
		return AgentError
	}
	return AgentUnknown
}

// unquoted is a JSON string's inside, escapes and all, or nil.
func unquoted(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

// atLeast says whether a version like "1.45.0" or "v1.45.0rc1" is the given one or later. An unreadable one is not.
func atLeast(version string, want ...int) bool {
	have, ok := numbers(version)
	if !ok {
		return false
	}
	for i, w := range want {
		if have[i] != w {
			return have[i] > w
		}
	}
	return true
}

// before says whether a version is earlier than the given one. An unreadable one is not.
func before(version string, want ...int) bool {
	_, ok := numbers(version)
	return ok && !atLeast(version, want...)
}

// numbers are a version's first three; missing ones are 0.
func numbers(version string) (n [3]int, ok bool) {
	rest := strings.TrimPrefix(version, "v")
	for i := range n {
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		v, err := strconv.Atoi(rest[:end])
		if err != nil {
			return n, i > 0
		}
		n[i], rest = v, strings.TrimPrefix(rest[end:], ".")
	}
	return n, true
}
