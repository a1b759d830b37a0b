package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"handline/connection"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/persistence"
)

type demoCmd struct {
	Mood []string `arg:"" optional:"" help:"Moods to play. Without any: all of them."`
	Stay bool     `help:"Stay with the last mood until interrupted."`
}

// The demo's addresses. Names under .example belong to nobody (RFC 2606), and the demo's dialer leads them to its own
// listeners on loopback. The backend has a name and a certificate because a server on this machine is never taken to be
// behind a captive portal, and because a refusal without TLS might be a portal's.
const (
	demoHost   = "openhands.example"
	demoServer = "https://" + demoHost
	demoProbe  = "http://probe.example/"
	demoKey    = "demo-key"
)

// act is one mood and what must be seen of it. The demo is a check too: a mood that shows something else fails it.
type act struct {
	mood  demo.Mood
	shows string // for the one who reads that it was not seen
	seen  func(now, before connection.Snapshot) bool
	mend  func(*stage) // what the user or the network does once the server is well again; nil = nothing
}

func acts() []act {
	online := func(more uint64) func(now, before connection.Snapshot) bool {
		return func(now, before connection.Snapshot) bool {
			return now.Status == connection.Connected && !now.Syncing && now.Events >= before.Events+more
		}
	}
	lost := func(causes ...network.Cause) func(now, before connection.Snapshot) bool {
		return func(now, _ connection.Snapshot) bool {
			return now.Status == connection.Reconnecting && slices.Contains(causes, now.Cause.Code)
		}
	}
	stuck := func(cause network.Cause) func(now, before connection.Snapshot) bool {
		return func(now, _ connection.Snapshot) bool {
			return now.Status == connection.Error && now.Cause.Code == cause
		}
	}
	return []act{
		{demo.Steady, "Connected, and events", online(1), nil},
		{demo.Chatty, "Connected, and a hundred events", online(100), nil},
		{demo.CaptiveHTML, "Error, captive", stuck(network.Captive), (*stage).joined},
		{demo.SlowReplay, "Connected, with all that was missed", online(200), nil},
		{demo.Silent, "Reconnecting, timeout", lost(network.Timeout), nil},
		{demo.Flapping, "Reconnecting, reset", lost(network.Reset), nil},
		{demo.Down, "Reconnecting, refused", lost(network.Refused), nil},
		{demo.Refusing, "Error, auth", stuck(network.Auth), (*stage).reentered},
		{demo.Captive, "Error, captive", stuck(network.Captive), (*stage).joined},
		{demo.Draining, "Reconnecting, draining", lost(network.Draining), nil},
		{demo.Unavailable, "Reconnecting, unavailable", lost(network.Unavailable), (*stage).clicked},
		{demo.Huge, "Reconnecting, too big", lost(network.TooBig), nil},
		{demo.Garbage, "Connected, and events", online(2), nil},
	}
}

// stage is the app and the backend it is played to.
type stage struct {
	ctx    context.Context
	app    *app
	server *demo.Server
	portal atomic.Bool // the stand-in for the probe answers like a portal
	told   string      // what the headline said last was about
	lines  int         // headlines said in this act
	c      *console
	trust  *tls.Config
}

// Run plays the moods in a home that is thrown away.
func (d demoCmd) Run(c *console) error {
	play, err := d.chosen()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "handline-demo-")
	if err != nil {
		return fmt.Errorf("making a home for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	cert, trust, err := demoTLS()
	if err != nil {
		return err
	}
	s := &stage{c: c, trust: trust, server: demo.New(demo.Options{Dialect: demo.V0, Key: demoKey, TLS: cert})}
	parts, ctx := errgroup.WithContext(c.ctx)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.ctx = ctx
	if err = s.build(dir, parts); err == nil {
		defer s.app.close()
		fmt.Fprintf(c.out, "A backend and a Handline of their own, in %s.\nLook from another terminal: handline --home %s status --watch\n", dir, dir)
		err = s.app.withIcon(ctx, c.err, func(ctx context.Context) error {
			s.ctx = ctx
			parts.Go(func() error { return s.app.run(ctx) })
			err := s.play(play)
			if d.Stay && ctx.Err() == nil {
				fmt.Fprintln(c.out, "\nThe last mood stays. Ctrl-C ends the demo.")
				<-ctx.Done()
			}
			return err
		})
	}
	stop()
	s.server.Close()
	return errors.Join(err, parts.Wait())
}

// chosen gives the acts of the named moods.
func (d demoCmd) chosen() ([]act, error) {
	all := acts()
	if len(d.Mood) == 0 {
		return all, nil
	}
	var names []string
	byName := map[string]act{}
	for _, a := range all {
		names = append(names, strings.ReplaceAll(a.mood.Name(), " ", "-"))
		byName[names[len(names)-1]] = a
	}
	var some []act
	for _, name := range d.Mood {
		a, ok := byName[name]
		if !ok {
			return nil, usage{fmt.Sprintf("%q is not a mood", name), "The moods are " + strings.Join(names, ", ") + "."}
		}
		some = append(some, a)
	}
	return some, nil
}

// build opens the stand-ins on loopback, as parts, and joins the app to them.
func (s *stage) build(dir string, parts *errgroup.Group) error {
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("opening the demo's backend: %w", err)
	}
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		backend.Close()
		return fmt.Errorf("opening the demo's probe: %w", err)
	}
	parts.Go(func() error { return s.server.Serve(backend) })
	parts.Go(func() error { return s.serveProbe(probe) })

	home, err := persistence.OpenHome(dir)
	if err != nil {
		return err
	}
	if err := persistence.SaveConfig(home.Config(), demoConfig()); err != nil {
		return err
	}
	leads := map[string]string{demoHost + ":443": backend.Addr().String(), "probe.example:80": probe.Addr().String()}
	secrets := persistence.Memory()
	if err := secrets.Set(s.ctx, demoServer, demoKey); err != nil {
		return err
	}
	s.app, err = join(home, world{
		dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to, ok := leads[addr]
			if !ok {
				return nil, fmt.Errorf("the demo leads nowhere else than to itself, and not to %s", addr)
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
		tls:     s.trust,
		secrets: secrets,
	}, "")
	return err
}

