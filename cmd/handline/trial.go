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
	"handline/persistence"
)

// trial is the demo of the first launch: a backend of Handline's own on loopback, which the line follows until the user
// leaves it or names a server. Nothing of it is written into the configuration.
type trial struct {
	mu     sync.Mutex
	server *demo.Server
	to     wire.Target // what the line is made with, without a server = the demo does not run
	work   sync.WaitGroup
}

// start gives the demo's target; it runs from the first call on.
func (t *trial) start() (wire.Target, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.server != nil {
		return t.to, nil
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return wire.Target{}, fmt.Errorf("opening the demo: %w", err)
	}
	server := demo.New(demo.Options{Dialect: demo.V0})
	t.work.Go(func() { _ = server.Serve(ln) })
	t.server = server
	t.to = wire.Target{Server: "http://" + ln.Addr().String(), Conversation: demo.DefaultConversation, Dialect: wire.Auto}
	return t.to, nil
}

func (t *trial) target() wire.Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to
}

// address is the demo's, "" while it does not run.
func (t *trial) address() string { return t.target().Server }

// stop ends the demo, and returns when it has ended.
func (t *trial) stop() {
	t.mu.Lock()
	if t.server != nil {
		t.server.Close()
	}
	t.server, t.to = nil, wire.Target{}
	t.mu.Unlock()
	t.work.Wait()
}

// tryDemo moves the line to the demo, or back to the configured server.
func (a *app) tryDemo(ctx context.Context, on bool) error {
	if !on {
		defer a.trial.stop()
		return errors.Join(a.line.Do(ctx, connection.Disconnect{}), a.line.Do(ctx, connection.Use{Target: target(a.settings.now())}))
	}
	to, err := a.trial.start()
	if err != nil {
		return err
	}
	return errors.Join(a.line.Do(ctx, connection.Use{Target: to}), a.line.Do(ctx, connection.Connect{}))
}

// aim is what the line is made with: the demo while the line is there, and otherwise what is configured.
func (a *app) aim() wire.Target {
	if a.line != nil {
		if to := a.trial.target(); to.Server != "" && to.Server == a.line.Snapshot().Server {
			return to
		}
	}
	return target(a.settings.now())
}

// choose moves the line to another conversation of where it is.
func (a *app) choose(ctx context.Context, conversation string) error {
	if to := a.aim(); to.Server != "" && to.Server == a.trial.address() {
		to.Conversation = conversation
		return errors.Join(a.line.Do(ctx, connection.Use{Target: to}), a.line.Do(ctx, connection.Connect{}))
	}
	err := a.settings.change(ctx, func(v *persistence.Config) error { v.Conversation = conversation; return nil })
	if err != nil {
		return fmt.Errorf("choosing a conversation: %w", err)
	}
	return a.line.Do(ctx, connection.Connect{})
}
