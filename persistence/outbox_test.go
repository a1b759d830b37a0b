package persistence

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func message(conversation, text string) Message {
	return Message{Identity: server, Conversation: conversation, Text: text, At: noon, State: "queued"}
}

func enqueue(t *testing.T, s *State, m Message) Message {
	t.Helper()
	m, err := s.Enqueue(m)
	require.NoError(t, err)
	return m
}

func outboxOf(t *testing.T, s *State) []Message {
	t.Helper()
	all, err := s.Outbox()
	require.NoError(t, err)
	return all
}

func TestOutboxOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, _, err := OpenState(path)
	require.NoError(t, err)
	require.Empty(t, outboxOf(t, s))
	one, two := enqueue(t, s, message("c", "one")), enqueue(t, s, message("c", "two"))
	require.Less(t, one.ID, two.ID, "stored in the same microsecond, and still one after the other")
	early := message("c", "three")
	early.At = noon.Add(-time.Hour)
	three := enqueue(t, s, early)
	require.Less(t, two.ID, three.ID, "the clock was set back")
	require.NoError(t, s.Close())

	s = openTest(t, path)
	require.Equal(t, []Message{one, two, three}, outboxOf(t, s))
	one.State, one.Tried, one.After = "sending", true, "41"
	batch := place("41")
	batch.Conversation, batch.Put, batch.Drop = "c", []Message{one}, []Message{two}
	require.NoError(t, s.Write(batch))
	require.Equal(t, []Message{one, three}, outboxOf(t, s))
	require.NoError(t, s.Write(Batch{Put: []Message{two}}))
	require.Equal(t, []Message{one, three}, outboxOf(t, s), "what was removed does not come back")

	there := three
	there.Conversation = "d"
	require.NoError(t, s.Write(Batch{Put: []Message{there}, Drop: []Message{three}}))
	require.Equal(t, []Message{one, there}, outboxOf(t, s), "moved to another conversation")
	require.NoError(t, s.Write(Batch{Drop: []Message{there}}))
	require.NoError(t, s.Write(Batch{Put: []Message{three}, Drop: []Message{there}}))
	require.Equal(t, []Message{one}, outboxOf(t, s))
}

func TestOutboxIsBounded(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	for n := range MostMessages {
		enqueue(t, s, message(fmt.Sprint(n%2), "x"))
	}
	_, err := s.Enqueue(message("c", "x"))
	require.Equal(t, ErrOutboxFull, err)
	require.Len(t, outboxOf(t, s), MostMessages)

	s = openTest(t, filepath.Join(t.TempDir(), "state.db"))
	half := enqueue(t, s, message("c", strings.Repeat("x", MostTextBytes/2)))
	enqueue(t, s, message("c", strings.Repeat("x", MostTextBytes/2)))
	_, err = s.Enqueue(message("c", "x"))
	require.Equal(t, ErrOutboxFull, err)
	require.NoError(t, s.Write(Batch{Drop: []Message{half}}))
	enqueue(t, s, message("c", "x"))
}
