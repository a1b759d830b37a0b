package wire

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The transcripts in testdata/*.txt are the codecs' tests and their documentation. A line's first word says what it is:
//
//	# comment
//	hello events {"Conversation":"c"}   a new codec of that dialect, with this Hello
//	request http://host/prefix          Codec.Request
//	greet | ping | bye                  Codec.Greet, Ping, Bye
//	send ID TEXT                        Codec.Encode
//	item BODY                           Codec.Item
//	said BODY                           Codec.Said
//	< FRAME                             a text frame comes in
//	<< FRAME                            a binary frame comes in
//	> FRAME                             expected: it goes out
//	= MEANING                           expected: what the frame, or the request, means
//
// After a change that is meant, go test ./connection/wire -run Transcripts -update writes what is expected anew.
var update = flag.Bool("update", false, "write the transcripts' expectations anew")

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			got := strings.Join(play(t, strings.Split(string(text), "\n")), "\n")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

// play repeats the lines that do something, each followed by what came of it.
func play(t *testing.T, lines []string) []string {
	var out []string
	var codec Codec
	for i, line := range lines {
		verb, rest, _ := strings.Cut(line, " ")
		if verb == ">" || verb == "=" {
			continue
		}
		out = append(out, line)
		switch verb {
		case "", "#":
		case "hello":
			dialect, object, _ := strings.Cut(rest, " ")
			var h Hello
			require.NoError(t, json.Unmarshal([]byte(object), &h), "line %d", i+1)
			var err error
			codec, err = New(Dialect(dialect), h)
			require.NoError(t, err, "line %d", i+1)
		default:
			require.NotNil(t, codec, "line %d: no hello before it", i+1)
			out = append(out, act(t, codec, verb, rest)...)
		}
	}
	return out
}

func act(t *testing.T, codec Codec, verb, rest string) []string {
	switch verb {
	case "request":
		base, err := url.Parse(rest)
		require.NoError(t, err)
		u, header := codec.Request(base)
		out := []string{"= " + u.String()}
		for name, values := range header {
			out = append(out, "= "+name+": "+strings.Join(values, ", "))
		}
		slices.Sort(out[1:])
		return out
	case "greet":
		return outgoing(codec.Greet())
	case "ping":
		return outgoing(codec.Ping())
	case "bye":
		return outgoing(codec.Bye())
	case "send":
		id, message, _ := strings.Cut(rest, " ")
		b, err := codec.Encode(id, message)
		require.NoError(t, err)
		return outgoing(b)
	case "item":
		return meaning(codec.Item([]byte(rest)))
	case "said":
		text, ok := codec.Said([]byte(rest))
		if !ok {
			return []string{"= no user said that"}
		}
		return []string{fmt.Sprintf("= %q", text)}
	case "<", "<<":
		return meaning(codec.Decode([]byte(rest), verb == "<<"))
	}
	t.Fatalf("unknown line %q", verb+" "+rest)
	return nil
}

func outgoing(frame []byte) []string {
	if frame == nil {
		return []string{"= nothing to send"}
	}
	return []string{"> " + string(frame)}
}

var kinds = [...]string{"nothing", "beat", "pong", "ready", "message", "ack", "rejected", "refused", "draining", "synced"}

// meaning writes an event with the fields that are not zero.
func meaning(e Event, err error) []string {
	if err != nil {
		return []string{"= error: " + err.Error()}
	}
	lines := told(e)
	for _, then := range e.Then {
		lines = append(lines, told(then)...)
	}
	return lines
}

// told writes one of the things that a frame tells.
func told(e Event) []string {
	words := []string{"=", kinds[e.Kind]}
	add := func(name string, value any, zero bool) {
		if !zero {
			words = append(words, fmt.Sprintf("%s=%v", name, value))
		}
	}
	add("id", string(e.ID), len(e.ID) == 0)
	add("name", string(e.Name), len(e.Name) == 0)
	add("cursor", string(e.Cursor), len(e.Cursor) == 0)
	add("agent", e.Agent, e.Agent == AgentUnknown)
	add("replay", true, !e.Replay)
	add("gap", true, !e.Gap)
	add("more", true, !e.More)
	add("max", e.MaxFrame, e.MaxFrame == 0)
	add("reason", fmt.Sprintf("%q", e.Reason), e.Reason == "")
	add("final", true, !e.Final)
	add("auth", true, !e.Auth)
	add("barred", true, !e.Barred)
	add("nowhere", true, !e.Nowhere)
	add("busy", true, !e.Busy)
	add("vague", true, !e.Vague)
	add("outdated", true, !e.Outdated)
	add("after", e.After, e.After == 0)
	body := string(e.Body)
	if len(body) > 60 {
		body = fmt.Sprintf("%s…%s", body[:25], body[len(body)-25:])
	}
	add("body", body, body == "")
	lines := []string{strings.Join(words, " ")}
	if e.Reply != nil {
		lines = append(lines, "> "+string(e.Reply))
	}
	return lines
}

// All that servers say in any version, released, documented or proposed, and all that this client says to them, is in the
// transcripts: %s is each of the words in the lines of a file.
func TestEveryTypeHasATranscript(t *testing.T) {
	const kinds = "SystemPromptEvent MessageEvent ActionEvent ObservationEvent AgentErrorEvent UserRejectObservation " +
		"ConversationStateUpdateEvent ConversationErrorEvent PauseEvent InterruptEvent Condensation CondensationRequest " +
		"CondensationSummaryEvent TokenEvent ACPToolCallEvent HookExecutionEvent LLMCompletionLogEvent "
	const states = "idle running paused waiting_for_confirmation finished error stuck deleting"
	for _, row := range []struct{ file, line, words string }{
		{"voicecode.txt", `< {"type":"%s"`, "hello connected auth_error error ack pong session_list recent_sessions session_created session_ready " +
			"session_history session_updated turn_complete session_locked session_killed available_commands command_started " +
			"command_output command_complete command_error command_history command_output_full compaction_complete " +
			"compaction_error session_name_inferred infer_name_error worktree_session_created worktree_session_error " +
			"file_uploaded resources_list resource_deleted available_recipes recipe_started recipe_exited recipe_step_started " +
			"recipe_step_transition recipe_step_complete orchestration_retry replay response heartbeat draining " +
			"session_history_batch request_chunked user_prompt ghost_prompt"},
		{"voicecode.txt", `> {"type":"%s"`, "connect ping prompt subscribe set_max_message_size message_ack"},
		{"events.txt", `< {.*"kind":"%s"}`, kinds + "ServerErrorEvent StreamingDeltaEvent"},
		{"events.txt", `< {.*"key":"execution_status","value":"%s"`, states},
		{"session.txt", `< {"type":"%s"`, "sync durable transient item_started delta item_aborted error"},
		{"session.txt", `< {"type":"durable".*"kind":"%s"}}`, kinds},
		{"session.txt", `< {.*"execution_status"(,"value")?:"%s"`, states},
		{"socketio.txt", `< %s`, "0 1 2 3 40 41 42 43 44 45 46 6"}, // Engine.IO, and within its 4 Socket.IO
		{"socketio.txt", `> %s`, "3 40 41 42 43"},
		{"socketio.txt", `< 42.*"agent_state_changed".*"agent_state":"%s"`, "loading running awaiting_user_input paused stopped finished " +
			"rejected error awaiting_user_confirmation user_confirmed user_rejected rate_limited"},
	} {
		text, err := os.ReadFile("testdata/" + row.file)
		require.NoError(t, err)
		for _, word := range strings.Fields(row.words) {
			require.Regexp(t, `(?m)^`+strings.Replace(row.line, "%s", word, 1), string(text))
		}
	}
}

// fuzzDecode feeds a codec anything and holds it to its contract: no panic, and slices that lie within the frame's
// length or the codec's own. The codec has heard the frames of a prelude before, of each in turn where there are several.
func fuzzDecode(f *testing.F, d Dialect, file string, preludes ...[]string) {
	if len(preludes) == 0 {
		preludes = [][]string{nil}
	}
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); verb == "<" || verb == "item" || verb == "said" {
			f.Add([]byte(rest), []byte(rest), false)
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte, binary bool) {
		for _, prelude := range preludes {
			codec, err := New(d, Hello{Conversation: "c", Key: "k"})
			require.NoError(t, err)
			for _, frame := range prelude {
				_, err := codec.Decode([]byte(frame), false)
				require.NoError(t, err)
			}
			for _, frame := range [][]byte{first, second} {
				fuzzFrame(t, codec, frame, binary)
			}
		}
	})
}

func fuzzFrame(t *testing.T, codec Codec, frame []byte, binary bool) {
	_, _ = codec.Said(frame)
	e, err := codec.Decode(frame, binary)
	if err != nil {
		require.Zero(t, e)
	}
	require.Less(t, int(e.Kind), len(kinds))
	for _, then := range e.Then {
		require.Less(t, int(then.Kind), len(kinds))
		require.Empty(t, then.Then)
	}
	if e, err = codec.Item(frame); err == nil {
		require.True(t, e.Replay)
		if _, v0 := codec.(*socketIO); !v0 {
			require.Equal(t, AgentUnknown, e.Agent)
		}
	}
}

func FuzzSocketIODecode(f *testing.F) { fuzzDecode(f, SocketIO, "socketio.txt") }
func FuzzEventsDecode(f *testing.F)   { fuzzDecode(f, Events, "events.txt") }
func FuzzSessionDecode(f *testing.F)  { fuzzDecode(f, Session, "session.txt") }

func FuzzVoiceCodeDecode(f *testing.F) {
	fuzzDecode(f, VoiceCode, "voicecode.txt", nil,
		[]string{`{"type":"hello","version":"0.2.0"}`, `{"type":"session_list"}`},
		[]string{`{"type":"hello","version":"0.4.0"}`, `{"type":"connected"}`},
		[]string{`{"type":"hello","version":"0.5.0"}`, `{"type":"connected","negotiated_protocol_version":"0.5.0"}`},
	)
}
