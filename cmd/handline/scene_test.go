package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/persistence"
)

// scene is a whole Handline but for the desktop, with a demo backend under a name.
type scene struct {
	t       *testing.T
	dir     string
	server  *demo.Server
	app     *app
	portal  atomic.Bool
	muted   atomic.Bool       // the system shows no notifications
	latency atomic.Int64      // how long each packet to the backend takes, in nanoseconds
	leads   map[string]string // where names lead
	trust   *tls.Config
	end     func() // ends the app; the backend goes on
}

const (
	tick = 20 * time.Millisecond // between two looks

	sceneKey  = "a-good-key"
	otherTalk = "5d1f3a52-0000-4000-8000-000000000002"
)

// newScene plays a backend that asks for a key. change makes the configuration, nil = nothing is set up.
func newScene(t *testing.T, o demo.Options, change func(*persistence.Config)) *scene {
	t.Helper()
	cert, trust, err := demoTLS()
	require.NoError(t, err)
	s := &scene{t: t, dir: t.TempDir(), leads: map[string]string{}, trust: trust}
	require.NoError(t, os.Chmod(s.dir, 0o700))
	if o.Dialect == "" {
		o.Dialect = demo.V0
	}
	o.Key, o.TLS = sceneKey, cert
	if o.Conversations == nil {
		o.Conversations = []string{demo.DefaultConversation, otherTalk}
	}
	s.server = demo.New(o)
	s.listen("openhands.example:443", func(ln net.Listener) { _ = s.server.Serve(ln) })
	t.Cleanup(s.server.Close)
	probe := &http.Server{Handler: http.HandlerFunc(s.probe)}
	s.listen("probe.example:80", func(ln net.Listener) { _ = probe.Serve(ln) })
	t.Cleanup(func() { probe.Close() })

	v := demoConfig()
	v.Server, v.Conversation, v.ConnectAtLaunch = "", "", "last"
	if change != nil {
		change(&v)
	}
	home, err := persistence.OpenHome(s.dir)
	require.NoError(t, err)
	require.NoError(t, persistence.SaveConfig(home.Config(), v))
	s.start()
	return s
}

// connected is the configuration of somebody who is set up.
func connected(v *persistence.Config) {
	v.Server, v.Conversation, v.ConnectAtLaunch = demoServer, demo.DefaultConversation, "always"
}

// start starts the app on what its home holds.
func (s *scene) start() {
	s.t.Helper()
	home, err := persistence.OpenHome(s.dir)
	require.NoError(s.t, err)
	secrets := persistence.Memory()
	if s.app == nil {
		file, err := persistence.LoadConfig(home.Config())
		require.NoError(s.t, err)
		if file.Config.Server != "" {
			require.NoError(s.t, secrets.Set(s.t.Context(), demoServer, sceneKey))
		}
	} else {
		secrets = s.app.secrets
	}
	s.app, err = join(home, world{dial: s.dial, tls: s.trust, secrets: secrets}, "")
	require.NoError(s.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	app := s.app
	go func() { ended <- app.run(ctx); app.close() }()
	s.end = sync.OnceFunc(func() { stop(); require.NoError(s.t, <-ended) })
	s.t.Cleanup(s.end)
}

// store puts messages into the outbox of a Handline that does not run.
func (s *scene) store(all ...persistence.Message) {
	s.t.Helper()
	state, _, err := persistence.OpenState(s.app.home.State())
	require.NoError(s.t, err)
	defer state.Close()
	for _, m := range all {
		kept, err := state.Enqueue(m)
		require.NoError(s.t, err)
		m.ID = kept.ID
		require.NoError(s.t, state.Write(persistence.Batch{Put: []persistence.Message{m}}))
	}
}

func (s *scene) listen(name string, serve func(net.Listener)) {
	s.t.Helper()
	ln, err := net.Listen("tcp", free(s.t))
	require.NoError(s.t, err)
	s.leads[name] = ln.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() { serve(ln) })
	s.t.Cleanup(serving.Wait)
}

// dial leads the names to their listeners, and what is on this machine anyway to itself.
func (s *scene) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	to, ok := s.leads[addr]
	if host, _, _ := net.SplitHostPort(addr); host == "127.0.0.1" {
		to, ok = addr, true
	}
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, to)
	return farConn{conn, &s.latency}, err
}

// farConn is a connection to somewhere far away.
type farConn struct {
	net.Conn
	latency *atomic.Int64
}

func (c farConn) Write(b []byte) (int, error) {
	time.Sleep(2 * time.Duration(c.latency.Load()))
	return c.Conn.Write(b)
}

func (s *scene) probe(w http.ResponseWriter, r *http.Request) {
	if s.portal.Load() {
		http.Redirect(w, r, "http://portal.example/login", http.StatusFound)
		return
	}
	fmt.Fprint(w, "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>")
}

// mood changes the backend's manners, and the network's with them.
func (s *scene) mood(m demo.Mood) {
	s.portal.Store(m == demo.Captive || m == demo.CaptiveHTML)
	s.server.SetMood(m)
}

func (s *scene) do(c connection.Command) {
	s.t.Helper()
	require.NoError(s.t, s.app.line.Do(s.t.Context(), c))
}

// enter opens the window in a browser as the app would: by a file with a form.
func (s *scene) enter(b *browser, pane string) *tab {
	s.t.Helper()
	link, err := s.app.pages.Open(s.t.Context())
	require.NoError(s.t, err)
	path := filepath.Join(s.t.TempDir(), "window.html")
	require.NoError(s.t, os.WriteFile(path, link.Form(pane), 0o600))
	tab := b.open(s.t, "file://"+path)
	tab.until(ready)
	s.t.Cleanup(tab.leave)
	return tab
}

// ready is true once the page has heard of the line.
const ready = "document.documentElement.dataset.ready"

// status waits until the overview shows a state.
func (t *tab) status(state string) {
	t.t.Helper()
	states := map[string][]string{"connected": {"connected", "poor"}}[state] // the machine may be busy
	if states == nil {
		states = []string{state}
	}
	t.until(quote(strings.Join(states, " ")) + ".split(' ').includes(document.querySelector('#hero')?.dataset.state)")
}

// rest lets what was asked for arrive and be drawn.
func (t *tab) rest() {
	t.t.Helper()
	t.eval("new Promise(r => setTimeout(r, 250))", nil)
}

// evilPage serves an empty page at another port of the same host.
func evilPage(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>x</title><body>")
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) })
	t.Cleanup(func() { server.Close(); serving.Wait() })
	return ln.Addr().String()
}
