package backend

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
)

// stand answers fixed JSON by "METHOD /path"; a query in the key must match too. What it does not know is a page of a
// single-page app, with status 200, as OpenHands V0 answers.
type stand struct {
	*httptest.Server
	mu     sync.Mutex
	routes map[string]string
	asked  []string
	keys   []string // every key seen, in any header
}

func newStand(t *testing.T, routes map[string]string) *stand {
	s := &stand{routes: routes}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
	for _, key := range []string{r.Header.Get("X-Session-API-Key"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")} {
		if key != "" && !slices.Contains(s.keys, key) {
			s.keys = append(s.keys, key)
		}
	}
	body, ok := s.routes[r.Method+" "+r.URL.RequestURI()]
	if !ok {
		body, ok = s.routes[r.Method+" "+r.URL.Path]
	}
	code := http.StatusOK
	if number, rest, found := strings.Cut(body, "|"); ok && found {
		fmt.Sscan(number, &code)
		body = rest
	}
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "7")
	}
	switch {
	case !ok:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		body = "<!DOCTYPE html><html><title>An app</title></html>"
	case strings.HasPrefix(body, "0{"):
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(code)
	fmt.Fprint(w, body)
}

func (s *stand) say(route, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes[route] = body
}

// requests gives what was asked since the last time.
func (s *stand) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *stand) target(conversation string) wire.Target {
	return wire.Target{Server: s.URL, Conversation: conversation, Dialect: wire.Auto}
}

func v0Stand(t *testing.T) *stand {
	return newStand(t, map[string]string{
		"GET /server_info":        `{"uptime":1.5,"idle_time":2,"resources":{"cpu_percent":1}}`,
		"GET /api/options/config": `{"APP_MODE":"oss","GITHUB_CLIENT_ID":""}`,
		"GET /socket.io/":         `0{"sid":"x","upgrades":["websocket"],"pingTimeout":20000,"pingInterval":25000}`,
		"GET /api/conversations/run": `{"conversation_id":"run","title":"Fix it","status":"RUNNING","runtime_status":"STATUS$READY",
			"url":"/api/conversations/run","session_api_key":null,"last_updated_at":"2026-11-22T04:00:00Z","conversation_version":"V0"}`,
		"GET /api/conversations/stopped":  `{"conversation_id":"stopped","status":"STOPPED","runtime_status":null,"url":null}`,
		"GET /api/conversations/halfway":  `{"conversation_id":"halfway","status":"RUNNING","runtime_status":"STATUS$STOPPED"}`,
		"GET /api/conversations/starting": `{"conversation_id":"starting","status":"STARTING","runtime_status":"STATUS$STARTING_RUNTIME"}`,
		"GET /api/conversations/archived": `{"conversation_id":"archived","status":"ARCHIVED"}`,
		"GET /api/conversations/typo":     `null`,
		"GET /api/conversations": `{"results":[{"conversation_id":"old","status":"RUNNING","last_updated_at":"2026-11-20T04:00:00"},
			{"conversation_id":"stopped","status":"STOPPED","last_updated_at":"2026-11-23T04:00:00"},
			{"conversation_id":"run","title":"Fix it","status":"RUNNING","last_updated_at":"2026-11-22T04:00:00.5"}],"next_page_id":null}`,
	})
}

func TestV0IsLookedAtBeforeItIsJoined(t *testing.T) {
	s := v0Stand(t)
	c := &Client{}
	for _, row := range []struct {
		id     string
		wake   bool
		cause  network.Cause // "" = joined
		detail string
	}{
		{"run", false, "", ""},
		{"", false, "", ""}, // the newest that runs
		{"stopped", false, network.Asleep, "the conversation is stopped"},
		{"stopped", true, "", ""},
		{"halfway", false, network.Asleep, "the conversation is stopped"},
		{"starting", true, network.Unavailable, "the conversation is starting"},
		{"archived", true, network.Gone, "the conversation was archived"},
		{"typo", true, network.Gone, "no such conversation"},
	} {
		p, err := c.Locate(t.Context(), s.target(row.id), "k", row.wake)
		if row.cause != "" {
			f := asFailure(err)
			require.Equal(t, row.cause, f.Cause, row.id)
			require.Equal(t, row.detail, f.Detail, row.id)
			require.Equal(t, row.cause == network.Gone, f.Verdict == network.Final, row.id)
			continue
		}
		require.NoError(t, err, row.id)
		require.Equal(t, wire.SocketIO, p.Dialect)
		require.Equal(t, s.URL, p.Base.String())
		require.Equal(t, "k", p.Hello.Key)
		if row.id == "" {
			require.Equal(t, "run", p.Hello.Conversation)
			require.Equal(t, "Fix it", p.Title)
		}
	}
	for _, asked := range s.requests() {
		require.True(t, strings.HasPrefix(asked, "GET ") || strings.Contains(asked, "/socket.io/"), "looking must change nothing: %s", asked)
	}
	found, err := c.Conversations(t.Context(), s.target(""), "k", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"stopped", "run", "old"}, []string{found[0].ID, found[1].ID, found[2].ID})
	require.True(t, found[0].Asleep)
}

