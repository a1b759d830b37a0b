package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
	"handline/tray/native"
)

type runCmd struct {
	Headless bool `help:"Run without a menu-bar icon."`
}

// Run starts the app, or, where it runs already, says how it is.
func (r runCmd) Run(c *console) error {
	home, client, err := c.open()
	if err != nil {
		return err
	}
	release, err := home.Lock()
	var running persistence.ErrRunning
	if errors.As(err, &running) {
		return c.alreadyRunning(client, running, !r.Headless)
	}
	if err != nil {
		return err
	}
	defer release()
	app, err := join(home, world{}, c.token)
	if err != nil {
		return err
	}
	defer app.close()
	app.login, _ = c.loginItem() // without one, the menu does not offer it
	thrifty()
	for _, note := range app.notes {
		fmt.Fprintf(c.err, "handline: %s\n", note)
	}
	if !r.Headless {
		return app.withIcon(c.ctx, c.err, app.run)
	}
	fmt.Fprintln(c.out, "Handline runs without a menu-bar icon. See handline status; end it with Ctrl-C or handline quit.")
	return app.run(c.ctx)
}

// thrifty fits the runtime to an app that lives for weeks and does little. The heap is a megabyte and receiving allocates
// nothing: collecting early costs no time that could be measured and saves two megabytes. A second processor is woken
// only to find nothing to do: without it an idle minute has a third fewer context switches and a quarter less CPU time,
// and a flood of events costs no more. Whoever sets GOGC or GOMAXPROCS is obeyed.
func thrifty() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}

// alreadyRunning is no failure: what was wanted is there, and who starts Handline again wants to see it.
func (c *console) alreadyRunning(client *diagnostics.Client, running persistence.ErrRunning, show bool) error {
	st, err := client.Status(c.ctx)
	if errors.Is(err, diagnostics.ErrNotRunning) {
		return running // it starts or ends just now
	}
	if err != nil {
		return err
	}
	c.show(st.Snapshot)
	fmt.Fprintf(c.out, "Handline is already running (pid %d).\n", st.PID)
	if show {
		_ = client.Window(c.ctx, "") // without a desktop the words above are all there is
	}
	return nil
}

// world is what differs between the real world and the demo's. The zero value is the real one.
type world struct {
	// dial opens plain TCP; nil = the system. With it the network around this machine is not watched.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls  *tls.Config // nil = the system's roots
	// secrets keep the keys; nil = HANDLINE_TOKEN and the keychain.
	secrets *persistence.Secrets
}

// app is one running Handline.
type app struct {
	home     *persistence.Home
	settings *settings
	state    *persistence.State
	secrets  *persistence.Secrets
	logins   *persistence.Secrets // of proxies
	noKeys   sync.Once            // the log was told that there is no keychain
	log      *slog.Logger
	logFile  *persistence.Log
	dialer   network.Dialer
	backend  *backend.Client
	lists    lists // of conversations
	feed     *diagnostics.Feed
	line     *connection.Manager
	checks   *diagnostics.Rounds
	woke     chan struct{} // holds one token after a wake, for the one face that gives alerts
	watched  bool          // the machine and the network around it are watched
	quit     chan struct{}
	notes    []string                      // what a person should be told of the start
	faces    []func(context.Context) error // what shows the line beside the API: each lives until its context ends
	// openWindow shows the window at a pane, browse a web page in the user's browser.
	openWindow func(ctx context.Context, pane string) error
	browse     func(ctx context.Context, url string) error
	pages      *diagnostics.Pages
	draft      diagnostics.Draft
	signIns    *diagnostics.SignIns
	trial      *trial
	login      native.LoginItem           // the zero value is none, as in the demo
	muted      atomic.Bool                // the system shows no notifications of Handline's
	asked      chan struct{}              // muted has changed
	denied     func(context.Context) bool // asks the system, and where it has not been asked before, the user
}

