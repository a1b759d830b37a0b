package backend

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// v0Conversation is OpenHands V0's ConversationInfo, as far as it matters here.
type v0Conversation struct {
	ID      string `json:"conversation_id"`
	Title   string `json:"title"`
	Updated moment `json:"last_updated_at"`
	Status  string `json:"status"` // STARTING RUNNING STOPPED ARCHIVED ERROR
	Runtime string `json:"runtime_status"`
	URL     string `json:"url"` // of the conversation, on the host that runs it; "" or a path = here
	Key     string `json:"session_api_key"`
	Version string `json:"conversation_version"`
}

func (v v0Conversation) common() Conversation {
	return Conversation{ID: v.ID, Title: v.Title, Updated: v.Updated.Time, Running: v.running(),
		Asleep: v.Status == "STOPPED" || v.Status == "ERROR", Version: v.version()}
}

// running is the official client's rule for opening a socket.
func (v v0Conversation) running() bool {
	return v.Status == "RUNNING" && v.Runtime != "STATUS$STOPPED"
}

func (v v0Conversation) version() string {
	if v.Version == "" {
		return "V0"
	}
	return v.Version
}

// v0Key: a self-hosted server reads one header and the hosted one the other.
func v0Key(key string) credential { return credential{key: key, both: true} }

// v0Place looks before the socket is opened, because V0 starts an agent for whoever joins, and makes a conversation of
// an unknown id.
func (c *Client) v0Place(ctx context.Context, base *url.URL, s Server, h wire.Hello, wake bool) (wire.Place, error) {
	p := wire.Place{Base: base, Dialect: wire.SocketIO, Hello: h}
	found, err := c.v0Conversation(ctx, base, h)
	if err != nil {
		return p, err
	}
	if found.version() == "V1" && s.Directory {
		h.Conversation = found.ID
		return c.appPlace(ctx, base, h, wake)
	}
	switch {
	case found.Status == "ARCHIVED":
		return p, ended(base.Host, "the conversation was archived")
	case found.Status == "STARTING":
		return p, starting(base.Host, "the conversation is starting")
	case !found.running() && !wake: // joining is what wakes it
		return p, asleep(base.Host, "the conversation is stopped")
	}
	p.Hello.Conversation, p.Title = found.ID, found.Title
	if at, ok := runtimeOf(found.URL, base); ok {
		p.Base, p.Hello.Key = at, found.Key
	}
	p.Agent = c.v0Agent(ctx, p)
	return p, nil
}

// v0Agent is the agent's state by the latest change of it, AgentUnknown where that is not among the newest few hundred
// events. The conversation does not tell it, and a socket tells only what came after the cursor; a replay that is cut does
// not even tell that.
func (c *Client) v0Agent(ctx context.Context, p wire.Place) (state wire.Agent) {
	codec, err := wire.New(p.Dialect, p.Hello)
	if err != nil {
		return wire.AgentUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, agentTime)
	defer cancel()
	newest := url.Values{"reverse": {"true"}, "limit": {strconv.Itoa(pageSize)}}
	for range 3 {
		oldest := int64(-1)
		more, err := c.page(ctx, p.Base, v0Events(p), newest, v0Key(p.Hello.Key), func(item []byte) error {
			if e, err := codec.Item(item); err == nil && e.Agent != wire.AgentUnknown {
				state = e.Agent
				return errFound
			}
			if id, ok := v0ID(item); ok {
				oldest = id
			}
			return nil
		})
		if err != nil || more == "" || oldest <= 0 {
			break
		}
		newest.Set("end_id", strconv.FormatInt(oldest-1, 10))
	}
	return state
}

// agentTime is what the agent's state is worth waiting for before a dial.
const agentTime = 2 * time.Second

// errFound ends a page early.
var errFound = errors.New("found")

func (c *Client) v0Conversation(ctx context.Context, base *url.URL, h wire.Hello) (v0Conversation, error) {
	if h.Conversation == "" {
		return newest(func(limit int) ([]v0Conversation, error) {
			return c.v0Conversations(ctx, base, h.Key, limit)
		}, base.Host)
	}
	var raw json.RawMessage
	err := c.get(ctx, base, "api/conversations/"+url.PathEscape(h.Conversation), nil, v0Key(h.Key), &raw)
	if err == nil && isNull(raw) || status(err) == http.StatusNotFound {
		return v0Conversation{}, gone(base.Host, "no such conversation")
	}
	var found v0Conversation
	if err == nil && (json.Unmarshal(raw, &found) != nil || found.ID == "") {
		err = network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Host: base.Host, Detail: "a conversation without an id"}
	}
	return found, err
}

func (c *Client) v0Conversations(ctx context.Context, base *url.URL, key string, limit int) ([]v0Conversation, error) {
	var page struct{ Results []v0Conversation }
	err := c.get(ctx, base, "api/conversations", url.Values{"limit": {strconv.Itoa(limit)}}, v0Key(key), &page)
	return page.Results, err
}

// runtimeOf cuts a conversation's address down to the origin and prefix before /api/conversations. It says whether that
// is another place than the configured server. A runtime that calls itself localhost is on the configured server's
// host, at its own port.
func runtimeOf(address string, base *url.URL) (*url.URL, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, false
	}
	prefix, _, found := strings.Cut(u.Path, "/api/conversations")
	if !found {
		return nil, false
	}
	at := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: prefix}
	if network.ReachOf(at.String()) == network.ThisMachine && network.ReachOf(base.String()) != network.ThisMachine {
		at.Host = base.Hostname()
		if strings.Contains(at.Host, ":") {
			at.Host = "[" + at.Host + "]"
		}
		if u.Port() != "" {
			at.Host += ":" + u.Port()
		}
	}
	return at, at.Host != base.Host || at.Path != strings.TrimRight(base.Path, "/")
}
