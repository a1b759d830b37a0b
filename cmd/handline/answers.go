package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
	"handline/tray/native"
)

// listen opens the API's socket. The home's lock says that a socket found there is left from a crash. Its directory is
// private, so nobody can come in between listening and chmod.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening the local API: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the local API: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the local API: %w", err), ln.Close())
	}
	return ln, nil
}

// farewell is how long requests under way may take when the app ends; streams end with ctx.
const farewell = time.Second

// serve answers the local API until ctx ends.
func (a *app) serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           diagnostics.Handler(a.api()),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the local API: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close()
	}
	<-ended
	return nil
}

// api is the app as the local API serves it.
func (a *app) api() diagnostics.API {
	return diagnostics.API{
		Version:       version(),
		Line:          a.line,
		Feed:          a.feed,
		Config:        func(context.Context) (persistence.Config, error) { return persistence.ReadConfig(a.home.Config()) },
		Change:        a.settings.change,
		Asked:         a.askAgain,
		SetKey:        a.setKey,
		SetLogin:      a.setLogin,
		Timeline:      a.state.Timeline,
		Failures:      a.failures,
		Conversations: a.conversations,
		History:       a.history,
		Window:        a.openWindow,
		Demo:          a.tryDemo,
		DemoServer:    a.trial.address,
		Checks:        a.checks,
		Bundle: func(ctx context.Context, titles bool) (diagnostics.Bundle, error) {
			return a.bundle(ctx, titles, a.checks.Last())
		},
		Draft:        &a.draft,
		SignIns:      a.signIns,
		Muted:        a.isMuted,
		AllowNotices: func(ctx context.Context) error { return native.OpenSettings(ctx, native.NoticeSettings) },
		Quit:         a.askToQuit,
	}
}

// secret gives the key of a server. A system without a keychain has no keys, and many servers want none.
func (a *app) secret(ctx context.Context, identity string) (string, error) {
	key, err := a.secrets.Get(ctx, identity)
	if errors.Is(err, persistence.ErrNoStore) {
		a.noKeys.Do(func() { a.log.Warn("no key can be had", "error", err) }) // not again at each dial
		return "", nil
	}
	return key, err
}

// setKey stores a key, "" forgets it, and lets the line try again.
func (a *app) setKey(ctx context.Context, server, key string) error {
	if err := storeKey(ctx, a.secrets, cmp.Or(server, a.settings.now().Server), key); err != nil {
		return err
	}
	return a.line.Do(ctx, connection.KeyChanged{})
}

// storeSignIn keeps the key that a login with a browser has ended with.
func (a *app) storeSignIn(ctx context.Context, server, key string) error {
	key, err := persistence.CleanKey(key)
	if err != nil {
		return fmt.Errorf("storing the key: %w", err)
	}
	return a.setKey(ctx, server, key)
}

// failures are the dials that came to nothing, those of the last minute too.
func (a *app) failures() persistence.Failures {
	all := a.state.Failures()
	if a.line != nil {
		all.Merge(a.line.Missed())
	}
	return all
}

// mostConversations is how many the server is asked for.
const mostConversations = 100

// list asks a server for its conversations, the most recently updated first.
func (a *app) list(ctx context.Context, t wire.Target) ([]backend.Conversation, error) {
	key, err := a.keyFor(ctx, t)
	if err != nil {
		return nil, err
	}
	return a.lists.get(ctx, question{t, key}, func(ctx context.Context) ([]backend.Conversation, error) {
		return a.backend.Conversations(ctx, t, key, mostConversations)
	})
}

// conversations are the configured server's, whatever the line tries out: one of them is chosen for the configuration.
func (a *app) conversations(ctx context.Context) ([]diagnostics.Conversation, error) {
	found, err := a.list(ctx, target(a.settings.now()))
	if err != nil {
		return nil, err
	}
	list := make([]diagnostics.Conversation, len(found))
	for i, f := range found {
		list[i] = diagnostics.Conversation{
			ID: f.ID, Title: f.Title, Running: f.Running, Asleep: f.Asleep, Agent: string(f.State), Updated: f.Updated,
		}
	}
	return list, nil
}

// history asks the server, not the line, so it works while the line is down.
func (a *app) history(ctx context.Context, after string, each func(diagnostics.Event) error) error {
	t := a.aim()
	if s := a.line.Snapshot(); t.Conversation == "" && s.Server == t.Server {
		t.Conversation = s.Conversation // the line's own, though another one may be the newest by now
	}
	key, err := a.keyFor(ctx, t)
	if err != nil {
		return err
	}
	place, err := a.backend.Locate(ctx, t, key, false)
	if err != nil {
		return err
	}
	if place.Hello.Conversation == "" || place.Dialect == wire.VoiceCode {
		return &diagnostics.Problem{Status: http.StatusNotImplemented, Code: "not-offered",
			Text: "This server keeps no history that could be asked for", Advice: "Follow what comes with: handline events --follow"}
	}
	stamp, _ := wire.EventsCursor(after)
	if place.Dialect == wire.Session && (stamp != "" || a.line.Snapshot().Dialect == string(wire.Events)) {
		place.Dialect = wire.Events // the line may have changed to the older socket, whose cursors read otherwise
	}
	place.Hello.Cursor = after
	codec, err := wire.New(place.Dialect, place.Hello)
	if err != nil {
		return err
	}
	return a.backend.History(ctx, place, after, func(item []byte) error {
		e, err := codec.Item(item)
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		t := told(e)
		// Not every event moves the place. Who goes on after such a one goes on after the one before it, and not from the
		// start: some come twice, none is missed.
		t.Cursor = cmp.Or(t.Cursor, after)
		after = t.Cursor
		return each(t)
	})
}

// keyFor gives the key that a question to a server needs.
func (a *app) keyFor(ctx context.Context, t wire.Target) (string, error) {
	if t.Server == "" {
		return "", network.Failure{Cause: network.NotSetUp}
	}
	return a.secret(ctx, t.Identity())
}
