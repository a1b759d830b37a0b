//go:build unix

package main

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/diagnostics"
	"handline/persistence"
	"handline/tray"
)

// The menu and the command line have one word for a conversation.
func TestTheMenuSaysWhichConversationsRun(t *testing.T) {
	t.Parallel()
	s := newScene(t, demo.Options{Mood: demo.Quiet}, func(v *persistence.Config) { connected(v); v.ConnectAtLaunch = "never" })
	for mood, want := range map[demo.Mood]string{demo.Quiet: "running", demo.Asleep: "asleep"} {
		s.server.SetMood(mood)
		menu := s.app.listForMenu(t.Context())
		require.NotEmpty(t, menu)
		require.Equal(t, want, menu[0].State)
		list, err := s.app.conversations(t.Context())
		require.NoError(t, err)
		var out bytes.Buffer
		(&console{out: &out}).conversation(list[0])
		require.Contains(t, out.String(), menu[0].ID+"\t"+want+"\t")
	}
}

// What was told stays in the timeline, where nobody has to be quick to read it: once, and nothing of what was said.
func TestWhatWasToldIsKept(t *testing.T) {
	t.Parallel()
	server := demo.New(demo.Options{Dialect: demo.V0, Key: sceneKey, Mood: demo.Quiet})
	ln, err := net.Listen("tcp", free(t))
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() { server.Close(); <-served })
	v := demoConfig()
	v.Server, v.Conversation, v.ConnectAtLaunch = "http://"+ln.Addr().String(), demo.DefaultConversation, "always"
	a := joined(t, v, sceneKey, world{dial: new(net.Dialer).DialContext})
	var bar pinboard
	a.faces = append(a.faces, func(ctx context.Context) error { return a.menu(ctx, &bar) })
	runs(t, a)
	require.Eventually(t, func() bool { return a.line.Snapshot().Status == connection.Connected }, patience, tick)

	server.SetMood(demo.Refusing)
	alerts := func() (texts []string) {
		for _, e := range a.state.Timeline(100, time.Time{}) {
			if e.Kind == "alert" {
				texts = append(texts, e.Text)
			}
		}
		return texts
	}
	require.Eventually(t, func() bool { return len(alerts()) > 0 }, patience, tick)
	require.Equal(t, []string{"The server did not accept your key"}, alerts())
	require.Len(t, bar.about(tray.TopicKey), 1, "it was given to the bar, too")

	var out bytes.Buffer
	cli := &console{ctx: t.Context(), out: &out}
	require.NoError(t, cli.timeline(a.home, diagnostics.NewClient(a.home.Socket()), 100))
	require.Contains(t, out.String(), " Notification: The server did not accept your key\n")
}
