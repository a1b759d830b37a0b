package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWalkObject(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{`{}`, ``},
		{` { } `, ``},
		{`{"a":1}`, `a=1`},
		{"{\n\t\"a\" : [1, {\"b\":\"]}\"}] ,\r\"c\":\"x\\\"y\\\\\"}", `a=[1, {"b":"]}"}] c="x\"y\\"`},
		{`{"a":true,"a":null,"b":-1.5e3}`, `a=true a=null b=-1.5e3`},
		{`{"a":{}}`, `a={}`},
		{``, `error: reading frame: not a JSON object`},
		{`[]`, `error: reading frame: not a JSON object`},
		{`{`, `error: reading frame: broken JSON`},
		{`{"a"`, `error: reading frame: broken JSON`},
		{`{"a":`, `error: reading frame: broken JSON`},
		{`{"a":}`, `error: reading frame: broken JSON`},
		{`{"a":nul}`, `error: reading frame: broken JSON`},
		{`{"a":"x}`, `error: reading frame: broken JSON`},
		{`{"a":"x\"}`, `error: reading frame: broken JSON`},
		{`{"a":[1}`, `a=[1} error: reading frame: broken JSON`},
		{`{"a":1 "b":2}`, `a=1 error: reading frame: broken JSON`},
		{`{"a":1,}`, `a=1 error: reading frame: broken JSON`},
		{`{"a":1}}`, `a=1 error: reading frame: broken JSON`},
		{`{a:1}`, `error: reading frame: broken JSON`},
	} {
		t.Run(row.in, func(t *testing.T) {
			var got []string
			err := walkObject([]byte(row.in), func(k, v []byte) bool {
				got = append(got, string(k)+"="+string(v))
				return true
			})
			if err != nil {
				got = append(got, "error: "+err.Error())
			}
			require.Equal(t, row.want, strings.Join(got, " "))
		})
	}
}

func TestWalkStopsWhenToldTo(t *testing.T) {
	seen := 0
	require.NoError(t, walkObject([]byte(`{"a":1,"b":2 and then rubbish`), func(_, _ []byte) bool {
		seen++
		return seen < 2
	}))
	require.Equal(t, 2, seen)
	seen = 0
	require.NoError(t, walkArray([]byte(`["oh_event",{"a":1} and then rubbish`), func([]byte) bool {
		seen++
		return seen < 2
	}))
	require.Equal(t, 2, seen)
}

func TestWalkArray(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{`[]`, ``},
		{` [ "oh_event" , {"a":[1,2]}, 3 ] `, `"oh_event" {"a":[1,2]} 3`},
		{`{}`, `error: reading frame: not a JSON array`},
		{`[1,]`, `1 error: reading frame: broken JSON`},
		{`[1}`, `1 error: reading frame: broken JSON`},
		{`[1]x`, `1 error: reading frame: broken JSON`},
	} {
		t.Run(row.in, func(t *testing.T) {
			var got []string
			err := walkArray([]byte(row.in), func(v []byte) bool {
				got = append(got, string(v))
				return true
			})
			if err != nil {
				got = append(got, "error: "+err.Error())
			}
			require.Equal(t, row.want, strings.Join(got, " "))
		})
	}
}

func TestTextAndInteger(t *testing.T) {
	require.Equal(t, "abc", text([]byte(`"abc"`)))
	require.Equal(t, "a\"b\né", text([]byte(`"a\"b\n\u00e9"`)))
	require.Equal(t, "", text([]byte(`12`)))
	require.Equal(t, "", text([]byte(`"\x"`)))
	for in, want := range map[string]int64{"12": 12, "-1": -1, "0": 0} {
		n, ok := integer([]byte(in))
		require.True(t, ok)
		require.Equal(t, want, n)
	}
	for _, in := range []string{`"12"`, `1.5`, `null`, ``, `+1`, `99999999999999999999`} {
		_, ok := integer([]byte(in))
		require.False(t, ok, in)
	}
}

func TestWalkAllocatesNothing(t *testing.T) {
	frame := []byte(`{"id":"6f0c","timestamp":"2026-08-22T16:34:54","source":"agent","n":17,"kind":"MessageEvent"}`)
	var kind []byte
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = walkObject(frame, func(k, v []byte) bool {
			if string(k) == "kind" {
				kind = v
			}
			return true
		})
	}))
	require.Equal(t, `"MessageEvent"`, string(kind))
}

// FuzzWalkObject holds the walk against encoding/json: whatever that reads as an object, the walk reads alike.
func FuzzWalkObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":[{"c":"]\\\""}]}`, `{"a":"\u0061","b":{"":null}}`, `{"a":[1}`, `[]`, "{\"\x00\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := map[string]string{}
		err := walkObject(b, func(k, v []byte) bool {
			var key string
			if json.Unmarshal(append(append([]byte{'"'}, k...), '"'), &key) == nil {
				got[key] = string(v)
			}
			return true
		})
		var want map[string]json.RawMessage
		if bytes.HasPrefix(bytes.TrimSpace(b), []byte("null")) || json.Unmarshal(b, &want) != nil {
			return
		}
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for k, v := range want {
			require.Equal(t, string(v), got[k])
		}
	})
}
