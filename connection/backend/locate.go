package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// ErrNoQuestion is Key's and Conversations' answer for a server that cannot be asked over HTTP.
var ErrNoQuestion = errors.New("this server has no way to ask that")

// Locate asks the server what it is and where the conversation's socket is. It is called before each dial and made for
// connection.Options.Locate. wake may resume what sleeps. With no conversation named it is the most recently updated
// one that can be joined without waking anything.
func (c *Client) Locate(ctx context.Context, t wire.Target, key string, wake bool) (wire.Place, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	base, err := parseServer(t)
	if err != nil {
		return wire.Place{}, err
	}
	s, err := c.identify(ctx, base, t)
	if err != nil {
		return wire.Place{}, err
	}
	p, err := c.place(ctx, base, s, t, key, wake)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			c.doubt(base, err)
		}
		return wire.Place{}, err
	}
	p.Origin = t.Identity()
	return p, nil
}

func (c *Client) place(ctx context.Context, base *url.URL, s Server, t wire.Target, key string, wake bool) (wire.Place, error) {
	h := wire.Hello{Key: key, Conversation: t.Conversation, Params: t.Params, Path: t.Path, Namespace: t.Namespace}
	switch s.Kind {
	case AgentServer:
		return c.agentPlace(ctx, base, s, h, wake)
	case AppServer:
		return c.appPlace(ctx, base, h, wake)
	case V0:
		p, err := c.v0Place(ctx, base, s, h, wake)
		if err != nil && t.Dialect == wire.SocketIO && asFailure(err).Cause == network.NotABackend {
			// Not OpenHands, then: a Socket.IO server that takes a conversation and has no HTTP side to ask.
			return wire.Place{Base: base, Dialect: wire.SocketIO, Hello: h}, nil
		}
		return p, err
	case VoiceServer:
		return c.voicePlace(ctx, base, h)
	}
	return wire.Place{Base: base, Dialect: wire.SocketIO, Hello: h}, nil
}

// doubt forgets what a server was known to be when it no longer answers like it: another one may have taken its place.
// Silence is the network's: where nothing answers, nothing is known to have changed.
func (c *Client) doubt(base *url.URL, err error) {
	f := asFailure(err)
	if f.Silent {
		return
	}
	switch f.Cause {
	case network.Gone, network.Asleep, network.Auth, network.Forbidden, network.Throttled, network.NotSetUp, network.Plaintext:
	default:
		c.forget(base)
	}
}

// Explain refines the refusal of an upgrade by asking the server, since 403 is what an agent-server says to a wrong key,
// to an unknown path and to a malformed id alike. It is made for connection.Options.Explain.
func (c *Client) Explain(ctx context.Context, p wire.Place, f network.Failure) network.Failure {
	switch f.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable, http.StatusBadGateway,
		http.StatusBadRequest, http.StatusOK:
	default:
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	switch p.Dialect {
	case wire.Events, wire.Session:
		return c.explainAgentServer(ctx, p, f)
	case wire.SocketIO:
		if p.Hello.Conversation != "" {
			if _, err := c.v0Conversation(ctx, p.Base, p.Hello); err != nil && asFailure(err).Cause != network.NotABackend {
				return asFailure(err)
			}
		}
	}
	return f
}

func (c *Client) explainAgentServer(ctx context.Context, p wire.Place, f network.Failure) network.Failure {
	origin, err := url.Parse(p.Origin)
	if err == nil && c.isDirectory(origin) {
		// The directory is asked again before the next dial, and knows better than the gateway before the runtime.
		return network.Failure{Cause: network.Unavailable, Host: f.Host, Status: f.Status, After: f.After,
			Detail: fmt.Sprintf("the sandbox refused with HTTP %d", f.Status)}
	}
	if err := c.agentKey(ctx, p.Base, p.Hello.Key); err != nil {
		if g := asFailure(err); g.Status != 0 {
			return g
		}
		return f
	}
	if _, err := c.agentConversation(ctx, p.Base, p.Hello); err != nil {
		return asFailure(err)
	}
	if p.Dialect == wire.Session {
		c.remember(p.Base, Server{Kind: AgentServer, Version: p.Hello.Version, only: wire.Events})
		return network.Failure{Cause: network.Unavailable, Host: f.Host, Status: f.Status,
			Detail: "the server has no session socket"}
	}
	return network.Failure{Cause: network.Protocol, About: network.Blocked, Verdict: network.Thrice, Host: f.Host, Status: f.Status,
		Detail: fmt.Sprintf("requests are answered and the WebSocket is not (HTTP %d): a proxy before the server may block it", f.Status)}
}

