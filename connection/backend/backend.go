// Package backend is the HTTP side of a server: which kind is it, is the key good, which conversations are there, where
// is a conversation's socket, and what did the socket not bring.
//
// The rules are: look first (nothing is woken, started or created but by a user's click); believe JSON only, since
// single-page apps and captive portals answer anything with 200; the stored key goes to the configured origin alone;
// every answer is read with a limit, and every error is a network.Failure.
package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

const (
	// budget bounds one public call, however many requests it takes.
	budget = 10 * time.Second
	// answerLimit bounds one answer. Conversations are fat: older agent-servers put 260 KB of skills into each.
	answerLimit = 8 << 20
	// itemLimit bounds one event of the history; it is the read limit of the socket.
	itemLimit = 16 << 20
)

// Client asks servers. Its methods may be called by anyone at any time. The zero value dials directly and sends keys
// everywhere. A Client must not be copied after its first use.
type Client struct {
	Dialer network.Dialer
	// MayCarry says whether a key may travel to a URL; its error is a network.Failure. nil: everywhere.
	MayCarry func(u *url.URL) error

	mu    sync.Mutex
	known map[string]Server // by the target's server: what identify found, so that a reconnect asks once less
}

// Conversation is one that a server has.
type Conversation struct {
	ID      string
	Title   string     // "" where it has none yet
	State   wire.Agent // AgentUnknown where the server does not say
	Running bool       // it can be joined without waking anything
	Asleep  bool       // joining needs a click: it is paused or stopped
	Updated time.Time  // zero where the server does not say
	Version string     // which generation it belongs to: "V0" or "V1"
}

// credential is a key and how a kind of server takes it. The zero value is none.
type credential struct {
	key    string
	bearer bool // in Authorization; otherwise in X-Session-API-Key
	both   bool
}

func (c credential) on(h http.Header) {
	if c.key == "" {
		return
	}
	if c.bearer || c.both {
		h.Set("Authorization", "Bearer "+c.key)
	}
	if !c.bearer || c.both {
		h.Set("X-Session-API-Key", c.key)
	}
}

// get asks for JSON and reads it into into.
func (c *Client) get(ctx context.Context, base *url.URL, path string, q url.Values, key credential, into any) error {
	res, u, err := c.ask(ctx, http.MethodGet, base, path, q, key)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body := &io.LimitedReader{R: res.Body, N: answerLimit}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return unreadable(err, body.N, u)
	}
	return nil
}

// ask sends one request and gives the answer when it is 2xx and JSON. The caller closes its body.
func (c *Client) ask(ctx context.Context, method string, base *url.URL, path string, q url.Values, key credential) (*http.Response, *url.URL, error) {
	u := base.JoinPath(path)
	if strings.HasSuffix(path, "/") && !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	u.RawQuery = q.Encode()
	if key.key != "" && c.MayCarry != nil {
		if err := c.MayCarry(u); err != nil {
			return nil, u, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, u, network.Classify(err, u, nil, nil)
	}
	req.Header.Set("Accept", "application/json")
	key.on(req.Header)
	res, err := c.Dialer.Client().Do(req)
	if err != nil {
		return nil, u, network.Classify(err, u, nil, nil)
	}
	if res.StatusCode/100 == 2 && isJSON(res) {
		return res, u, nil
	}
	defer res.Body.Close()
	start, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return nil, u, network.Classify(nil, u, res, start)
}

// errShape is JSON of another shape than the one expected.
var errShape = errors.New("the answer has another shape")

// unreadable is the failure behind an answer that broke off or was not the JSON it said it was.
func unreadable(err error, left int64, u *url.URL) network.Failure {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case left <= 0:
		return network.Failure{Cause: network.TooBig, Verdict: network.Thrice, Host: u.Host, Detail: "the answer is too long"}
	case errors.As(err, &syntax), errors.As(err, &kind), errors.Is(err, errShape):
		return network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Host: u.Host, Detail: "the answer is not the JSON expected"}
	}
	return network.Classify(err, u, nil, nil)
}

func isJSON(res *http.Response) bool {
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// isNull says whether an answer was JSON's null, which V0 says with status 200 for what does not exist.
func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// asFailure gives the failure in an error of this package.
func asFailure(err error) network.Failure {
	var f network.Failure
	if !errors.As(err, &f) {
		f = network.Classify(err, nil, nil, nil)
	}
	return f
}

// status is the HTTP status that an error of this package carries, 0 = none.
func status(err error) int {
	if err == nil {
		return 0
	}
	return asFailure(err).Status
}

// parseServer reads the target's server. Its failure is final: only the user can mend it.
func parseServer(t wire.Target) (*url.URL, error) {
	if t.Server == "" {
		return nil, network.Failure{Cause: network.NotSetUp, Verdict: network.Final}
	}
	u, err := url.Parse(t.Server)
	if err != nil || u.Host == "" {
		return nil, network.Failure{Cause: network.NotSetUp, Verdict: network.Final, Detail: "the server's address cannot be read"}
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	return u, nil
}

// gone, ended, asleep and starting are what a look at a conversation may find.
func gone(host, detail string) network.Failure {
	return network.Failure{Cause: network.Gone, Verdict: network.Final, Host: host, Detail: detail}
}

func ended(host, detail string) network.Failure {
	return network.Failure{Cause: network.Gone, About: network.Ended, Verdict: network.Final, Host: host, Detail: detail}
}

// asleep is looked at again once a minute, in case somebody else wakes it.
func asleep(host, detail string) network.Failure {
	return network.Failure{Cause: network.Asleep, Host: host, Detail: detail, After: time.Minute}
}

func starting(host, detail string) network.Failure {
	return network.Failure{Cause: network.Unavailable, About: network.Starting, Host: host, Detail: detail, After: 3 * time.Second}
}

func choose(host string) network.Failure {
	return network.Failure{Cause: network.NotSetUp, Verdict: network.Final, Host: host, Detail: "choose a conversation"}
}
