package main

import (
	"context"
	"errors"
	"fmt"

	"net/url"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
)

// examine runs the checks of the server that the line is aimed at.
func (a *app) examine(ctx context.Context, each func(diagnostics.Finding)) diagnostics.Report {
	t := a.aim()
	// A client of its own knows nothing yet, so it asks what the line's client would remember.
	asker := &backend.Client{Dialer: a.dialer, MayCarry: a.mayCarry}
	deps := diagnostics.Deps{
		Dialer:   a.dialer,
		PAC:      func() bool { return a.settings.now().Proxy == "auto" && network.PACConfigured() },
		Portal:   a.portal,
		MayCarry: a.mayCarry,
		Identify: func(ctx context.Context) (backend.Server, error) { return identify(ctx, asker, t) },
		Secret: func(ctx context.Context) (string, error) {
			key, err := a.secret(ctx, t.Identity())
			return key, keychainTrouble(err)
		},
		Key: func(ctx context.Context, key string) error { return asker.Key(ctx, t, key) },
		Locate: func(ctx context.Context, key string) (diagnostics.Socket, error) {
			return a.socketToTry(ctx, asker, t, key)
		},
	}
	if a.line != nil {
		deps.Line = func() (connection.Snapshot, bool) { return a.line.Snapshot(), true }
		deps.Watch = a.line.Watch
	}
	if a.dialer.Raw != nil { // the demo's names lead to its own listeners
		deps.Resolve = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
		deps.Route = func(string) bool { return true }
	}
	return diagnostics.Examine(ctx, t.Server, deps, each)
}

// identify asks what the server is, whatever the configuration says, and whether it is well. Where nobody asked can
// tell (a Socket.IO server that speaks by WebSocket alone), the configuration's word counts.
func identify(ctx context.Context, asker *backend.Client, t wire.Target) (backend.Server, error) {
	asked := t
	if t.Dialect != wire.VoiceCode {
		asked.Dialect = wire.Auto
	}
	s, err := asker.Identify(ctx, asked)
	var f network.Failure
	if errors.As(err, &f) && f.Cause == network.NotABackend && !f.Suspect && t.Dialect == wire.SocketIO {
		s, err = asker.Identify(ctx, t)
	}
	if err != nil {
		return s, err
	}
	return s, asker.Health(ctx, t, s)
}

// keychainTrouble gives what a keychain says its cause.
func keychainTrouble(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, persistence.ErrDenied):
		return network.Failure{Cause: network.KeychainDenied}
	}
	return network.Failure{Cause: network.KeychainLocked}
}

const (
	// nobody is a conversation that does not exist. An agent-server checks the key first and then hangs up with
	// notFound, so that nobody is subscribed and nothing is woken.
	nobody   = "00000000-0000-0000-0000-000000000000"
	notFound = 4004
)

// socketToTry finds a WebSocket that can be opened and disturbs nobody. A Socket.IO server does nothing before the
// namespace is asked for, and a voice-code backend nothing before it is told the key; neither is ever sent a frame.
func (a *app) socketToTry(ctx context.Context, asker *backend.Client, t wire.Target, key string) (diagnostics.Socket, error) {
	if t.Dialect == wire.VoiceCode && t.Conversation == "" {
		t.Conversation = nobody // none is joined, and looking for one would be a second socket
	}
	place, trouble := asker.Locate(ctx, t, key, false)
	if trouble != nil {
		s, err := asker.Identify(ctx, t)
		if err != nil {
			return diagnostics.Socket{}, trouble
		}
		var ok bool
		if place, ok = doorOf(s, t, key); !ok {
			return diagnostics.Socket{}, trouble
		}
	}
	hello := place.Hello
	joins := place.Dialect == wire.Events || place.Dialect == wire.Session
	if joins {
		hello.Conversation = nobody
	}
	codec, err := wire.New(place.Dialect, hello)
	if err != nil {
		return diagnostics.Socket{}, network.Failure{Cause: network.NotABackend, Verdict: network.Final, Detail: err.Error()}
	}
	u, header := codec.Request(place.Base)
	if hello.Key != "" {
		if err := a.mayCarry(u); err != nil {
			return diagnostics.Socket{}, err
		}
	}
	s := diagnostics.Socket{URL: u, Header: header, Explain: func(ctx context.Context, f network.Failure) network.Failure {
		return asker.Explain(ctx, place, f)
	}}
	if joins {
		s.Closes = notFound
		return s, trouble
	}
	s.Speaks = func(frame []byte, binary bool) error {
		_, err := codec.Decode(frame, binary)
		return err
	}
	return s, trouble
}

// doorOf is where a server that cannot place the conversation takes WebSockets all the same. A directory has none.
func doorOf(s backend.Server, t wire.Target, key string) (wire.Place, bool) {
	base, err := url.Parse(t.Server)
	p := wire.Place{Base: base, Origin: t.Identity(),
		Hello: wire.Hello{Key: key, Params: t.Params, Path: t.Path, Namespace: t.Namespace, Version: s.Version}}
	switch s.Kind {
	case backend.AgentServer:
		p.Dialect = wire.AgentServerDialect(s.Version)
	case backend.V0, backend.PlainServer:
		p.Dialect = wire.SocketIO
	default:
		return p, false
	}
	return p, err == nil
}

// bundle gathers the report that may be given to others.
func (a *app) bundle(ctx context.Context, titles bool, last *diagnostics.Report) (diagnostics.Bundle, error) {
	now := time.Now()
	e := diagnostics.Evidence{
		At: now, Version: version(), Platform: platform(), Config: a.settings.now(), Diagnosis: last, Titles: titles,
		Stacks: stacks(),
	}
	if a.line != nil {
		snap := a.line.Snapshot()
		e.Line = &snap
	}
	if a.state != nil {
		e.Timeline = a.state.Timeline(reportEntries, time.Time{})
		e.Days = diagnostics.RecentDays(a.state.Timeline, a.failures(), now)
	}
	var err error
	if e.Log, err = persistence.TailLog(a.home.Logs(), reportLines); err != nil {
		e.Log = []string{"The log cannot be read: " + err.Error()}
	}
	// Without the key it could not be looked for, and a keychain that does not give it has not given it to the line.
	if key, err := a.secret(ctx, target(e.Config).Identity()); err == nil {
		e.Secrets = append(e.Secrets, key)
	}
	e.Home, _ = os.UserHomeDir()
	return diagnostics.NewBundle(e), nil
}

// How much of the past a report holds.
const (
	reportEntries = 1000
	reportLines   = 1000
)

func stacks() string {
	var s strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&s, 2)
	return s.String()
}

// platform names the system. Both files are plain text; where neither is, the architecture must do.
func platform() string {
	name := runtime.GOOS + "/" + runtime.GOARCH + ", " + runtime.Version()
	for path, find := range map[string]string{
		"/etc/os-release": `PRETTY_NAME="?([^"\n]+)`,
		"/System/Library/CoreServices/SystemVersion.plist": `ProductVersion</key>\s*<string>([^<]+)`,
	} {
		b, err := os.ReadFile(path)
		if m := regexp.MustCompile(find).FindSubmatch(b); err == nil && m != nil {
			name += fmt.Sprintf("\n%s", m[1])
		}
	}
	return name
}
