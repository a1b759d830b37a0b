package backend

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
)

// directory is an app server with one conversation, and the runtime it points at.
func directory(t *testing.T) (app, runtime *stand) {
	runtime = newStand(t, map[string]string{"GET /runtime/1/server_info": `{"title":"OpenHands Agent Server","version":"1.58.0"}`})
	app = newStand(t, map[string]string{
		"GET /saas":                                               `{"saas":true}`,
		"GET /api/v1/web-client/config":                           `{"app_mode":"saas","maintenance_start_time":null}`,
		"GET /api/keys/current":                                   `{"id":"1","name":"handline","auth_type":"api_key"}`,
		"GET /api/v1/app-conversations?ids=none":                  `[null]`,
		"GET /api/v1/app-conversations?ids=typo":                  `422|{"detail":[]}`,
		"POST /api/v1/sandboxes/box/resume":                       `{"success":true}`,
		"GET /api/v1/app-conversations/search":                    `{"items":[],"next_page_id":null}`,
		"GET /api/v1/app-conversations/search?limit=1&sort_order": `{}`,
	})
	return app, runtime
}

func entry(state, address, key string) string {
	return fmt.Sprintf(`{"id":"c","title":"Fix README","sandbox_id":"box","sandbox_status":%q,"execution_status":"running",
		"conversation_url":%q,"session_api_key":%q,"updated_at":"2026-11-22T04:00:00Z"}`, state, address, key)
}

const one = "GET /api/v1/app-conversations?ids=c"

func TestADirectoryIsAskedBeforeEveryDial(t *testing.T) {
	app, runtime := directory(t)
	c := &Client{}
	for _, key := range []string{"first", "second"} { // it changes whenever the sandbox was paused
		app.say(one, "["+entry("RUNNING", runtime.URL+"/runtime/1/api/conversations/c", key)+"]")
		p, err := c.Locate(t.Context(), app.target("c"), "cloud", false)
		require.NoError(t, err)
		require.Equal(t, runtime.URL+"/runtime/1", p.Base.String())
		require.Equal(t, wire.Session, p.Dialect)
		require.Equal(t, key, p.Hello.Key)
		require.Equal(t, "1.58.0", p.Hello.Version)
		require.Equal(t, app.URL, p.Origin)
		require.Equal(t, wire.AgentWorking, p.Agent)
		require.Equal(t, "Fix README", p.Title)

		// What the gateway before a runtime says is never final: the directory is asked again.
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable} {
			f := c.Explain(t.Context(), p, network.Failure{Cause: network.Auth, Verdict: network.Final, Status: status})
			require.Equal(t, network.Unavailable, f.Cause)
			require.Equal(t, network.Retry, f.Verdict)
		}
	}
	require.Empty(t, runtime.keys, "the cloud key never goes to a runtime")
	require.Equal(t, []string{"cloud"}, app.keys)
}

func TestASleepingSandboxIsWokenByAClickOnly(t *testing.T) {
	app, runtime := directory(t)
	c := &Client{}
	address := runtime.URL + "/runtime/1/api/conversations/c"
	for _, row := range []struct {
		state, address string
		wake           bool
		want           network.Cause
		detail         string
		resumed        bool
	}{
		{"PAUSED", "", false, network.Asleep, "the sandbox is paused", false},
		{"PAUSED", "", true, network.Unavailable, "the sandbox is being resumed", true},
		{"ERROR", "", false, network.Asleep, "the sandbox stopped with an error", false},
		{"STARTING", "", true, network.Unavailable, "the sandbox is starting", false},
		{"MISSING", "", true, network.Gone, "the sandbox does not exist any more", false},
		{"RUNNING", "", true, network.Unavailable, "the sandbox is starting or does not answer", false},
		{"RUNNING", runtime.URL + "/elsewhere/api/conversations/c", true, network.Unavailable, "the sandbox does not answer", false},
		{"NEWSTATE", address, true, network.Unavailable, "the sandbox is in a state that is not known", false},
	} {
		app.say(one, "["+entry(row.state, row.address, "k")+"]")
		app.requests()
		_, err := c.Locate(t.Context(), app.target("c"), "cloud", row.wake)
		f := asFailure(err)
		require.Equal(t, row.want, f.Cause, row.state)
		require.Equal(t, row.detail, f.Detail)
		if row.resumed {
			require.Contains(t, app.requests(), "POST /api/v1/sandboxes/box/resume")
		} else {
			require.NotContains(t, app.requests(), "POST /api/v1/sandboxes/box/resume")
		}
	}
	for _, id := range []string{"none", "typo"} {
		_, err := c.Locate(t.Context(), app.target(id), "cloud", true)
		require.Equal(t, network.Gone, asFailure(err).Cause, id)
	}
}

