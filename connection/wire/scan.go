package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// Frames are read by walking their top level and looking at nothing else: what a message says is for the reader of
// Event.Body, and decoding it here would cost more than all the rest of receiving it. The rules are: the walk
// allocates nothing, values keep their raw JSON and alias the frame, and what lies inside a skipped value is held to
// balance and not to be valid. json.Valid is for those who show it.

var (
	errNotObject = errors.New("reading frame: not a JSON object")
	errNotArray  = errors.New("reading frame: not a JSON array")
	errBroken    = errors.New("reading frame: broken JSON")
)

// walkObject visits the members of the JSON object b in their order, until visit returns false. A key comes without
// its quotes and with its escapes: the keys that dialects use have none. A key that occurs twice is visited twice.
func walkObject(b []byte, visit func(key, value []byte) bool) error {
	end, err := walkMembers(b, visit)
	if err != nil || end < 0 {
		return err
	}
	return onlySpace(b, end)
}

// walkMembers is walkObject for an object that other text may follow: it gives the index after the object, or -1 where
// visit ended the walk.
func walkMembers(b []byte, visit func(key, value []byte) bool) (int, error) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return 0, errNotObject
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for more := true; more; {
		key := i
		if i = stringEnd(b, i); i < 0 {
			return 0, errBroken
		}
		name := b[key+1 : i-1]
		if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
			return 0, errBroken
		}
		value := skipSpace(b, i+1)
		if i = valueEnd(b, value); i < 0 {
			return 0, errBroken
		}
		if !visit(name, b[value:i]) {
			return -1, nil
		}
		if i, more = next(b, i, '}'); i < 0 {
			return 0, errBroken
		}
	}
	return i, nil
}

// walkArray visits the elements of the JSON array b in their order, until visit returns false.
func walkArray(b []byte, visit func(value []byte) bool) error {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '[' {
		return errNotArray
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return onlySpace(b, i+1)
	}
	for {
		value := i
		if i = valueEnd(b, i); i < 0 {
			return errBroken
		}
		if !visit(b[value:i]) {
			return nil
		}
		more := false
		if i, more = next(b, i, ']'); i < 0 {
			return errBroken
		}
		if !more {
			return onlySpace(b, i)
		}
	}
}

// member gives one member of an object, nil where there is none.
func member(object []byte, name string) (found []byte) {
	walkMembers(object, func(key, value []byte) bool {
		if string(key) == name {
			found = value
		}
		return found == nil
	})
	return found
}

// next steps over the comma after a value to the following one, or over the closing bracket. It returns -1 where
// neither is there.
func next(b []byte, i int, closing byte) (at int, more bool) {
	if i = skipSpace(b, i); i == len(b) {
		return -1, false
	}
	switch b[i] {
	case ',':
		return skipSpace(b, i+1), true
	case closing:
		return i + 1, false
	}
	return -1, false
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

func onlySpace(b []byte, i int) error {
	if skipSpace(b, i) != len(b) {
		return errBroken
	}
	return nil
}

// stringEnd gives the index after the string that begins at i, or -1. Keys and the values beside them are short, so it
// first walks a little; then it leaps from quote to quote, because most of the bytes of a long frame lie inside strings.
func stringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	i++
	for _, c := range b[i:min(i+24, len(b))] {
		if c == '"' {
			return i + 1
		}
		if c == '\\' {
			break
		}
		i++
	}
	for ; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		start := i
		i += n
		slashes := 0
		for i-slashes > start && b[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd gives the index after the value that begins at i, or -1.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	return scalarEnd(b, i)
}

// scalarEnd gives the index after the number, true, false or null that begins at i, or -1.
func scalarEnd(b []byte, i int) int {
	start, plain := i, true
scan:
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r':
			break scan
		case c < '0' || c > '9':
			plain = false
		}
	}
	whole := plain && i > start && (b[start] != '0' || i == start+1) // most are: seq, order, exit codes
	if !whole && !json.Valid(b[start:i]) {
		return -1
	}
	return i
}

// nestedEnd gives the index after the object or array that begins at i, or -1. It counts instead of recursing, so
// that no frame can exhaust the stack.
func nestedEnd(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return -1
			}
			i--
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// text gives the string that a value holds, "" where it holds none.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// integer gives the whole number that a value holds, and whether it holds one.
func integer(value []byte) (int64, bool) {
	if n, rest := int64(0), value; len(rest) > 0 && len(rest) <= 18 { // nearly always an id: digits that cannot overflow
		for len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
			n, rest = n*10+int64(rest[0]-'0'), rest[1:]
		}
		if len(rest) == 0 {
			return n, true
		}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil && value[0] != '+'
}

// digits splits leading decimal digits off.
func digits(b []byte) (number, rest []byte) {
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return b[:i], b[i:]
}

func atoi(b []byte) (int, bool) {
	n, ok := integer(b)
	return int(n), ok
}
