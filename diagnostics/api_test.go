package diagnostics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

// served is an API on a real unix socket, with a line that is not set up where nothing else is said.
type served struct {
	*diagnostics.Client
	feed *diagnostics.Feed
	http *http.Client
	end  func() // ends the app

	mu     sync.Mutex
	config persistence.Config
	keys   []diagnostics.Key
	quits  int
}

func serve(t *testing.T) *served {
	t.Helper()
	return serveLine(t, connection.Options{})
}

func serveLine(t *testing.T, o connection.Options) *served {
	t.Helper()
	s := &served{config: persistence.Default(), feed: new(diagnostics.Feed)}
	path := filepath.Join(t.TempDir(), "api.sock")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	line := connection.New(o)
	server := &http.Server{Handler: diagnostics.Handler(s.api(line)), BaseContext: func(net.Listener) context.Context { return ctx }}
	var parts sync.WaitGroup
	parts.Go(func() { _ = line.Run(ctx) })
	parts.Go(func() { _ = server.Serve(ln) })
	s.end = func() {
		stop()
		_ = server.Close()
		parts.Wait()
	}
	t.Cleanup(s.end)
	s.Client = diagnostics.NewClient(path)
	s.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	return s
}

func (s *served) api(line *connection.Manager) diagnostics.API {
	return diagnostics.API{
		Version: "1.2.3",
		Line:    line,
		Feed:    s.feed,
		Asked:   func(context.Context) error { return nil },
		Config: func(context.Context) (persistence.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.config, nil
		},
		Change: func(_ context.Context, edit func(*persistence.Config) error) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return edit(&s.config)
		},
		SetKey: func(_ context.Context, server, key string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.keys = append(s.keys, diagnostics.Key{Server: server, Key: key})
			return nil
		},
		Timeline: func(limit int, since time.Time) []persistence.Entry {
			return []persistence.Entry{{Kind: "start", Text: "Handline starts", At: since}}[:min(limit, 1)]
		},
		Failures: func() persistence.Failures { return nil },
		Conversations: func(context.Context) ([]diagnostics.Conversation, error) {
			return nil, network.Failure{Cause: network.Auth, Status: 401}
		},
		History: func(_ context.Context, after string, each func(diagnostics.Event) error) error {
			if after == "broken" {
				_ = each(diagnostics.Event{ID: "1"})
				return network.Failure{Cause: network.Reset}
			}
			for _, id := range []string{"1", "2", "3"} {
				if err := each(diagnostics.Event{ID: id, Cursor: id}); err != nil {
					return err
				}
			}
			return nil
		},
		Draft: new(diagnostics.Draft),
		Quit:  func() { s.quits++ },
	}
}

// ask sends what the client would never send.
func (s *served) ask(t *testing.T, method, path, kind, body string) (int, http.Header, diagnostics.Problem) {
	t.Helper()
	req, err := http.NewRequest(method, "http://handline"+path, strings.NewReader(body))
	require.NoError(t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := s.http.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var e struct{ Error diagnostics.Problem }
	if len(bytes.TrimSpace(b)) > 0 {
		require.NoError(t, json.Unmarshal(b, &e), "every answer is JSON: %s", b)
	}
	return res.StatusCode, res.Header, e.Error
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const js = "application/json"
	for _, row := range []struct {
		name, method, path, kind, body string
		status                         int
		code                           string
	}{
		{"an unknown path", "GET", "/v1/nothing", "", "", 404, "not-found"},
		{"another method", "GET", "/v1/connect", "", "", 405, "method"},
		{"a form, as a page of another origin may send", "POST", "/v1/connect", "text/plain", `{}`, 400, "bad-request"},
		{"a misspelt field", "POST", "/v1/connect", js, `{"sever":"http://a"}`, 400, "bad-request"},
		{"a wrong type", "POST", "/v1/connect", js, `{"wake":"yes"}`, 400, "bad-request"},
		{"two values", "POST", "/v1/connect", js, `{} {}`, 400, "bad-request"},
		{"an address with a password", "POST", "/v1/connect", js, `{"server":"http://a:b@c"}`, 400, "bad-request"},
		{"a body without end", "POST", "/v1/connect", js, `{"conversation":"` + strings.Repeat("x", 70_000) + `"}`, 413, "too-large"},
		{"a configuration out of range", "PUT", "/v1/config", js, `{"version":1,"retry":{"factor":0.1}}`, 400, "bad-request"},
		{"events of no time", "GET", "/v1/events", "", "", 400, "bad-request"},
		{"a limit that is none", "GET", "/v1/timeline?limit=0", "", "", 400, "bad-request"},
		{"a failure of the server", "GET", "/v1/conversations", "", "", 502, "auth"},
	} {
		status, header, p := s.ask(t, row.method, row.path, row.kind, row.body)
		require.Equal(t, row.status, status, row.name)
		require.Equal(t, row.code, p.Code, row.name)
		require.NotEmpty(t, p.Text, row.name)
		require.NotContains(t, p.Text, "b@c", row.name)
		require.Equal(t, status == 405, header.Get("Allow") != "", row.name)
	}
	require.Equal(t, persistence.Default(), s.config, "a refused request changes nothing")
	require.Empty(t, s.keys)
}

func TestAnotherServerForgetsTheLastOnesConversation(t *testing.T) {
	t.Parallel()
	s := serve(t)
	_, err := s.Connect(t.Context(), diagnostics.Target{Server: "http://127.0.0.1:9", Conversation: "a", Params: map[string]string{"room": "x"}})
	require.NoError(t, err)
	_, err = s.Connect(t.Context(), diagnostics.Target{Conversation: "b"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"room": "x"}, s.config.Params)
	_, err = s.Connect(t.Context(), diagnostics.Target{Server: "HTTP://127.0.0.1:9/"})
	require.NoError(t, err)
	require.Equal(t, "b", s.config.Conversation, "the same server, spelt in another way")
	_, err = s.Connect(t.Context(), diagnostics.Target{Server: "http://127.0.0.1:10"})
	require.NoError(t, err)
	require.Empty(t, s.config.Conversation)
	require.Empty(t, s.config.Params)
}

func TestClientSpeaksToTheApp(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx := t.Context()
	st, err := s.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, "1.2.3", st.Version)
	require.Equal(t, connection.Disconnected, st.Snapshot.Status)

	c, err := s.Config(ctx)
	require.NoError(t, err)
	c, err = c.Set("retry.preset", "patient")
	require.NoError(t, err)
	require.NoError(t, s.PutConfig(ctx, c))
	back, err := s.Config(ctx)
	require.NoError(t, err)
	require.Equal(t, 20, back.Retry.MaxAttempts, "a preset's numbers travel by its name")

	require.NoError(t, s.SetKey(ctx, diagnostics.Key{Key: "k"}))
	require.Equal(t, []diagnostics.Key{{Key: "k"}}, s.keys)

	_, err = s.Conversations(ctx)
	var p *diagnostics.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "Enter a new key.", p.Advice)

	before := time.Now()
	taken, err := s.Reconnect(ctx)
	require.NoError(t, err)
	require.WithinRange(t, taken.At, before, time.Now())
	require.NoError(t, s.Quit(ctx))
	require.Equal(t, 1, s.quits)
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := diagnostics.NewClient(filepath.Join(t.TempDir(), "none.sock"))
	_, err := c.Status(t.Context())
	require.ErrorIs(t, err, diagnostics.ErrNotRunning)
	for _, err := range c.Watch(t.Context()) {
		require.ErrorIs(t, err, diagnostics.ErrNotRunning)
	}
}