// demoConfig is the default one in a hurry: a day's waiting has to fit into a minute.
func demoConfig() persistence.Config {
	v := persistence.Default()
	v.Server, v.Conversation, v.Dialect = demoServer, demo.DefaultConversation, "auto"
	v.ConnectAtLaunch, v.Probe, v.Proxy = "always", demoProbe, "off"
	const s = persistence.Duration(time.Second)
	v.Retry = persistence.Retry{InitialDelay: s / 4, Factor: 1.5, MaxDelay: s, MaxAttempts: 50, Jitter: 0.3}
	v.Heartbeat = persistence.Heartbeat{Idle: 5 * s, Looking: s, Timeout: s}
	return v
}

// demoTLS makes the backend's certificate, which nobody but the demo trusts and which lasts as long as the demo.
func demoTLS() (server, client *tls.Config, err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("making the demo's certificate: %w", err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "The demo of Handline"},
		DNSNames:     []string{demoHost},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, about, about, public, private)
	if err != nil {
		return nil, nil, fmt.Errorf("making the demo's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("making the demo's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	return server, &tls.Config{RootCAs: roots}, nil
}

// serveProbe stands in for the page by which portals are found.
func (s *stage) serveProbe(ln net.Listener) error {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.portal.Load() {
			http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
			return
		}
		fmt.Fprint(w, "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>")
	})}
	defer context.AfterFunc(s.ctx, func() { server.Close() })()
	if err := server.Serve(ln); s.ctx.Err() == nil {
		return fmt.Errorf("serving the demo's probe: %w", err)
	}
	return nil
}

// How long a mood may take to show, and the server's recovery to be noticed. A look for a portal is taken at most every
// ten seconds.
const (
	showsWithin = 20 * time.Second
	backWithin  = 10 * time.Second
	reading     = 3 * time.Second // for a person; a log needs none
)

// play goes through the acts. Its error says how many showed something else than they should.
func (s *stage) play(acts []act) error {
	wrong := 0
	for i, a := range acts {
		fmt.Fprintf(s.c.out, "\n%s\n  %s\n", s.c.paint("1", a.mood.Name()), a.mood.Says())
		before := s.app.line.Snapshot()
		s.lines = 0
		s.portal.Store(a.mood == demo.Captive || a.mood == demo.CaptiveHTML)
		s.server.SetMood(a.mood)
		if !s.watch(showsWithin, func(now connection.Snapshot) bool { return a.seen(now, before) }) && s.ctx.Err() == nil {
			fmt.Fprintf(s.c.out, "  This should have been seen: %s\n", a.shows)
			wrong++
		}
		if s.lines == 0 { // nothing changed, and that is what was to be seen
			s.told = ""
			s.tell(s.app.line.Snapshot())
		}
		if s.c.tty {
			s.watch(reading, func(connection.Snapshot) bool { return false })
		}
		if i < len(acts)-1 {
			s.heal(a)
		}
		if s.ctx.Err() != nil {
			return nil // interrupted: nothing was judged
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d moods did not show what they should", wrong, len(acts))
	}
	return nil
}

// heal makes the server well again and waits until the line is.
func (s *stage) heal(a act) {
	s.portal.Store(false)
	s.server.SetMood(demo.Steady)
	if a.mend != nil {
		a.mend(s)
	}
	s.watch(backWithin, func(now connection.Snapshot) bool { return now.Status == connection.Connected && !now.Syncing })
}

// joined is the network's news that the way is open.
func (s *stage) joined() {
	s.do("(You log in to the network.)", connection.Nudge{Link: true, Route: true})
}

// reentered is the user who has entered a good key.
func (s *stage) reentered() { s.do("(You enter a good key.)", connection.KeyChanged{}) }

// clicked is the user who does not care to wait for as long as the server asked.
func (s *stage) clicked() { s.do("(You click Reconnect Now.)", connection.Reconnect{}) }

func (s *stage) do(words string, command connection.Command) {
	fmt.Fprintln(s.c.out, "  "+words)
	_ = s.app.line.Do(s.ctx, command)
}

// watch says each new headline until done, and whether that was in time.
func (s *stage) watch(patience time.Duration, done func(connection.Snapshot) bool) bool {
	ctx, stop := context.WithTimeout(s.ctx, patience)
	defer stop()
	_ = s.app.line.Do(ctx, connection.Look{For: patience})
	for now := range s.app.line.Watch(ctx) {
		s.tell(now)
		if done(now) {
			return true
		}
	}
	return false
}

// tell says the headline when what matters of it has changed; the round trip moves all the time, and catching up is a
// matter of milliseconds here.
func (s *stage) tell(now connection.Snapshot) {
	if now.Syncing {
		return
	}
	what := now.Text + string(now.Cause.Code) + string(now.Quality)
	if what == s.told {
		return
	}
	s.told, s.lines = what, s.lines+1
	at := time.Now()
	s.c.line("  "+at.Format("15:04:05 ")+s.c.dot(now), now.Headline(at))
}
