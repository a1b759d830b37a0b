package diagnostics_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
)

// shelf stores messages, until it is told what is wrong with it.
type shelf struct {
	mu    sync.Mutex
	last  string
	wrong error
}

func (s *shelf) enqueue(m persistence.Message) (persistence.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong != nil {
		return m, s.wrong
	}
	s.last += "1"
	m.ID = s.last
	return m, nil
}

func (s *shelf) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = err
}

// serveOutbox serves a line that is set up and never dials.
func serveOutbox(t *testing.T) (*served, *shelf) {
	t.Helper()
	shelf := new(shelf)
	return serveLine(t, connection.Options{
		Target:  wire.Target{Server: "http://127.0.0.1:9", Conversation: "c1", Dialect: wire.SocketIO},
		Enqueue: shelf.enqueue,
	}), shelf
}

func TestAMessageIsStoredListedAndGivenUp(t *testing.T) {
	s, _ := serveOutbox(t)
	m, err := s.Send(t.Context(), "hello\n<b>")
	require.NoError(t, err)
	require.Equal(t, "hello\n<b>", m.Text)
	require.Equal(t, connection.Queued, m.State)
	for all, err := range s.WatchOutbox(t.Context()) {
		require.NoError(t, err)
		if len(all) == 0 {
			continue // the message is on its way to the line
		}
		require.Equal(t, []connection.Message{m}, all)
		break
	}
	status, _, p := s.ask(t, "POST", "/v1/outbox/1/retry", "", "")
	require.Equal(t, 409, status)
	require.Equal(t, "not-now", p.Code)
	require.Equal(t, "Possible now: discard.", p.Advice)
	status, _, _ = s.ask(t, "POST", "/v1/outbox/2/discard", "", "")
	require.Equal(t, 404, status)
	status, _, _ = s.ask(t, "GET", "/v1/outbox/1/discard", "", "")
	require.Equal(t, 405, status)

	require.NoError(t, s.Decide(t.Context(), "1", connection.VerbDiscard))
	for all, err := range s.WatchOutbox(t.Context()) {
		require.NoError(t, err)
		if len(all) == 0 {
			break
		}
	}
	all, err := s.Outbox(t.Context())
	require.NoError(t, err)
	require.Equal(t, []connection.Message{}, all)
}

func TestAMessageThatIsNotTakenSaysWhy(t *testing.T) {
	s, shelf := serveOutbox(t)
	for _, c := range []struct {
		name, text string
		wrong      error
		status     int
		code       string
	}{
		{"nothing", " ", nil, 400, "bad-request"},
		{"more than a message", strings.Repeat("\x01", persistence.MostTextBytes+1), nil, 413, "too-large"},
		{"more than any request", strings.Repeat("x", 7<<20), nil, 413, "too-large"},
		{"a full outbox", "x", persistence.ErrOutboxFull, 507, "outbox-full"},
		{"a full disk", "x", errors.New("no space left on device"), 507, "not-stored"},
		{"a newer Handline's state", "x", fmt.Errorf("saving the state: %w", persistence.ErrNewer), 409, "not-stored"},
	} {
		shelf.breaks(c.wrong)
		_, err := s.Send(t.Context(), c.text)
		var p *diagnostics.Problem
		require.ErrorAs(t, err, &p, c.name)
		require.Equal(t, c.status, p.Status, c.name)
		require.Equal(t, c.code, p.Code, c.name)
		require.NotEmpty(t, p.Text, c.name)
		require.Equal(t, errors.Is(c.wrong, persistence.ErrNewer), p.Advice == "Update Handline, then send it again.", c.name)
		if p.Code == "too-large" || p.Code == "outbox-full" {
			require.Regexp(t, `\d KB`, p.Means, "%s: it names the limit", c.name)
		}
	}
	all, err := s.Outbox(t.Context())
	require.NoError(t, err)
	require.Empty(t, all, "what was refused is nowhere")

	_, err = serve(t).Send(t.Context(), "x")
	require.Equal(t, "not-set-up", diagnostics.ProblemOf(err, "").Code)
	nowhere := serveLine(t, connection.Options{Target: wire.Target{Server: "http://127.0.0.1:9", Dialect: wire.Auto}})
	_, err = nowhere.Send(t.Context(), "x")
	require.Equal(t, "no-conversation", diagnostics.ProblemOf(err, "").Code)
}

func TestADraftIsKeptForTheNextPage(t *testing.T) {
	s, _ := serveOutbox(t)
	status, _, _ := s.ask(t, "PUT", "/v1/draft", "application/json", `{"text":"half a thought"}`)
	require.Equal(t, 204, status)
	res, err := s.http.Get("http://handline/v1/draft")
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{"text":"half a thought"}`, string(b))
	status, _, p := s.ask(t, "PUT", "/v1/draft", "application/json", `{"words":"x"}`)
	require.Equal(t, 400, status)
	require.Equal(t, "bad-request", p.Code)
}

// A browser opens few connections to one server, so a window has all that goes on in one stream.
func TestAWatchBringsTheOutboxWhereItIsAskedTo(t *testing.T) {
	s, _ := serveOutbox(t)
	_, err := s.Send(t.Context(), "hello")
	require.NoError(t, err)
	res, err := s.http.Get("http://handline/v1/watch?outbox")
	require.NoError(t, err)
	defer res.Body.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(res.Body); len(seen) < 2 && lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			seen[name] = true
		}
	}
	require.Equal(t, map[string]bool{"snapshot": true, "outbox": true}, seen)
}
