package backend

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// voiceDemo plays a voice-code server with three sessions.
func voiceDemo(t *testing.T, version string) (*demo.Server, wire.Target) {
	played := demo.New(demo.Options{Dialect: demo.VoiceCode, Version: version, Key: "k", Mood: demo.Quiet,
		Conversations: []string{"one", "two", "three"}})
	server := httptest.NewServer(played)
	t.Cleanup(func() { played.Close(); server.Close() })
	return played, wire.Target{Server: server.URL, Dialect: wire.VoiceCode}
}

func TestVoiceCodeSessionsAreListed(t *testing.T) {
	for _, version := range []string{"0.2.0", "0.3.0", "0.4.0", "0.5.0"} {
		played, target := voiceDemo(t, version)
		c := &Client{}
		played.Publish(1)
		found, err := c.Conversations(t.Context(), target, "k", 2)
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, "one", found[0].ID, "the most recently updated")
		require.Equal(t, "Demo 1", found[0].Title)
		require.WithinDuration(t, time.Now(), found[0].Updated, time.Minute)
		require.True(t, found[0].Running)

		p, err := c.Locate(t.Context(), target, "k", false)
		require.NoError(t, err)
		require.Equal(t, "one", p.Hello.Conversation)
		require.Equal(t, "Demo 1", p.Title)
		require.Equal(t, "k", p.Hello.Key)

		dials := played.Dials()
		target.Conversation = "two"
		p, err = c.Locate(t.Context(), target, "k", false)
		require.NoError(t, err)
		require.Equal(t, "two", p.Hello.Conversation)
		require.Equal(t, dials, played.Dials(), "one that is named is not looked for")
		require.ErrorIs(t, c.Key(t.Context(), target, "k"), ErrNoQuestion)
		seen := played.Seen()
		require.False(t, seen.KeyInHeader || seen.KeyInQuery)
	}
}

func TestVoiceCodeSessionsThatCannotBeListed(t *testing.T) {
	played, target := voiceDemo(t, "0.2.0")
	c := &Client{}
	_, err := c.Conversations(t.Context(), target, "wrong", 2)
	require.Equal(t, network.Auth, asFailure(err).Cause)
	require.Equal(t, network.Final, asFailure(err).Verdict)

	no := network.Failure{Cause: network.Plaintext, Verdict: network.Final}
	_, err = (&Client{MayCarry: func(*url.URL) error { return no }}).Conversations(t.Context(), target, "k", 2)
	require.Equal(t, no, asFailure(err))
	require.Equal(t, 1, played.Dials(), "a key that may not travel is not taken anywhere")

	for mood, cause := range map[demo.Mood]network.Cause{
		demo.Throttled: network.Throttled, demo.Unavailable: network.Unavailable, demo.Captive: network.NotABackend,
		demo.Draining: network.Unavailable,
	} {
		played.SetMood(mood)
		_, err = c.Conversations(t.Context(), target, "k", 2)
		require.Equal(t, cause, asFailure(err).Cause, mood.Name())
	}

	played.SetMood(demo.HangGreeting)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Conversations(ctx, target, "k", 2)
	require.Equal(t, network.Timeout, asFailure(err).Cause)

}

// A server that takes the connection and never answers holds nobody who wants to go.
func TestACancelledLookAtTheSessionsEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{Dialer: network.Dialer{Raw: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				_, _ = io.Copy(io.Discard, server)
			}()
			return client, nil
		}}}
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(3*time.Second, cancel).Stop()
		from := time.Now()
		_, err := c.Conversations(ctx, wire.Target{Server: "http://hands.example", Dialect: wire.VoiceCode}, "", 2)
		require.Error(t, err)
		require.Equal(t, 3*time.Second, time.Since(from))
	})
}
