package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAgentServerDialect(t *testing.T) {
	for version, want := range map[string]Dialect{
		"1.45.0": Session, "1.58.0": Session, "2.0": Session, "v1.45": Session, "1.45.0rc1": Session, "2": Session,
		"1.44.9": Events, "1.9.0": Events, "0.99.0": Events, "1": Events,
		"": Events, "unknown": Events, "v": Events,
	} {
		require.Equal(t, want, AgentServerDialect(version), version)
	}
}

func TestVersionsThatCannotBeReadAreNeitherOldNorNew(t *testing.T) {
	for _, version := range []string{"", "unknown", "main-abc", "99999999999999999999.1"} {
		require.False(t, atLeast(version, 1, 0, 0), version)
		require.False(t, before(version, 1, 0, 0), version)
	}
	require.True(t, before("1.11.9", 1, 12, 0))
	require.False(t, before("1.12.0", 1, 12, 0))
}

// TestReceivingAllocatesNothing holds the hot path to its promise, on both sockets.
func TestReceivingAllocatesNothing(t *testing.T) {
	event := []byte(`{"id":"732d2e1f-b99a-49b6-9dbb-77d2ef697fc4","timestamp":"2026-11-22T04:19:44.874091","source":"agent","kind":"MessageEvent"}`)
	live := newEvents(Hello{Conversation: "c"})
	numbered := newSession(Hello{Conversation: "c"})
	durable := append(append([]byte(`{"type":"durable","seq":7,"event":`), event...), '}')
	for name, decode := range map[string]func() (Event, error){
		"events":  func() (Event, error) { return live.Decode(event, false) },
		"session": func() (Event, error) { numbered.after = 6; return numbered.Decode(durable, false) },
	} {
		for range 2 { // the first frame is ready; the second makes the cursor's buffer
			_, err := decode()
			require.NoError(t, err)
		}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			e, err := decode()
			if err != nil || e.Kind != Message || len(e.Cursor) == 0 {
				t.Fatal(name, e, err)
			}
		}), name)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{300, 4 << 10, 64 << 10} {
		text := strings.Repeat(`a line of code: \"quoted\" and more\n`, size/36)
		event := fmt.Appendf(nil, `{"id":"732d2e1f-b99a-49b6-9dbb-77d2ef697fc4","timestamp":"2026-11-22T04:19:44.874091","source":"agent","llm_message":{"role":"assistant","content":[{"type":"text","text":"%s"}]},"kind":"MessageEvent"}`, text)
		for _, d := range []Dialect{Events, Session} {
			frame := event
			if d == Session {
				frame = append(append([]byte(`{"type":"durable","seq":7,"event":`), event...), '}')
			}
			b.Run(fmt.Sprintf("%s/%d", d, size), func(b *testing.B) {
				codec, _ := New(d, Hello{Conversation: "c"})
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := codec.Decode(frame, false); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		require.True(b, bytes.Contains(event, []byte("MessageEvent")))
	}
}
