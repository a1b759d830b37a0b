package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/wire"
)

// trial is the demo of the first launch: a backend of Handline's own on loopback, which the line follows until the user
// leaves it or names a server. Nothing of it is written into the configuration.
type trial struct {
	mu     sync.Mutex
	server *demo.Server
	at     string // its address, "" = it does not run
	work   sync.WaitGroup
}

// start gives the demo's address; it runs from the first call on.
func (t *trial) start() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at != "" {
		return t.at, nil
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("opening the demo: %w", err)
	}
	server := demo.New(demo.Options{Dialect: demo.V0})
	t.work.Go(func() { _ = server.Serve(ln) })
	t.server, t.at = server, "http://"+ln.Addr().String()
	return t.at, nil
}

func (t *trial) address() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

// stop ends the demo, and returns when it has ended.
func (t *trial) stop() {
	t.mu.Lock()
	if t.server != nil {
		t.server.Close()
	}
	t.server, t.at = nil, ""
	t.mu.Unlock()
	t.work.Wait()
}

// tryDemo moves the line to the demo, or back to the configured server.
func (a *app) tryDemo(ctx context.Context, on bool) error {
	if !on {
		defer a.trial.stop()
		return errors.Join(a.line.Do(ctx, connection.Disconnect{}), a.line.Do(ctx, connection.Use{Target: target(a.settings.now())}))
	}
	at, err := a.trial.start()
	if err != nil {
		return err
	}
	to := connection.Use{Target: wire.Target{Server: at, Conversation: demo.DefaultConversation, Dialect: wire.Auto}}
	return errors.Join(a.line.Do(ctx, to), a.line.Do(ctx, connection.Connect{}))
}
