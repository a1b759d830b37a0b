package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

const (
	thinking  = 2 * time.Second // how long the agent takes for a prompt
	heartbeat = 45 * time.Second
)

// voice is one client of the voice-code server. A connection speaks the lower of the server's version and the client's:
// level is its second number, 2 to 5.
type voice struct {
	*Server
	k      *socket
	authed bool
	level  int
	budget int                   // bytes of one history, set_max_message_size
	places map[*conversation]int // what was told of each conversation's log
	known  map[*conversation]int // how many messages there were when it was last looked at (0.5)
	turns  map[*conversation]int // how many turns were complete when this client sent a prompt
	due    time.Time             // of the next heartbeat
}

// voiceRequest is every message of a client, with the fields that are looked at.
type voiceRequest struct {
	Type      string          `json:"type"`
	Key       string          `json:"api_key"`
	Version   string          `json:"protocol_version"`
	Session   string          `json:"session_id"`
	New       string          `json:"new_session_id"`
	Resume    string          `json:"resume_session_id"`
	Text      string          `json:"text"`
	SizeKB    int             `json:"size_kb"`
	MessageID string          `json:"message_id"`
	LastID    *string         `json:"last_message_id"`
	LastSeq   json.RawMessage `json:"last_seq"`
	Offset    int             `json:"from_offset"`
	Signature string          `json:"file_signature_seen"`
}

type frame = map[string]any

// voiceCode answers upgrades on any path, and everything else with 400.
func (s *Server) voiceCode() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			http.Error(w, "This endpoint requires WebSocket connection", http.StatusBadRequest)
			return
		}
		s.queryKey(r) // keys do not belong there
		s.serve(w, r, func(k *socket) {
			v := &voice{Server: s, k: k, budget: 100 << 10, places: map[*conversation]int{}, known: map[*conversation]int{}, turns: map[*conversation]int{}}
			v.run()
		})
	})
}

func (v *voice) run() {
	hello := frame{
		"type": "hello", "message": "Welcome to voice-code backend", "version": v.opt.Version, "auth_version": 1,
		"instructions": "Send connect message with api_key",
	}
	if v.k.json(hello) != nil {
		return
	}
	if mood, _ := v.now(); mood == HangGreeting {
		v.k.ignore()
		return
	}
	t := talk{pump: v.pump, heard: v.heard, leave: v.leave}
	t.frame = func(payload string) []byte {
		return fmt.Appendf(nil, `{"type":"command_output_full","command_session_id":"cmd-1","output":"%s"}`, payload)
	}
	if v.opt.Proposed {
		t.beat = v.beat
	}
	v.k.live(t)
}

func (v *voice) leave() {
	_ = v.k.json(frame{"type": "draining", "message": "Server is restarting", "retry_after_ms": away.Milliseconds()})
	v.k.bye(websocket.CloseGoingAway, "")
}

// beat is a heartbeat, proposed and never released.
func (v *voice) beat() time.Duration {
	now := time.Now()
	if v.due.IsZero() {
		v.due = now.Add(heartbeat)
	}
	if !now.Before(v.due) {
		if v.k.json(frame{"type": "heartbeat", "timestamp": zulu(now)}) != nil {
			return 0
		}
		v.due = now.Add(heartbeat)
	}
	return v.due.Sub(now)
}

func (v *voice) refuse() error {
	_ = v.k.json(frame{"type": "auth_error", "message": "Authentication failed"})
	v.k.bye(websocket.CloseNormalClosure, "")
	return errOver
}

func (v *voice) fault(code, format string, args ...any) error {
	f := frame{"type": "error", "message": fmt.Sprintf(format, args...)}
	if code != "" {
		f["code"] = code
	}
	return v.k.json(f)
}