// v0Dial is what V0 is asked before a dial, once it is known: is the conversation there, and what does its agent do?
var v0Dial = []string{"GET /api/conversations/run", "GET /api/conversations/run/events?limit=100&reverse=true"}

func TestAKnownServerIsNotAskedAgainWhatItIs(t *testing.T) {
	s := v0Stand(t)
	c := &Client{}
	for range 2 {
		s.requests()
		_, err := c.Locate(t.Context(), s.target("run"), "k", false)
		require.NoError(t, err)
	}
	require.Equal(t, v0Dial, s.requests())
	// Another server at the same address is noticed.
	s.say("GET /api/conversations/run", "502|{}")
	_, err := c.Locate(t.Context(), s.target("run"), "k", false)
	require.Equal(t, network.Unavailable, asFailure(err).Cause)
	s.say("GET /server_info", `{"title":"OpenHands Agent Server","version":"1.44.0"}`)
	s.say("GET /api/conversations/run", `{"id":"run","title":null,"execution_status":"running"}`)
	p, err := c.Locate(t.Context(), s.target("run"), "k", false)
	require.NoError(t, err)
	require.Equal(t, wire.Events, p.Dialect)
	require.Equal(t, wire.AgentWorking, p.Agent)
}

// A network that goes and comes back says nothing about the server: what it is need not be asked again.
func TestASilentNetworkForgetsNothing(t *testing.T) {
	s := v0Stand(t)
	var down error // of the next dials
	c := &Client{Dialer: network.Dialer{Raw: func(ctx context.Context, kind, address string) (net.Conn, error) {
		if down != nil {
			return nil, down
		}
		return new(net.Dialer).DialContext(ctx, kind, address)
	}}}
	locate := func(ctx context.Context) error {
		_, err := c.Locate(ctx, s.target("run"), "k", false)
		return err
	}
	require.NoError(t, locate(t.Context()))
	require.Greater(t, len(s.requests()), 1)
	for _, down = range []error{syscall.ENETUNREACH, &net.DNSError{IsTimeout: true}, &net.DNSError{IsNotFound: true}, syscall.ETIMEDOUT, context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		if down == context.Canceled {
			cancel()
		}
		require.Error(t, locate(ctx))
		cancel()
		down = nil
		require.NoError(t, locate(t.Context()))
		require.Equal(t, v0Dial, s.requests())
	}
	down = syscall.ECONNREFUSED // another server may come up there
	require.Error(t, locate(t.Context()))
	down = nil
	require.NoError(t, locate(t.Context()))
	require.Greater(t, len(s.requests()), 1)
}

// The agent's state at V0 is its latest change, however that can be had; a dial never fails for want of it.
func TestV0IsAskedWhatTheAgentDoes(t *testing.T) {
	page := func(from int, more string, last string) string {
		var b strings.Builder
		for id := from; id > from-99; id-- {
			fmt.Fprintf(&b, `{"id":%d,"action":"run"},`, id)
		}
		return `{"events":[` + b.String() + last + `],"has_more":` + more + `}`
	}
	const newest = "GET /api/conversations/run/events?limit=100&reverse=true"
	for name, row := range map[string]struct {
		pages map[string]string
		state wire.Agent
	}{
		"the latest": {map[string]string{newest: `{"events":[{"id":9,"action":"run"},{"id":8,"observation":"agent_state_changed",
			"extras":{"agent_state":"running"}},{"id":7,"observation":"agent_state_changed","extras":{"agent_state":"paused"}}],"has_more":true}`},
			wire.AgentWorking},
		"further back": {map[string]string{newest: page(300, "true", `{"id":201,"action":"run"}`),
			"GET /api/conversations/run/events?end_id=200&limit=100&reverse=true": page(200, "true",
				`{"id":101,"observation":"agent_state_changed","extras":{"agent_state":"finished"}}`)}, wire.AgentFinished},
		"nowhere":        {map[string]string{newest: `{"events":[{"id":0,"action":"run"}],"has_more":false}`}, ""},
		"without an end": {map[string]string{newest: `{"events":[{"action":"run"}],"has_more":true}`}, ""},
		"not to be had":  {map[string]string{newest: `500|{}`}, ""},
		"a web page":     {map[string]string{newest: `200|<html>`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := v0Stand(t)
			for request, answer := range row.pages {
				s.say(request, answer)
			}
			p, err := (&Client{}).Locate(t.Context(), s.target("run"), "k", false)
			require.NoError(t, err)
			require.Equal(t, row.state, p.Agent)
			require.Less(t, len(s.requests()), 9)
		})
	}
}

