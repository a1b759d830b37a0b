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

// The app server (Cloud is one) is a directory: it says where a conversation's runtime is and hands out that runtime's
// key. Both change whenever the sandbox is paused and resumed, so it is asked before every dial.

// appConversation is AppConversation, as far as it matters here.
type appConversation struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Updated moment `json:"updated_at"`
	Sandbox string `json:"sandbox_id"`
	State   string `json:"sandbox_status"` // STARTING RUNNING PAUSED ERROR MISSING
	Status  string `json:"execution_status"`
	URL     string `json:"conversation_url"`
	Key     string `json:"session_api_key"`
}

func (a appConversation) common() Conversation {
	return Conversation{ID: a.ID, Title: a.Title, State: wire.ExecutionStatus(a.Status), Updated: a.Updated.Time,
		Running: a.State == "RUNNING", Asleep: a.State == "PAUSED" || a.State == "ERROR", Version: "V1"}
}

// appKey is how the app server takes a key.
func appKey(key string) credential { return credential{key: key, bearer: true} }

// appPlace asks the directory, and then the runtime for its version. The directory's key stays with the directory.
func (c *Client) appPlace(ctx context.Context, base *url.URL, h wire.Hello, wake bool) (wire.Place, error) {
	found, err := c.appConversation(ctx, base, h)
	if err != nil {
		return wire.Place{}, err
	}
	if err := c.awake(ctx, base, h.Key, found, wake); err != nil {
		return wire.Place{}, err
	}
	runtime, _ := runtimeOf(found.URL, base)
	if runtime == nil { // also so when the app server could not reach a sandbox that runs
		return wire.Place{}, starting(base.Host, "the sandbox is starting or does not answer")
	}
	var info struct{ Version string }
	if err := c.get(ctx, runtime, "server_info", nil, credential{}, &info); err != nil {
		if f := asFailure(err); f.Status != 0 { // the gateway before a runtime that went away
			f = starting(runtime.Host, "the sandbox does not answer")
			f.About = "" // it may as well be on its way down
			return wire.Place{}, f
		}
		return wire.Place{}, err
	}
	h.Key, h.Conversation, h.Version = found.Key, found.ID, info.Version
	return wire.Place{Base: runtime, Dialect: wire.AgentServerDialect(info.Version), Hello: h, Title: found.Title,
		Agent: wire.ExecutionStatus(found.Status)}, nil
}

func (c *Client) appConversation(ctx context.Context, base *url.URL, h wire.Hello) (appConversation, error) {
	if h.Conversation == "" {
		return newest(func(limit int) ([]appConversation, error) {
			return c.appConversations(ctx, base, h.Key, limit)
		}, base.Host)
	}
	var found []*appConversation
	err := c.get(ctx, base, "api/v1/app-conversations", url.Values{"ids": {h.Conversation}}, appKey(h.Key), &found)
	switch {
	case status(err) == http.StatusUnprocessableEntity, err == nil && (len(found) == 0 || found[0] == nil):
		return appConversation{}, gone(base.Host, "no such conversation")
	case err != nil:
		return appConversation{}, err
	}
	return *found[0], nil
}

// awake says why a conversation cannot be joined, nil = it can. Only wake, a user's click, resumes a sandbox.
func (c *Client) awake(ctx context.Context, base *url.URL, key string, a appConversation, wake bool) error {
	switch a.State {
	case "RUNNING":
		return nil
	case "STARTING":
		return starting(base.Host, "the sandbox is starting")
	case "MISSING":
		return ended(base.Host, "the sandbox does not exist any more")
	case "PAUSED", "ERROR":
	default:
		return network.Failure{Cause: network.Unavailable, Host: base.Host, Detail: "the sandbox is in a state that is not known"}
	}
	if !wake {
		if a.State == "ERROR" {
			return asleep(base.Host, "the sandbox stopped with an error")
		}
		return asleep(base.Host, "the sandbox is paused")
	}
	res, _, err := c.ask(ctx, http.MethodPost, base, "api/v1/sandboxes/"+url.PathEscape(a.Sandbox)+"/resume", nil, appKey(key))
	if err != nil {
		return err
	}
	res.Body.Close()
	return starting(base.Host, "the sandbox is being resumed")
}

func (c *Client) appConversations(ctx context.Context, base *url.URL, key string, limit int) ([]appConversation, error) {
	var page struct{ Items []appConversation }
	q := url.Values{"limit": {strconv.Itoa(limit)}, "sort_order": {"UPDATED_AT_DESC"}}
	err := c.get(ctx, base, "api/v1/app-conversations/search", q, appKey(key), &page)
	return page.Items, err
}

// appKeyCheck is what the official clients use for their status dot. 400 is a key from before organisations, which
// works; a self-hosted app server does not have the question, so it is asked for one conversation instead.
func (c *Client) appKeyCheck(ctx context.Context, base *url.URL, key string) error {
	var about json.RawMessage
	err := c.get(ctx, base, "api/keys/current", nil, appKey(key), &about)
	switch f := asFailure(err); {
	case f.Status == http.StatusBadRequest:
		return nil
	case f.Status == http.StatusNotFound, f.Cause == network.NotABackend && f.Status/100 == 2:
		_, err = c.appConversations(ctx, base, key, 1)
	}
	return err
}