// heard takes one message of the client. Before it has connected with its key it may only ping.
func (v *voice) heard(raw []byte) error {
	var m voiceRequest
	if json.Unmarshal(raw, &m) != nil {
		return v.fault("", "Invalid JSON")
	}
	switch {
	case m.Type == "ping":
		return v.k.json(frame{"type": "pong"})
	case m.Type == "connect":
		return v.connect(m)
	case !v.authed:
		return v.refuse()
	}
	switch m.Type {
	case "subscribe":
		return v.subscribe(m)
	case "unsubscribe", "session_deleted":
		delete(v.places, v.find(m.Session))
		return nil
	case "prompt":
		return v.prompt(m)
	case "set_max_message_size":
		v.budget = max(m.SizeKB, 1) << 10
		return v.k.json(frame{"type": "ack", "message": fmt.Sprintf("Max message size set to %d KB", m.SizeKB)})
	case "refresh_sessions":
		return v.sessions()
	case "kill_session":
		return v.k.json(frame{"type": "session_killed", "session_id": m.Session, "message": "Session process terminated"})
	case "compact_session":
		return v.k.json(frame{"type": "compaction_complete", "session_id": m.Session})
	case "message_ack":
		if v.opt.Proposed {
			v.ack(m.MessageID)
			return nil
		}
	}
	return v.fault("", "Unknown message type: %s", m.Type)
}

// connect checks the key and tells the client what there is. 0.2 says nothing of having connected.
func (v *voice) connect(m voiceRequest) error {
	if m.Key != "" {
		v.note(func(seen *Seen) { seen.KeyInFrame = true })
	}
	if !v.admits(m.Key, v.opt.Key) {
		return v.refuse()
	}
	v.level = min(minor(v.opt.Version), 5)
	if v.level >= 4 && m.Version != "" {
		if minor(m.Version) < 4 {
			_ = v.k.json(frame{
				"type": "error", "code": "unsupported_protocol_version", "required": "0.4.0", "received": m.Version,
				"message": "Client is too old; upgrade required",
			})
			v.k.bye(websocket.CloseNormalClosure, "")
			return errOver
		}
		v.level = min(v.level, minor(m.Version))
	} else if v.level == 5 {
		v.level = 4 // who does not say what it speaks knows nothing of offsets
	}
	v.authed = true
	if v.level >= 3 {
		f := frame{"type": "connected", "message": "Session registered", "session_id": m.Session}
		if minor(v.opt.Version) >= 5 {
			f["negotiated_protocol_version"] = fmt.Sprintf("0.%d.0", v.level)
		}
		if err := v.k.json(f); err != nil {
			return err
		}
	}
	if v.level < 4 {
		v.watchAll() // updates go to everybody, whether subscribed or not
	}
	if err := v.sessions(); err != nil {
		return err
	}
	commands := []frame{{"id": "git.status", "label": "Git Status", "description": "Show git working tree status", "type": "command"}}
	err := v.k.json(frame{
		"type": "available_commands", "working_directory": nil, "project_commands": []frame{}, "general_commands": commands,
	})
	if err != nil || !v.opt.Proposed {
		return err
	}
	return v.replay()
}

// minor is the second number of a version.
func minor(version string) int {
	var major, n int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &n) // what cannot be read is old
	return n
}

// sessions lists what there is: by epoch milliseconds in one list and by ISO time in the other, as the server does.
func (v *voice) sessions() error {
	all, recent := []frame{}, []frame{}
	for i, c := range v.views() {
		s := frame{"session_id": c.id, "name": c.title, "working_directory": "/home/demo/project"}
		r := frame{"last_modified": zulu(c.updated)}
		for k, field := range s {
			r[k] = field
		}
		s["last_modified"], s["message_count"] = c.updated.UnixMilli(), c.count
		all = append(all, s)
		if i < 5 {
			recent = append(recent, r)
		}
	}
	err := v.k.json(frame{"type": "session_list", "sessions": all[:min(50, len(all))], "total_count": len(all)})
	if err != nil {
		return err
	}
	return v.k.json(frame{"type": "recent_sessions", "sessions": recent, "limit": 5})
}

// zulu is a time as voice-code writes it.
func zulu(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
