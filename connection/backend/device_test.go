package backend

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
)

// inLogin plays an app server in a bubble, and a browser that says yes or no.
func inLogin(t *testing.T, story func(t *testing.T, c *Client, played *demo.Server, visit func(address string))) {
	synctest.Test(t, func(t *testing.T) {
		pipe := demo.NewPipe()
		played := demo.New(demo.Options{Dialect: demo.AppServer, Key: "cloud-key", Mood: demo.Quiet})
		served := make(chan struct{})
		ln := pipe.Listener()
		go func() { defer close(served); played.Serve(ln) }()
		defer func() { played.Close(); <-served }()
		c := &Client{Dialer: network.Dialer{Raw: pipe.Dial}}
		story(t, c, played, func(address string) {
			res, err := c.Dialer.Client().Get(address)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, http.StatusOK, res.StatusCode)
		})
	})
}

func TestALoginByCode(t *testing.T) {
	inLogin(t, func(t *testing.T, c *Client, played *demo.Server, visit func(string)) {
		l, err := c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		require.Equal(t, "DEMO-1234", l.Code)
		require.Equal(t, "http://app.example/oauth/device/verify?user_code=DEMO-1234", l.URL)
		require.Equal(t, time.Now().Add(10*time.Minute), l.Ends)
		before, from := played.Seen().Requests, time.Now()
		time.AfterFunc(62*time.Second, func() { visit(l.URL) })
		key, err := c.AwaitKey(t.Context(), l)
		require.NoError(t, err)
		require.Equal(t, "cloud-key", key)
		require.Equal(t, 65*time.Second, time.Since(from), "every five seconds, as the server allows")
		require.Equal(t, 13+1, played.Seen().Requests-before)
	})
}

func TestALoginThatIsDeclinedOrForgotten(t *testing.T) {
	inLogin(t, func(t *testing.T, c *Client, _ *demo.Server, visit func(string)) {
		l, err := c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		visit(l.URL + "&deny=1")
		_, err = c.AwaitKey(t.Context(), l)
		require.ErrorIs(t, err, ErrLoginDenied)

		l, err = c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		_, err = c.AwaitKey(t.Context(), l)
		require.ErrorIs(t, err, ErrLoginExpired)

		l, err = c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		_, err = c.StartLogin(t.Context(), "http://app.example") // takes its place
		require.NoError(t, err)
		_, err = c.AwaitKey(t.Context(), l)
		require.ErrorIs(t, err, ErrLoginExpired)

		l, err = c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		_, err = c.AwaitKey(ctx, l)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestALoginSurvivesAServerThatIsAway(t *testing.T) {
	inLogin(t, func(t *testing.T, c *Client, played *demo.Server, visit func(string)) {
		l, err := c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		visit(l.URL)
		played.SetMood(demo.Throttled)
		before := played.Seen().Requests
		time.AfterFunc(50*time.Second, func() { played.SetMood(demo.Quiet) })
		key, err := c.AwaitKey(t.Context(), l)
		require.NoError(t, err)
		require.Equal(t, "cloud-key", key)
		require.Equal(t, 4, played.Seen().Requests-before, "after 5, 15, 35 and 75 seconds")
	})
}

// answers plays a server whose token endpoint says one thing after another.
func TestALoginObeysSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		answers := []string{`400{"error":"authorization_pending"}`, `400{"error":"slow_down"}`, `400{"error":"slow_down","interval":30}`,
			`400{"error":"server_error"}`, `200{}`, `200{"access_token":"k","token_type":"Bearer"}`}
		pipe := demo.NewPipe()
		var from time.Time
		mux := http.NewServeMux()
		mux.HandleFunc("POST /oauth/device/authorize", func(w http.ResponseWriter, _ *http.Request) {
			from = time.Now()
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"device_code":"d","user_code":"U","verification_uri":"https://app.example/device"}`)
		})
		mux.HandleFunc("POST /oauth/device/token", func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "d", r.PostFormValue("device_code"))
			answer := answers[len(asked)]
			asked = append(asked, time.Since(from))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(map[string]int{"2": 200, "4": 400}[answer[:1]])
			fmt.Fprint(w, answer[3:])
		})
		server := &http.Server{Handler: mux}
		ln := pipe.Listener()
		served := make(chan struct{})
		go func() { defer close(served); server.Serve(ln) }()
		defer func() { server.Close(); <-served }()
		c := &Client{Dialer: network.Dialer{Raw: pipe.Dial}}
		l, err := c.StartLogin(t.Context(), "http://app.example")
		require.NoError(t, err)
		key, err := c.AwaitKey(t.Context(), l)
		require.NoError(t, err)
		require.Equal(t, "k", key)
		s := time.Second
		require.Equal(t, []time.Duration{5 * s, 10 * s, 20 * s, 50 * s, 80 * s, 140 * s}, asked)
	})
}

func TestServersWithoutALoginByCode(t *testing.T) {
	var hits atomic.Int32
	for answer, cause := range map[string]network.Cause{
		`404{"detail":"Not Found"}`:          network.NotABackend,
		`405{"detail":"Method Not Allowed"}`: network.NotABackend,
		`200<html></html>`:                   network.NotABackend,
		`200{}`:                              network.Protocol,
		`200{"device_code":"d","user_code":"u","verification_uri":"file:///etc/passwd"}`:            network.Protocol,
		`200{"device_code":"d","user_code":"\u001b[2J","verification_uri":"https://app.example/d"}`: network.Protocol,
		`429{}`: network.Throttled,
		`503{}`: network.Unavailable,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			hits.Add(1)
			if answer[3] == '{' {
				w.Header().Set("Content-Type", "application/json")
			} else {
				w.Header().Set("Content-Type", "text/html")
			}
			var status int
			fmt.Sscan(answer[:3], &status)
			w.WriteHeader(status)
			fmt.Fprint(w, answer[3:])
		}))
		_, err := (&Client{}).StartLogin(t.Context(), server.URL)
		require.Equal(t, cause, asFailure(err).Cause, answer)
		server.Close()
	}
	before := hits.Load()
	no := network.Failure{Cause: network.Plaintext, Verdict: network.Final}
	_, err := (&Client{MayCarry: func(*url.URL) error { return no }}).StartLogin(t.Context(), "http://app.example")
	require.Equal(t, no, asFailure(err), "a key may not come back in the clear either")
	_, err = (&Client{}).StartLogin(t.Context(), "")
	require.Equal(t, network.NotSetUp, asFailure(err).Cause)
	require.Equal(t, before, hits.Load())
}
