package backend

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// Kind is what a server is.
type Kind string

const (
	AgentServer Kind = "OpenHands agent-server"
	AppServer   Kind = "OpenHands app server" // Cloud is one
	V0          Kind = "OpenHands V0"         // from 0.62 to 1.6 it has V1 conversations too
	PlainServer Kind = "Socket.IO server"
	VoiceServer Kind = "voice-code backend" // never guessed
)

// Server is what Identify found.
type Server struct {
	Kind    Kind
	Version string // "" = it does not say
	// Directory: it knows V1 conversations and where their runtimes are.
	Directory bool
	// only is the one socket that an agent-server's upgrade was seen to offer, "" = not known.
	only wire.Dialect
}

// Identify asks a server over HTTP what it is. No key is sent. An explicit dialect answers by itself.
func (c *Client) Identify(ctx context.Context, t wire.Target) (Server, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	base, err := parseServer(t)
	if err != nil {
		return Server{}, err
	}
	return c.identify(ctx, base, t)
}

func (c *Client) identify(ctx context.Context, base *url.URL, t wire.Target) (Server, error) {
	switch t.Dialect {
	case wire.VoiceCode:
		return Server{Kind: VoiceServer}, nil
	case wire.Events, wire.Session:
		return Server{Kind: AgentServer, only: t.Dialect}, nil
	case wire.SocketIO:
		if t.Conversation == "" {
			return Server{Kind: PlainServer}, nil
		}
		return Server{Kind: V0}, nil
	}
	if s, ok := c.recall(base); ok {
		return s, nil
	}
	s, err := c.look(ctx, base, t)
	if err == nil {
		c.remember(base, s)
	}
	return s, err
}

// look asks the one question that most servers of today answer, and the others all at once.
func (c *Client) look(ctx context.Context, base *url.URL, t wire.Target) (Server, error) {
	var info struct{ Title, Version string }
	first := c.get(ctx, base, "server_info", nil, credential{}, &info)
	switch f := asFailure(first); {
	case first == nil && info.Title == "OpenHands Agent Server":
		return Server{Kind: AgentServer, Version: info.Version}, nil
	case first != nil && f.Status == 0 && (f.Cause == network.Reset || f.Cause == network.NotABackend):
		return Server{}, c.listen(ctx, base, f)
	case first != nil && decisive(f):
		return Server{}, f
	}
	return c.compare(ctx, base, t, first)
}

// compare asks at once what distinguishes the older and the rarer servers. One that did not get to answer leaves them
// all undecided: taken for a plain server, V0 would be joined without a look and make a conversation of a typo.
func (c *Client) compare(ctx context.Context, base *url.URL, t wire.Target, first error) (Server, error) {
	var config struct {
		Mode string `json:"APP_MODE"`
	}
	var app struct {
		Mode string `json:"app_mode"`
	}
	var errV0, errApp error
	isPlain := false
	var questions sync.WaitGroup
	questions.Go(func() { errV0 = c.get(ctx, base, "api/options/config", nil, credential{}, &config) })
	questions.Go(func() { errApp = c.get(ctx, base, "api/v1/web-client/config", nil, credential{}, &app) })
	questions.Go(func() { isPlain = c.speaksEngineIO(ctx, base, t.Path) })
	questions.Wait()
	for _, err := range []error{errV0, errApp} {
		if err != nil && decisive(asFailure(err)) {
			return Server{}, err
		}
	}
	isApp := errApp == nil && app.Mode != ""
	switch {
	case errV0 == nil && config.Mode != "":
		return Server{Kind: V0, Directory: isApp}, nil
	case isApp:
		return Server{Kind: AppServer, Directory: true}, nil
	case isPlain:
		return Server{Kind: PlainServer}, nil
	}
	return Server{}, stranger(base, first)
}

// decisive says whether a failure is about the way to the server, so that further questions would meet it too. A refused
// or unknown path is not.
func decisive(f network.Failure) bool {
	switch f.Cause {
	case network.NotABackend:
		return f.Status/100 == 3 && f.Suspect
	case network.Forbidden, network.Auth, network.Gone, network.Protocol, network.TooBig:
		return false
	}
	return true
}

// listen hears whether somebody speaks before being asked, which no web server does, when HTTP got no answer.
func (c *Client) listen(ctx context.Context, base *url.URL, f network.Failure) network.Failure {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	plain := *base
	if plain.Port() == "" && plain.Scheme == "https" {
		plain.Host = net.JoinHostPort(plain.Hostname(), "443")
	}
	plain.Scheme = "http"
	conn, err := c.Dialer.Dial(ctx, &plain)
	if err != nil {
		return f
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	banner := make([]byte, 64)
	n, _ := io.ReadAtLeast(conn, banner, 4)
	switch {
	case n < 4:
		return f
	case string(banner[:4]) == "SSH-": // RFC 4253 section 4.2
		f.About, f.Detail = network.SSH, "an SSH server"
	default:
		f.About, f.Detail = network.SpeaksFirst, "a server that speaks first, as mail servers do"
	}
	f.Cause, f.Verdict, f.Suspect = network.NotABackend, network.Thrice, false
	return f
}

// stranger says what was found in place of a backend. first is what the first question met, nil = JSON of another kind.
func stranger(base *url.URL, first error) network.Failure {
	f := network.Failure{Cause: network.NotABackend, About: network.OtherWeb, Verdict: network.Thrice, Host: base.Host,
		Detail: "a web service of another kind"}
	switch g := asFailure(first); {
	case first == nil:
	case g.Suspect:
		f.Verdict, f.Suspect, f.Status, f.About, f.Detail = network.Retry, true, g.Status, network.WebPage, "a web page"
	case g.Status == http.StatusUnauthorized, g.Status == http.StatusForbidden, g.Status/100 == 3:
		return g
	case g.Status/100 == 2:
		f.About, f.Detail = network.WebPage, "a web page"
	}
	return f
}

// speaksEngineIO opens an Engine.IO session by polling, which no server acts upon, and closes it again.
func (c *Client) speaksEngineIO(ctx context.Context, base *url.URL, path string) bool {
	if path == "" {
		path = "/socket.io"
	}
	u := base.JoinPath(path)
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	u.RawQuery = "EIO=4&transport=polling"
	ask := func(method, body string) string {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
		if err != nil {
			return ""
		}
		res, err := c.Dialer.Client().Do(req)
		if err != nil {
			return ""
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return string(b)
	}
	answer := strings.TrimSpace(ask(http.MethodGet, ""))
	switch answer {
	case `{"code":0,"message":"Transport unknown"}`, `"Invalid transport"`:
		return true // how engine.io and python-engineio say that they do without polling
	}
	// "0{"sid":…}": an open packet, https://github.com/socketio/engine.io-protocol#handshake
	packet, isOpen := strings.CutPrefix(answer, "0")
	var open struct {
		SID string `json:"sid"`
	}
	if !isOpen || json.Unmarshal([]byte(packet), &open) != nil || open.SID == "" {
		return false
	}
	u.RawQuery += "&sid=" + url.QueryEscape(open.SID)
	ask(http.MethodPost, "1")
	return true
}

func (c *Client) recall(base *url.URL) (Server, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.known[base.String()]
	return s, ok
}

func (c *Client) remember(base *url.URL, s Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[string]Server)
	}
	c.known[base.String()] = s
}

func (c *Client) forget(base *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, base.String())
}
