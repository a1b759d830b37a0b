package backend

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"handline/connection/network"
	"handline/connection/wire"
)

// agentConversation is the agent-server's ConversationInfo, as far as it matters here.
type agentConversation struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Status  string `json:"execution_status"`
	Updated moment `json:"updated_at"`
	// Runtime is told by servers that run conversations in containers of their own.
	Runtime struct {
		Status string `json:"runtime_status"`
	} `json:"runtime_info"`
}

func (a agentConversation) common() Conversation {
	asleep := a.Runtime.Status == "missing"
	return Conversation{ID: a.ID, Title: a.Title, State: wire.ExecutionStatus(a.Status), Updated: a.Updated.Time,
		Running: !asleep && a.Runtime.Status != "starting", Asleep: asleep, Version: "V1"}
}

// sessionKey is how the agent-server takes a key.
func sessionKey(key string) credential { return credential{key: key} }

// agentPlace finds a conversation on an agent-server and makes its place. h says where and with which key.
func (c *Client) agentPlace(ctx context.Context, base *url.URL, s Server, h wire.Hello, wake bool) (wire.Place, error) {
	h.Version = s.Version
	p := wire.Place{Base: base, Dialect: wire.AgentServerDialect(s.Version), Hello: h}
	if s.only != "" {
		p.Dialect = s.only
	}
	found, err := c.agentConversation(ctx, base, h)
	if err != nil {
		return p, err
	}
	switch found.Runtime.Status {
	case "starting":
		return p, starting(base.Host, "the conversation's runtime is starting")
	case "missing":
		if !wake {
			return p, asleep(base.Host, "the conversation's runtime is not there")
		}
	}
	p.Hello.Conversation, p.Title, p.Agent = found.ID, found.Title, wire.ExecutionStatus(found.Status)
	return p, nil
}

func (c *Client) agentConversation(ctx context.Context, base *url.URL, h wire.Hello) (agentConversation, error) {
	if h.Conversation == "" {
		return newest(func(limit int) ([]agentConversation, error) {
			return c.agentConversations(ctx, base, h.Key, limit)
		}, base.Host)
	}
	var found agentConversation
	err := c.get(ctx, base, "api/conversations/"+url.PathEscape(h.Conversation), nil, sessionKey(h.Key), &found)
	switch status(err) {
	case http.StatusNotFound, http.StatusUnprocessableEntity: // unknown, or no UUID
		return found, gone(base.Host, "no such conversation")
	}
	if err == nil && found.ID == "" {
		err = network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Host: base.Host, Detail: "a conversation without an id"}
	}
	return found, err
}

func (c *Client) agentConversations(ctx context.Context, base *url.URL, key string, limit int) ([]agentConversation, error) {
	var page struct{ Items []agentConversation }
	q := url.Values{"limit": {strconv.Itoa(limit)}, "sort_order": {"UPDATED_AT_DESC"}}
	err := c.get(ctx, base, "api/conversations/search", q, sessionKey(key), &page)
	return page.Items, err
}

// agentKey is the cheapest question that needs a key: it answers with one number.
func (c *Client) agentKey(ctx context.Context, base *url.URL, key string) error {
	var count json.Number
	return c.get(ctx, base, "api/conversations/count", nil, sessionKey(key), &count)
}
