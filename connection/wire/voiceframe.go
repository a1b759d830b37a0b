package wire

import (
	"bytes"
	"errors"
	"strings"
)

// voiceFrame is what the codec looks at in a frame. All but kind are raw JSON, nil where they are not there.
type voiceFrame struct {
	kind                                           []byte // with underscores: later servers write hyphens into some
	session, message, id, code                     []byte
	version, auth, negotiated, capabilities, retry []byte
	messages, complete, first, gap                 []byte
	next, end, signature, replaced, aborted        []byte
}

func readVoiceFrame(frame []byte) (voiceFrame, error) {
	var f voiceFrame
	err := walkObject(frame, func(key, value []byte) bool {
		if field := f.field(string(key)); field != nil {
			*field = value
		}
		return true
	})
	if f.kind = unquoted(f.kind); err == nil && len(f.kind) == 0 {
		err = errors.New("no type")
	}
	if bytes.IndexByte(f.kind, '-') >= 0 {
		f.kind = bytes.ReplaceAll(f.kind, []byte("-"), []byte("_"))
	}
	return f, err
}

// field is where a member of a frame goes, nil = nowhere.
func (f *voiceFrame) field(key string) *[]byte {
	switch key {
	case "type":
		return &f.kind
	case "session_id":
		return &f.session
	case "message":
		return &f.message
	case "message_id":
		return &f.id
	case "code":
		return &f.code
	case "version":
		return &f.version
	case "auth_version":
		return &f.auth
	case "negotiated_protocol_version":
		return &f.negotiated
	case "capabilities":
		return &f.capabilities
	case "retry_after_ms":
		return &f.retry
	case "messages":
		return &f.messages
	case "is_complete":
		return &f.complete
	case "first_seq":
		return &f.first
	case "gap":
		return &f.gap
	case "next_offset", "next_seq": // of 0.5 and of 0.4
		return &f.next
	case "end_of_file":
		return &f.end
	case "file_signature":
		return &f.signature
	case "file_replaced":
		return &f.replaced
	case "aborted":
		return &f.aborted
	}
	return nil
}

// advertises says whether hello's capabilities, a list of names, hold one.
func advertises(capabilities []byte, name string) (found bool) {
	_ = walkArray(capabilities, func(value []byte) bool { // what is no list advertises nothing
		found = text(value) == name
		return !found
	})
	return found
}

// brief is a server's text of a length for a log, not cut within a character.
func brief(s string) string {
	if len(s) <= 200 {
		return s
	}
	return strings.ToValidUTF8(s[:200], "") + "…"
}
