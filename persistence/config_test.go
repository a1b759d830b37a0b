package persistence

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const second = Duration(time.Second)

func TestConfigDefault(t *testing.T) {
	c, err := DecodeConfig([]byte("{}"))
	require.NoError(t, err)
	require.Equal(t, Default(), c)
	require.NoError(t, c.Validate())
	require.Empty(t, c.Server, "nothing is dialled before somebody chose a server")
	require.Equal(t, Retry{InitialDelay: second, Factor: 1.5, MaxDelay: 30 * second, MaxAttempts: 10, Jitter: 0.3}, c.Retry)
}

// TestConfigV1 reads every field of the fixture and writes the same bytes.
func TestConfigV1(t *testing.T) {
	b, err := os.ReadFile("testdata/config-v1.json")
	require.NoError(t, err)
	c, err := DecodeConfig(b)
	require.NoError(t, err)
	require.Equal(t, Config{
		Version: 1, Server: "https://example.com/prefix", Conversation: "0123abcd", Dialect: "events",
		Params: map[string]string{"agent": "CodeAct & co"}, Path: "/socket.io", Namespace: "/chat", ConnectAtLaunch: "always",
		AllowPlaintext: []string{"http://192.168.1.20:3000"},
		Retry:          Retry{Preset: "patient", InitialDelay: second, Factor: 2, MaxDelay: 30 * second, MaxAttempts: 20, Jitter: 0.25},
		Heartbeat:      Heartbeat{Idle: 20 * second, Looking: 4 * second, Timeout: 8 * second},
		Notify:         Notify{AgentWaiting: true, AgentFailed: true, Outage: true},
		Icon:           "monochrome", IconClick: "menu", Probe: "http://127.0.0.1:8080/probe", Proxy: "socks5://127.0.0.1:1080",
		Compression: "auto",
	}, c)
	require.Equal(t, string(b), string(c.Encode()))
}