// join wires the whole app. It is the only place that does. Nothing is dialled yet; the caller closes the app.
func join(home *persistence.Home, w world, token string) (*app, error) {
	a := &app{home: home, feed: new(diagnostics.Feed), watched: w.dial == nil, quit: make(chan struct{}, 1), woke: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		denied: native.NoticesDenied}
	loaded, err := persistence.LoadConfig(home.Config())
	if err != nil {
		return nil, err
	}
	var note string
	if a.state, note, err = persistence.OpenState(home.State()); err != nil {
		return nil, err
	}
	a.note(loaded.Note, note)
	if a.logFile, err = persistence.OpenLog(home.Logs()); err != nil {
		return nil, errors.Join(err, a.state.Close())
	}
	a.log = slog.New(slog.NewTextHandler(a.logFile, nil))
	if a.secrets, a.logins = w.secrets, w.secrets; a.secrets == nil {
		a.logins = persistence.Keychain(persistence.KeychainOptions{Log: a.log})
		if a.secrets, err = keychain(token, a.log); err != nil {
			return nil, errors.Join(err, a.state.Close(), a.logFile.Close())
		}
	}
	if err := a.adopt(loaded.Migrated); err != nil {
		a.note(fmt.Sprintf("what the old configuration held was not taken over whole: %v", err))
	}

	do := func(ctx context.Context, c connection.Command) error { return a.line.Do(ctx, c) }
	a.settings = newSettings(home.Config(), loaded.Config, do)
	a.dialer = network.Dialer{Proxy: a.proxy, Login: a.proxyLogin, Raw: w.dial, TLS: w.tls}
	a.backend = &backend.Client{Dialer: a.dialer, MayCarry: a.mayCarry}
	a.checks = diagnostics.NewRounds(a.examine, a.remember)
	pace := pace(loaded.Config)
	a.line = connection.New(connection.Options{
		Target:    target(loaded.Config),
		Retry:     pace.Retry,
		Heartbeat: pace.Heartbeat,
		Wanted:    wanted(loaded.Config.ConnectAtLaunch, a.state),
		Dialer:    a.dialer,
		Locate:    a.backend.Locate,
		Secret:    a.secret,
		History:   a.backend.History,
		Explain:   a.backend.Explain,
		MayCarry:  a.mayCarry,
		Compress:  a.compress,
		Portal:    a.portal,
		Slept:     network.NewSleep().Since,
		Stranded:  network.Stranded,
		DarkWakes: runtime.GOOS == "darwin",
		Load:      a.state.Cursor,
		Save:      a.state.Write,
		Outbox:    a.state.Outbox,
		Enqueue:   a.state.Enqueue,
		Deliver:   a.deliver,
		Log:       a.log,
	})
	a.addWindow()
	return a, nil
}

// note keeps what a person should be told, and logs it.
func (a *app) note(texts ...string) {
	for _, t := range texts {
		if t != "" {
			a.notes = append(a.notes, t)
		}
	}
}

// wanted says whether to dial at launch. By default that is as it was when the app last ran, crash included.
func wanted(connectAtLaunch string, state *persistence.State) bool {
	switch connectAtLaunch {
	case "always":
		return true
	case "never":
		return false
	}
	return state.Wanted()
}

// close lets go of the files, after run has returned.
func (a *app) close() { _ = errors.Join(a.state.Close(), a.logFile.Close()) }

// run lives until ctx ends, somebody asks the app to quit, or a part of it fails. It returns after all parts.
func (a *app) run(ctx context.Context) error {
	ln, err := listen(a.home.Socket())
	if err != nil {
		return err
	}
	a.log.Info("Handline starts", "version", version(), "pid", os.Getpid())
	defer a.log.Info("Handline ends")
	a.remember(persistence.Entry{At: time.Now(), Kind: "start", Text: "Handline started"})
	defer func() { a.remember(persistence.Entry{At: time.Now(), Kind: "stop", Text: "Handline ended"}) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return a.line.Run(ctx) })
	parts.Go(func() error { return a.serve(ctx, ln) })
	parts.Go(func() error {
		select {
		case <-a.quit:
			stop()
		case <-ctx.Done():
		}
		return nil
	})
	for _, face := range a.faces {
		parts.Go(func() error { return face(ctx) })
	}
	if a.watched {
		parts.Go(func() error { return a.watchNetwork(ctx) })
		parts.Go(func() error { return a.watchMachine(ctx) })
		parts.Go(func() error { return a.stayAwake(ctx) })
	}
	return parts.Wait()
}

// deliver hands an event to those who follow. It is on the hot path: with nobody there it does nothing.
func (a *app) deliver(_ wire.Target, e wire.Event) {
	if a.feed.Followed() {
		a.feed.Publish(told(e))
	}
}

// told is an event as the API gives it.
func told(e wire.Event) diagnostics.Event {
	return diagnostics.Event{
		ID: string(e.ID), Cursor: string(e.Cursor), Name: string(e.Name), Agent: string(e.Agent), Replay: e.Replay, Body: e.Body,
	}
}

// adopt takes over what an older configuration held besides settings: a key goes to the keychain, a place to the state.
func (a *app) adopt(m persistence.Migrated) error {
	var errs []error
	if m.Token != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, a.secrets.Set(ctx, m.Identity, m.Token))
	}
	if m.Cursor != "" {
		errs = append(errs, a.state.Write(persistence.Batch{
			Identity: m.Identity, Conversation: m.Conversation, Cursor: &persistence.Cursor{At: m.Cursor},
		}))
	}
	return errors.Join(errs...)
}
