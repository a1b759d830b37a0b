package demo

import (
	"strings"
	"time"
)

// agentEvent is an event of the agent-server, with its keys in the server's order and nothing that is empty.
type agentEvent struct {
	ID          string         `json:"id"`
	Timestamp   string         `json:"timestamp"`
	Source      string         `json:"source"`
	LLMMessage  *agentMessage  `json:"llm_message,omitempty"`
	Skills      []string       `json:"activated_skills,omitzero"`
	Thought     []string       `json:"thought,omitzero"`
	Action      map[string]any `json:"action,omitempty"`
	Observation map[string]any `json:"observation,omitempty"`
	ToolName    string         `json:"tool_name,omitempty"`
	ToolCallID  string         `json:"tool_call_id,omitempty"`
	Risk        string         `json:"security_risk,omitempty"`
	Summary     string         `json:"summary,omitempty"`
	Key         string         `json:"key,omitempty"`
	Value       any            `json:"value,omitempty"`
	Code        string         `json:"code,omitempty"`
	Detail      string         `json:"detail,omitempty"`
	Kind        string         `json:"kind"`
}

type agentMessage struct {
	Role    string      `json:"role"`
	Content []agentText `json:"content"`
}

type agentText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// agentStates are the agent's states as the agent-server calls them.
var agentStates = map[state]string{
	working: "running", waiting: "waiting_for_confirmation", finished: "finished", paused: "paused", failed: "error",
}

func agentShape(e event) agentEvent {
	v := agentEvent{ID: e.id, Timestamp: naive(e.at), Source: "agent"}
	text := []agentText{{"text", e.text}}
	call := "call_" + strings.ReplaceAll(e.id, "-", "")
	switch e.kind {
	case said:
		v.Kind, v.Skills, v.LLMMessage = "MessageEvent", []string{}, &agentMessage{"assistant", text}
	case asked:
		v.Source, v.Kind, v.Skills, v.LLMMessage = "user", "MessageEvent", []string{}, &agentMessage{"user", text}
	case ran:
		v.Kind, v.Thought, v.Action = "ActionEvent", []string{}, map[string]any{"kind": "TerminalAction", "command": e.text}
		v.ToolName, v.ToolCallID, v.Risk, v.Summary = "terminal", call, "LOW", "run "+e.text
	case output:
		v.Source, v.Kind, v.ToolName, v.ToolCallID = "environment", "ObservationEvent", "terminal", call
		v.Observation = map[string]any{"kind": "TerminalObservation", "content": text, "exit_code": 0}
	case turned:
		v.Source, v.Key, v.Value, v.Kind = "environment", "execution_status", agentStates[e.to], "ConversationStateUpdateEvent"
	}
	return v
}

// fullState is the first frame of every events socket. It is made for this socket alone, and is part of no history.
func (s *Server) fullState(c *conversation) agentEvent {
	v := s.view(c)
	s.mu.Lock()
	id := s.uuid()
	s.mu.Unlock()
	return agentEvent{
		ID: id, Timestamp: naive(time.Now()), Source: "environment", Key: "full_state", Kind: "ConversationStateUpdateEvent",
		Value: map[string]any{"id": v.id, "execution_status": agentStatus(v), "agent": map[string]any{"kind": "Agent"}},
	}
}

// serverError answers a frame that the agent-server cannot read. The socket lives on.
func (s *Server) serverError() agentEvent {
	s.mu.Lock()
	id := s.uuid()
	s.mu.Unlock()
	return agentEvent{
		ID: id, Timestamp: naive(time.Now()), Source: "environment",
		Code: "ValidationError", Detail: "1 validation error for Message", Kind: "ServerErrorEvent",
	}
}

// agentStatus is the execution status of a conversation: one that does not run is done.
func agentStatus(v view) string {
	if !v.running {
		return agentStates[finished]
	}
	return agentStates[v.state]
}