// isDirectory says whether the configured server on that host is known as a directory.
func (c *Client) isDirectory(origin *url.URL) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for server, s := range c.known {
		if u, err := url.Parse(server); err == nil && s.Directory && u.Host == origin.Host {
			return true
		}
	}
	return false
}

// Key checks a key, "" = none, by the cheapest question that needs one. nil: it is good, or none is needed.
func (c *Client) Key(ctx context.Context, t wire.Target, key string) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	base, err := parseServer(t)
	if err != nil {
		return err
	}
	s, err := c.identify(ctx, base, t)
	if err != nil {
		return err
	}
	switch s.Kind {
	case AgentServer:
		return c.agentKey(ctx, base, key)
	case AppServer:
		return c.appKeyCheck(ctx, base, key)
	case V0:
		_, err := c.v0Conversations(ctx, base, key, 1)
		return err
	}
	return ErrNoQuestion
}

// Conversations lists what the server has, most recently updated first, at most limit (100). Nothing is woken.
func (c *Client) Conversations(ctx context.Context, t wire.Target, key string, limit int) ([]Conversation, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	base, err := parseServer(t)
	if err != nil {
		return nil, err
	}
	s, err := c.identify(ctx, base, t)
	if err != nil {
		return nil, err
	}
	limit = min(max(limit, 1), 100)
	switch s.Kind {
	case AgentServer:
		found, err := c.agentConversations(ctx, base, key, limit)
		return listed(found, err)
	case AppServer:
		found, err := c.appConversations(ctx, base, key, limit)
		return listed(found, err)
	case V0: // from 0.62 on this list has the V1 conversations too
		found, err := c.v0Conversations(ctx, base, key, limit)
		return listed(found, err)
	case VoiceServer:
		found, err := c.voiceSessions(ctx, base, wire.Hello{Key: key, Params: t.Params, Path: t.Path})
		all, err := listed(found, err)
		return all[:min(limit, len(all))], err
	}
	return nil, ErrNoQuestion
}

// described is a conversation in the words of one kind of server.
type described interface{ common() Conversation }

func listed[T described](found []T, err error) ([]Conversation, error) {
	if err != nil {
		return nil, err
	}
	out := make([]Conversation, 0, len(found))
	for _, f := range found {
		out = append(out, f.common())
	}
	slices.SortStableFunc(out, func(a, b Conversation) int { return b.Updated.Compare(a.Updated) })
	return out, nil
}

// newest is the most recently updated one that can be joined as it is. A few are asked for first, and then as many as
// servers give at once: those that sleep may stand before it. In what order lists come is not documented.
func newest[T described](ask func(limit int) ([]T, error), host string) (T, error) {
	var best T
	for _, limit := range []int{10, 100} {
		found, err := ask(limit)
		if err != nil {
			return best, err
		}
		some, at := false, time.Time{}
		for _, f := range found {
			if c := f.common(); c.Running && (!some || c.Updated.After(at)) {
				best, some, at = f, true, c.Updated
			}
		}
		if some {
			return best, nil
		}
		if len(found) < limit {
			break
		}
	}
	return best, choose(host)
}

// moment reads a time with or without a zone. Servers write their local time without one; it is taken as UTC, which is
// good enough to sort by. What cannot be read is no time.
type moment struct{ time.Time }

func (m *moment) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	for _, layout := range []string{time.RFC3339Nano, naive} {
		if at, err := time.Parse(layout, text); err == nil {
			m.Time = at
			return nil
		}
	}
	return nil
}

// naive is Python's isoformat without a zone, to the microsecond or to the second.
const naive = "2006-01-02T15:04:05.999999999"