func TestV0HistoryPagesByIDs(t *testing.T) {
	s := newStand(t, map[string]string{
		"GET /api/conversations/c/events?limit=100&start_id=0": `{"events":[{"id":0},{"id":4}],"has_more":true}`,
		"GET /api/conversations/c/events?limit=100&start_id=5": `{"has_more":false,"events":[{"id":7},{"id":6}]}`,
		"GET /api/conversations/c/events?limit=100&start_id=8": `{"events":[],"has_more":true}`,
		"GET /api/conversations/c/events?limit=100&start_id=9": `429|{"error":"Rate limit exceeded"}`,
		"GET /api/conversations/c/events?limit=100&start_id=2": `{"events":[{"id":2},`,
		"GET /api/conversations/c/events?limit=100&start_id=3": `[]`,
		"GET /api/conversations/c/events?limit=100&start_id=4": `{"events":null,"has_more":null}`,
	})
	base, err := url.Parse(s.URL)
	require.NoError(t, err)
	place := wire.Place{Base: base, Dialect: wire.SocketIO, Hello: wire.Hello{Conversation: "c"}}
	read := func(after string) (items []string, err error) {
		err = (&Client{}).History(t.Context(), place, after, func(item []byte) error {
			items = append(items, string(item))
			return nil
		})
		return items, err
	}
	got, err := read("")
	require.NoError(t, err)
	require.Equal(t, []string{`{"id":0}`, `{"id":4}`, `{"id":7}`, `{"id":6}`}, got)
	got, err = read("7")
	require.NoError(t, err, "a server that promises more and gives none is not asked for ever")
	require.Empty(t, got)

	_, err = read("8")
	require.Equal(t, network.Throttled, asFailure(err).Cause)
	require.Equal(t, 7*time.Second, asFailure(err).After)
	got, err = read("1")
	require.Equal(t, network.Reset, asFailure(err).Cause, "a page that broke off")
	require.Len(t, got, 1)
	_, err = read("2")
	require.Equal(t, network.Protocol, asFailure(err).Cause)
	got, err = read("3")
	require.NoError(t, err, "nothing may be written as null")
	require.Empty(t, got)
}