func TestWatchGivesTheLatestAtOnceAndEndsWithTheApp(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var last error
	seen := 0
	for snap, err := range s.Watch(t.Context()) {
		if last = err; err != nil {
			break
		}
		seen++
		require.Equal(t, network.NotSetUp, snap.Cause.Code)
		go s.end() // waited for by the test's own cleanup
	}
	require.Positive(t, seen)
	require.ErrorIs(t, last, diagnostics.ErrNotRunning)
}

// ids reads a stream to its end.
func ids(t *testing.T, s *served, after string) (out []string, err error) {
	t.Helper()
	for e, err := range s.History(t.Context(), after, false) {
		if err != nil {
			return out, err
		}
		out = append(out, e.ID)
	}
	return out, nil
}

func TestHistoryIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got, err := ids(t, s, "")
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2", "3"}, got)
	got, err = ids(t, s, "broken")
	var p *diagnostics.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "reset", p.Code)
	require.Equal(t, []string{"1"}, got)
}

func TestLiveEventsFollowTheHistoryWithoutRepeats(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	var got []string
	for e, err := range s.History(ctx, "", true) {
		require.NoError(t, err)
		got = append(got, e.ID)
		if len(got) == 3 { // the history is told; the line brings its end once more, and then news
			for _, id := range []string{"2", "3", "4"} {
				s.feed.Publish(diagnostics.Event{ID: id, Body: []byte(`{"a":1}`)})
			}
		}
		if e.ID == "4" {
			break
		}
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, got)
}

func TestFeed(t *testing.T) {
	t.Parallel()
	var f diagnostics.Feed
	require.False(t, f.Followed())
	f.Publish(diagnostics.Event{ID: "nobody hears this"})

	slow, quick := f.Follow(), f.Follow()
	require.True(t, f.Followed())
	body := []byte(`"first"`)
	f.Publish(diagnostics.Event{ID: "0", Body: body})
	copy(body, `"XXXXX"`)
	got, err := quick.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, []diagnostics.Event{{ID: "0", Body: []byte(`"first"`)}}, got, "the publisher's buffer is its own")

	for range 1024 {
		f.Publish(diagnostics.Event{ID: "x", Body: []byte("not JSON")})
	}
	got, err = slow.Next(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 1+1024)
	require.Equal(t, uint64(1), got[0].Missed, "who is slow is told what he missed")
	require.JSONEq(t, `"not JSON"`, string(got[1].Body))

	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = slow.Next(ctx)
	require.True(t, errors.Is(err, context.Canceled))
	slow.Close()
	require.True(t, f.Followed())
	quick.Close()
	require.False(t, f.Followed())
}

func TestFeedIsBoundedInBytesToo(t *testing.T) {
	t.Parallel()
	var f diagnostics.Feed
	l := f.Follow()
	defer l.Close()
	big, err := json.Marshal(strings.Repeat("x", 3<<20))
	require.NoError(t, err)
	for range 5 {
		f.Publish(diagnostics.Event{Body: big})
	}
	got, err := l.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), got[0].Missed)
	require.Len(t, got, 1+2)
}
