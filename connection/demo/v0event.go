package demo

import "time"

// v0Event is an OpenHands V0 event, with its keys in the server's order.
type v0Event struct {
	ID          *int           `json:"id,omitempty"`
	Timestamp   string         `json:"timestamp"`
	Source      string         `json:"source"`
	Message     string         `json:"message"`
	Cause       *int           `json:"cause,omitempty"`
	Action      string         `json:"action,omitempty"`
	Observation string         `json:"observation,omitempty"`
	Args        map[string]any `json:"args,omitempty"`
	Content     *string        `json:"content,omitempty"`
	Extras      map[string]any `json:"extras,omitempty"`
	Success     *bool          `json:"success,omitempty"`
}

// v0States are the agent's states as V0 calls them. A state that a client asked for by V0's own name stays.
var v0States = map[state]string{working: "running", waiting: "awaiting_user_input"}

// v0Shape dresses an event. What the environment does is told as the agent's while it is live, and as the environment's
// in a replay.
func v0Shape(e event, live bool) v0Event {
	v := v0Event{ID: &e.num, Timestamp: naive(e.at), Source: "agent"}
	cause := e.num - 1
	switch e.kind {
	case said:
		v.Action, v.Message = "message", e.text
		v.Args = map[string]any{"content": e.text, "file_urls": nil, "image_urls": nil, "wait_for_response": false}
	case asked:
		v.Source, v.Action, v.Message = "user", "message", e.text
		v.Args = map[string]any{"content": e.text, "file_urls": []string{}, "image_urls": []string{}}
	case ran:
		v.Action, v.Message = "run", "Running command: "+e.text
		v.Args = map[string]any{"command": e.text, "blocking": false, "thought": ""}
	case output:
		ok := true
		v.Observation, v.Cause, v.Content, v.Success = "run", &cause, &e.text, &ok
		v.Extras = map[string]any{"command": "demo", "metadata": map[string]any{"exit_code": 0}}
	case turned:
		empty, to := "", v0States[e.to]
		if to == "" {
			to = string(e.to)
		}
		v.Observation, v.Content = "agent_state_changed", &empty
		v.Extras = map[string]any{"agent_state": to, "reason": ""}
		if !live {
			v.Source = "environment"
		}
	}
	return v
}

// v0Status is a message on the same channel that is no event: its id is a text, and moves no cursor.
func v0Status(id string) map[string]any {
	return map[string]any{"status_update": true, "type": "info", "id": id, "message": id}
}

// naive is Python's datetime.now().isoformat(): local time without a zone.
func naive(t time.Time) string { return t.Local().Format("2006-01-02T15:04:05.000000") }