func TestADirectoryWithoutAConversationNamed(t *testing.T) {
	app, runtime := directory(t)
	c := &Client{}
	_, err := c.Locate(t.Context(), app.target(""), "cloud", true)
	require.Equal(t, network.NotSetUp, asFailure(err).Cause)
	require.Equal(t, "choose a conversation", asFailure(err).Detail)

	app.say("GET /api/v1/app-conversations/search", fmt.Sprintf(
		`{"items":[{"id":"older","sandbox_status":"RUNNING","updated_at":"2026-11-21T04:00:00Z"},
		{"id":"paused","sandbox_status":"PAUSED","updated_at":"2026-11-23T04:00:00Z"},%s]}`,
		entry("RUNNING", runtime.URL+"/runtime/1/api/conversations/c", "k")))
	p, err := c.Locate(t.Context(), app.target(""), "cloud", true)
	require.NoError(t, err)
	require.Equal(t, "c", p.Hello.Conversation)
	found, err := c.Conversations(t.Context(), app.target(""), "cloud", 10)
	require.NoError(t, err)
	require.Equal(t, Conversation{ID: "paused", Asleep: true, Version: "V1", Updated: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)}, found[0])
	require.Len(t, found, 3)
}

func TestADirectorysKeyIsChecked(t *testing.T) {
	app, _ := directory(t)
	const current = "GET /api/keys/current"
	for _, row := range []struct {
		answer string
		cause  network.Cause
	}{
		{`{"id":"1"}`, ""},
		{`400|{"detail":"no org"}`, ""},
		{`404|{"detail":"Not Found"}`, ""}, // self-hosted: the list answers
		{`401|{"error":"NoCredentialsError"}`, network.Auth},
		{`429|{"error":"Rate limit exceeded: 10 per 1 second"}`, network.Throttled},
	} {
		app.say(current, row.answer)
		err := (&Client{}).Key(t.Context(), app.target(""), "cloud")
		if row.cause == "" {
			require.NoError(t, err, row.answer)
			continue
		}
		require.Equal(t, row.cause, asFailure(err).Cause, row.answer)
		if row.cause == network.Throttled {
			require.Equal(t, 7*time.Second, asFailure(err).After)
		}
	}
}

func TestAV1ConversationOfAMixedServerGoesThroughItsDirectory(t *testing.T) {
	app, runtime := directory(t)
	app.say("GET /api/options/config", `{"APP_MODE":"oss"}`)
	app.say("GET /api/conversations/c", `{"conversation_id":"c","status":"RUNNING","conversation_version":"V1"}`)
	app.say(one, "["+entry("RUNNING", runtime.URL+"/runtime/1/api/conversations/c", "k")+"]")
	p, err := (&Client{}).Locate(t.Context(), app.target("c"), "cloud", false)
	require.NoError(t, err)
	require.Equal(t, wire.Session, p.Dialect)
	require.Equal(t, "k", p.Hello.Key)
}

func TestRuntimeOf(t *testing.T) {
	for _, row := range []struct{ base, address, want string }{
		{"https://app.example", "https://x.runtime.example/api/conversations/c", "https://x.runtime.example"},
		{"https://app.example", "https://x.runtime.example/runtime/55313/api/conversations/c", "https://x.runtime.example/runtime/55313"},
		{"http://10.0.0.7:3000", "http://localhost:41022/api/conversations/c", "http://10.0.0.7:41022"},
		{"http://10.0.0.7:3000", "http://127.0.0.1:41022/api/conversations/c", "http://10.0.0.7:41022"},
		{"http://[fd00::7]:3000", "http://localhost:41022/api/conversations/c", "http://[fd00::7]:41022"},
		{"http://10.0.0.7:3000", "http://localhost/api/conversations/c", "http://10.0.0.7"},
		{"http://localhost:3000", "http://localhost:41022/api/conversations/c", "http://localhost:41022"},
		{"http://localhost:3000", "http://localhost:3000/api/conversations/c", ""}, // the server itself
		{"http://localhost:3000", "/api/conversations/c", ""},
		{"http://localhost:3000", "", ""},
		{"http://localhost:3000", "file:///api/conversations/c", ""},
		{"http://localhost:3000", "http://localhost:41022/elsewhere", ""},
		{"http://localhost:3000", "http://user:secret@h.example/api/conversations/c?x=y", "http://h.example"},
	} {
		base, err := url.Parse(row.base)
		require.NoError(t, err)
		at, other := runtimeOf(row.address, base)
		if row.want == "" {
			require.False(t, other, row.address)
			continue
		}
		require.True(t, other, row.address)
		require.Equal(t, row.want, at.String())
	}
}