func TestStrangersAreNamed(t *testing.T) {
	mute := http.NewServeMux() // JSON, and nothing we know
	mute.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"detail":"Not Found"}`)
	})
	portal := http.RedirectHandler("http://login.example/", http.StatusFound)
	busy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, row := range []struct {
		name, url string
		want      network.Failure
	}{
		{"a web page", newStand(t, nil).URL, network.Failure{Cause: network.NotABackend, About: network.WebPage, Suspect: true, Status: 200, Detail: "a web page"}},
		{"other JSON", serve(mute), network.Failure{Cause: network.NotABackend, About: network.OtherWeb, Verdict: network.Thrice, Detail: "a web service of another kind"}},
		{"a portal", serve(portal), network.Failure{Cause: network.NotABackend, About: network.Elsewhere, Suspect: true, Status: 302, Detail: "HTTP 302 to login.example"}},
		{"a proxy without its server", serve(busy), network.Failure{Cause: network.Unavailable, Status: 503, After: 5 * time.Second, Detail: "HTTP 503"}},
		{"SSH", banner(t, "SSH-2.0-OpenSSH_9.2p1\r\n"), network.Failure{Cause: network.NotABackend, About: network.SSH, Verdict: network.Thrice, Detail: "an SSH server"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := (&Client{}).Locate(t.Context(), wire.Target{Server: row.url, Dialect: wire.Auto}, "k", false)
			f := asFailure(err)
			require.NotEmpty(t, f.Host)
			f.Host = ""
			require.Equal(t, row.want, f)
		})
	}
	_, err := (&Client{}).Locate(t.Context(), wire.Target{}, "", false)
	require.Equal(t, network.NotSetUp, asFailure(err).Cause)
}

// banner is a server that speaks first, and not HTTP.
func banner(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, text)
			conn.SetReadDeadline(time.Now().Add(time.Second))
			conn.Read(make([]byte, 1<<10)) // closing over unread bytes would reset the connection
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "http://" + l.Addr().String()
}

func TestAPlainSocketIOServerIsRecognisedAndLeftInPeace(t *testing.T) {
	s := newStand(t, map[string]string{
		"GET /custom/": `0{"sid":"a b","upgrades":[],"pingTimeout":20000,"pingInterval":25000}`, "POST /custom/": `"ok"`})
	target := s.target("")
	target.Path = "/custom"
	p, err := (&Client{}).Locate(t.Context(), target, "k", false)
	require.NoError(t, err)
	require.Equal(t, wire.SocketIO, p.Dialect)
	require.Equal(t, "/custom", p.Hello.Path)
	require.Contains(t, s.requests(), "POST /custom/?EIO=4&transport=polling&sid=a+b", "the polling session is closed again")
	require.Empty(t, s.keys, "nobody is sent a key while it is not known who it is")
	require.ErrorIs(t, (&Client{}).Key(t.Context(), target, "k"), ErrNoQuestion)
}

func TestASocketIOServerWithoutPollingIsRecognised(t *testing.T) {
	for _, answer := range []string{`400|{"code":0,"message":"Transport unknown"}`, `400|"Invalid transport"`} {
		s := newStand(t, map[string]string{"GET /socket.io/": answer})
		found, err := (&Client{}).Identify(t.Context(), s.target(""))
		require.NoError(t, err)
		require.Equal(t, PlainServer, found.Kind)
	}
}

func TestAnExplicitDialectIsTaken(t *testing.T) {
	s := newStand(t, nil)
	for dialect, asked := range map[wire.Dialect][]string{
		wire.VoiceCode: nil,
		wire.SocketIO:  {"GET /api/conversations/c"}, // a page is no answer: not OpenHands
	} {
		target := s.target("c")
		target.Dialect = dialect
		p, err := (&Client{}).Locate(t.Context(), target, "k", false)
		require.NoError(t, err)
		require.Equal(t, dialect, p.Dialect)
		require.Equal(t, asked, s.requests())
	}
	target := v0Stand(t).target("typo")
	target.Dialect = wire.SocketIO
	_, err := (&Client{}).Locate(t.Context(), target, "k", true)
	require.Equal(t, network.Gone, asFailure(err).Cause, "an explicit dialect is no reason to create a conversation")
}

func TestAKeyThatMayNotTravelStays(t *testing.T) {
	s := v0Stand(t)
	no := network.Failure{Cause: network.Plaintext, Verdict: network.Final}
	c := &Client{MayCarry: func(*url.URL) error { return no }}
	_, err := c.Locate(t.Context(), s.target("run"), "k", false)
	require.Equal(t, no, asFailure(err))
	require.Empty(t, s.keys)
	_, err = c.Locate(t.Context(), s.target("run"), "", false)
	require.NoError(t, err, "without a key there is nothing to protect")
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	for _, start := range []string{"", `{"items":["`, `{"items":[],"other":"`} {
		endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, start)
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 64<<10)); err != nil {
					return
				}
			}
		}))
		base, err := url.Parse(endless.URL)
		require.NoError(t, err)
		c := &Client{}
		require.Equal(t, network.TooBig, asFailure(c.get(t.Context(), base, "x", nil, credential{}, new(any))).Cause)
		place := wire.Place{Base: base, Dialect: wire.Events, Hello: wire.Hello{Conversation: "c"}}
		err = c.History(t.Context(), place, "", func([]byte) error { return nil })
		require.Equal(t, network.TooBig, asFailure(err).Cause, start)
		endless.Close()
	}
}

func TestAQuestionThatWasNotAnsweredDecidesNothing(t *testing.T) {
	s := v0Stand(t)
	s.say("GET /api/options/config", `429|{"error":"Rate limit exceeded"}`)
	_, err := (&Client{}).Identify(t.Context(), s.target(""))
	require.Equal(t, network.Throttled, asFailure(err).Cause, "not a plain Socket.IO server")
}

func TestASilentServerCostsTheBudgetAndACancelledLookNothing(t *testing.T) {
	_, err := (&Client{}).Locate(cancelled(), wire.Target{Server: "http://127.0.0.1:9", Dialect: wire.Auto}, "", false)
	require.Error(t, err)
	held := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = (&Client{}).Locate(ctx, wire.Target{Server: held.URL, Dialect: wire.Auto}, "", false)
	require.Equal(t, network.Timeout, asFailure(err).Cause)
}