// Each file has one mistake; the error names its field and says what is allowed.
func TestConfigMistakes(t *testing.T) {
	for _, row := range []struct{ file, want string }{
		{``, "not a JSON object: line 1"},
		{`null`, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{"{\n\"icon\": \"color\",\n}", "not a JSON object: line 3"},
		{`{"version": "1"}`, "version: write a whole number"},
		{`{"version": 0}`, "version: write a whole number of at least 1"},
		{`{"sever": ""}`, "sever: there is no such setting"},
		{`{"Server": ""}`, "Server: there is no such setting"},
		{`{"retry": {"maxAtempts": 3}}`, "retry.maxAtempts: there is no such setting"},
		{`{"retry": 3}`, "retry: write an object in braces"},
		{`{"server": 3}`, "server: write text in quotes"},
		{`{"params": {"a": 3}}`, "params: write text in quotes"},
		{`{"params": []}`, "params: write an object whose values are text"},
		{`{"allowPlaintext": ""}`, "allowPlaintext: write a list"},
		{`{"icon": null}`, "icon: write a value"},
		{`{"notify": {"outage": 1}}`, "notify.outage: write true or false"},
		{`{"retry": {"maxAttempts": 1.5}}`, "retry.maxAttempts: write a whole number"},
		{`{"retry": {"factor": "2"}}`, "retry.factor: write a number"},
		{`{"retry": {"maxDelay": "soon"}}`, `retry.maxDelay: "soon" is not a duration: write it as 500ms, 1.5s or 2m`},
		{`{"retry": {"initialDelay": "10ms"}}`, "retry.initialDelay: 100ms to 1m0s is allowed"},
		{`{"retry": {"maxDelay": "500ms"}}`, "retry.maxDelay: 1s to 10m0s is allowed"},
		{`{"retry": {"factor": 0.5}}`, "retry.factor: 1 to 10 is allowed"},
		{`{"retry": {"maxAttempts": 0}}`, "retry.maxAttempts: 1 to 1000 is allowed"},
		{`{"retry": {"jitter": 0}}`, "retry.jitter: 0.05 to 0.9 is allowed"},
		{`{"retry": {"preset": "eager"}}`, `retry.preset: "eager" is not one of default, patient`},
		{`{"retry": {"preset": "patient", "factor": 2}}`, "retry.preset: a preset stands for all numbers of retry; remove either"},
		{`{"heartbeat": {"preset": "fast"}}`, `heartbeat.preset: "fast" is not one of normal, relaxed`},
		{`{"heartbeat": {"idle": "1s"}}`, "heartbeat.idle: 5s to 10m0s is allowed"},
		{`{"heartbeat": {"looking": "1m"}}`, "heartbeat.looking: 1s to 15s is allowed"},
		{`{"heartbeat": {"timeout": "2h"}}`, "heartbeat.timeout: 0s (by the measured round trip) or 1s to 1m0s is allowed"},
		{`{"dialect": "mqtt"}`, `dialect: "mqtt" is not one of auto, socketio, events, session, voicecode`},
		{`{"connectAtLaunch": "yes"}`, `connectAtLaunch: "yes" is not one of last, always, never`},
		{`{"icon": "gray"}`, `icon: "gray" is not one of color, monochrome`},
		{`{"iconClick": "quit"}`, `iconClick: "quit" is not one of act, menu`},
		{`{"compression": "on"}`, `compression: "on" is not one of off, auto`},
		{`{"conversation": "a\nb"}`, "conversation: at most 1000 printable characters are allowed"},
		{`{"path": "socket.io"}`, "path: it begins with /"},
		{`{"namespace": "/a,b"}`, "namespace: it begins with /"},
		{`{"params": {"key": "planted"}}`, "params.key: a key is not kept in a file; store it with: handline login"},
		{`{"params": {"PassWD": "planted"}}`, "params.PassWD: a key is not kept in a file"},
		{`{"params": {"pwd": "planted"}}`, "params.pwd: a key is not kept in a file"},
		{`{"params": {"jwt": "planted"}}`, "params.jwt: a key is not kept in a file"},
		{`{"params": {"session_api_key": "planted"}}`, "params.session_api_key: a key is not kept in a file; store it with: handline login"},
		{`{"params": {"EIO": "4"}}`, "params.EIO: Handline sets this parameter itself"},
		{`{"params": {"a": "\u0000"}}`, "params: names and values are printable text"},
		{`{"allowPlaintext": ["https://example.com"]}`, "allowPlaintext: only origins such as http://192.168.1.20:3000 are allowed"},
		{`{"allowPlaintext": ["http://example.com/path"]}`, "allowPlaintext: only origins"},
		{`{"probe": "https://example.com"}`, "probe: auto, off or an address that begins with http:// is allowed"},
		{`{"proxy": "http://u:planted@proxy:8080"}`, "proxy: auto, off or an address such as http://proxy:8080, without a user or password"},
		{`{"proxy": "proxy:8080"}`, "proxy: auto, off or an address"},
	} {
		_, err := DecodeConfig([]byte(row.file))
		require.ErrorContains(t, err, row.want, row.file)
		require.NotContains(t, err.Error(), "planted")
	}
}

func TestParseServer(t *testing.T) {
	for _, row := range []struct{ text, want, err string }{
		{"", "", ""},
		{" http://localhost:3000/ ", "http://localhost:3000", ""},
		{"WS://Example.COM:80/a/b//", "http://example.com/a/b", ""},
		{"wss://example.com:443", "https://example.com", ""},
		{"https://example.com:80", "https://example.com:80", ""},
		{"http://[::1]:3000", "http://[::1]:3000", ""},
		{"http://[::1]", "http://[::1]", ""},
		{"http://example.com/a%2Fb/", "http://example.com/a%2Fb", ""},
		{"localhost:3000", "", "write an address such as"},
		{"http://a b", "", "write an address such as"},
		{"ftp://example.com", "", "must begin with http:// or https://"},
		{"http://", "", "no host"},
		{"http://:3000", "", "no host"},
		{"http://example.com:", "", "no port"},
		{"http://example.com:0", "", "1 to 65535"},
		{"http://example.com:65536", "", "1 to 65535"},
		{"http://user:planted@example.com", "", "must not hold a user or password; enter the key in its own field, or with: handline login"},
		{"http://planted@example.com", "", "must not hold a user or password"},
		{"http://user:planted%zz@example.com", "", "write an address such as"},
		{"http://example.com?key=planted", "", "must not hold a query"},
		{"http://example.com?", "", "must not hold a query"},
		{"http://example.com#planted", "", "must not hold a query or a fragment"},
	} {
		got, err := ParseServer(row.text)
		require.Equal(t, row.want, got, row.text)
		if row.err == "" {
			require.NoError(t, err, row.text)
			continue
		}
		require.ErrorContains(t, err, row.err, row.text)
		require.NotContains(t, err.Error(), "planted")
	}
}

// One row after the other changes the same configuration.
func TestConfigSet(t *testing.T) {
	c := Default()
	for _, row := range []struct{ path, value, get string }{
		{"server", "ws://LOCALHOST:3000/", "http://localhost:3000"},
		{"conversation", "true", "true"},
		{"conversation", "", ""},
		{"retry.preset", "patient", "patient"},
		{"retry.maxAttempts", "15", "15"},
		{"retry.preset", "patient", "patient"},
		{"retry.preset", "default", ""},
		{"retry.initialDelay", "1500ms", "1.5s"},
		{"heartbeat.preset", "relaxed", "relaxed"},
		{"heartbeat.timeout", "0s", "0s"},
		{"notify.restored", "false", "false"},
		{"allowPlaintext", "http://a:1, ws://B:2/ http://a:1", `["http://a:1","http://b:2"]`},
		{"allowPlaintext", `["http://c"]`, `["http://c"]`},
		{"allowPlaintext", "", "[]"},
		{"params.agent.name", "CodeAct", "CodeAct"},
		{"params.agent.name", "", ""},
		{"params", `{"a":"1"}`, `{"a":"1"}`},
		{"proxy", "off", "off"},
	} {
		before := string(c.Encode())
		next, err := c.Set(row.path, row.value)
		require.NoError(t, err, row)
		require.Equal(t, before, string(c.Encode()), "the old value is not touched by %v", row)
		got, err := next.Get(row.path)
		require.NoError(t, err)
		require.Equal(t, row.get, got, row)
		c = next
	}
	require.Equal(t, Heartbeat{Idle: 30 * second, Looking: 30 * second}, c.Heartbeat, "a preset's other numbers stay")
	require.Equal(t, 10, c.Retry.MaxAttempts)
}

func TestConfigSetRefused(t *testing.T) {
	for _, row := range []struct{ path, value, want string }{
		{"retry.maxAttempts", "many", "retry.maxAttempts: write a whole number"},
		{"retry.maxAttempts", "null", "retry.maxAttempts: write a whole number"},
		{"retry.maxAttempts", `1},"icon":{"a":1`, "retry.maxAttempts: write a whole number"},
		{"retry.maxAttempts", "0", "retry.maxAttempts: 1 to 1000 is allowed"},
		{"notify.outage", "yes", "notify.outage: write true or false"},
		{"version", "2", "version: there is no such setting"},
		{"retry", "{}", "retry: there is no such setting"},
		{"params.token", "planted", "a key is not kept in a file"},
		{"server", "https://u:planted@example.com", "server: the address must not hold a user"},
	} {
		c, err := Default().Set(row.path, row.value)
		require.ErrorContains(t, err, row.want, row)
		require.NotContains(t, err.Error(), "planted")
		require.Equal(t, Default(), c)
	}
	_, err := Default().Get("nothing")
	require.EqualError(t, err, "nothing: there is no such setting")
}

func TestSettings(t *testing.T) {
	for _, path := range Settings() {
		_, err := Default().Get(path)
		require.NoError(t, err, path)
	}
	require.Contains(t, Settings(), "heartbeat.preset")
	require.NotContains(t, Settings(), "version")
}

// What decodes is valid, and reads the same after it was written.
func FuzzDecodeConfig(f *testing.F) {
	for _, name := range []string{"config-v0.json", "config-v1.json", "config-v2.json"} {
		b, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"retry":{"preset":"default"},"params":{"":"x"},"server":"ws://[::1%25lo]:3"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeConfig(b)
		if err != nil {
			return
		}
		require.NoError(t, c.Validate())
		out := c.Encode()
		require.True(t, json.Valid(out))
		again, err := DecodeConfig(out)
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
