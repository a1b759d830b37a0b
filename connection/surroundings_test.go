package connection

import (
	"compress/flate"
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// A portal is looked for after two failures that smell of one, then every ten seconds, and the line comes back by itself.
func TestALoginPage(t *testing.T) {
	for name, mood := range map[string]demo.Mood{"that redirects": demo.Captive, "in place of the server": demo.CaptiveHTML} {
		t.Run(name, func(t *testing.T) {
			var looks atomic.Int32 // for the portal
			var loggedIn atomic.Bool
			inWorld(t, demo.Options{}, func(w *world) {
				w.stop()
				w.opt.Portal = func(context.Context) network.Portal {
					looks.Add(1)
					if loggedIn.Load() {
						return network.Portal{Verdict: network.WayOut}
					}
					return network.Portal{Verdict: network.LogIn, Open: "http://probe.example/"}
				}
				w.start()
				w.until(Connected, time.Minute)
				w.pass(time.Minute) // what was missed has come
				require.Zero(t, looks.Load(), "never while the line is well")

				before := len(w.pipe.Dials())
				w.server.SetMood(mood)
				w.until(Error, 10*time.Second)
				s := w.manager.Snapshot()
				require.Equal(t, Captive, s.Phase)
				require.Equal(t, "http://probe.example/", s.Portal)
				require.EqualValues(t, 1, looks.Load())
				require.Equal(t, 2, len(w.pipe.Dials())-before, "two dials were suspect, and then it waits")

				w.pass(time.Minute)
				require.EqualValues(t, 7, looks.Load(), "every ten seconds")
				require.Equal(t, 2, len(w.pipe.Dials())-before, "nothing is sent where a portal listens")
				w.do(Nudge{Link: true, Route: true})
				w.pass(time.Millisecond)
				require.EqualValues(t, 8, looks.Load(), "and at once on another link")

				loggedIn.Store(true)
				w.server.SetMood(demo.Steady)
				require.LessOrEqual(t, w.until(Connected, time.Minute), 11*time.Second)
				w.pass(10 * time.Minute)
				require.EqualValues(t, 9, looks.Load())
				w.server.SetMood(demo.Quiet)
				w.whole()
			})
		})
	}
}

// A portal may swallow what it cannot answer. A server that is off looks the same, and a probe may not be asked all day.
func TestAPortalThatSwallows(t *testing.T) {
	var looks atomic.Int32
	var portal atomic.Bool
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.stop()
		w.opt.Portal = func(context.Context) network.Portal {
			looks.Add(1)
			if portal.Load() {
				return network.Portal{Verdict: network.LogIn, Open: "http://probe.example/"}
			}
			return network.Portal{Verdict: network.WayOut}
		}
		w.start()
		w.until(Connected, time.Minute)
		w.pipe.Hang(true)
		w.pipe.Partition(true)
		w.pass(time.Hour)
		require.EqualValues(t, 1, looks.Load(), "the server is off")
		require.NotEqual(t, Captive, w.manager.Snapshot().Phase)

		portal.Store(true)
		w.do(Nudge{Link: true, Route: true})
		w.pass(30 * time.Second)
		require.Equal(t, Captive, w.manager.Snapshot().Phase, "another network, and one with a portal")
		portal.Store(false)
		w.pipe.Hang(false)
		w.pipe.Partition(false)
		require.LessOrEqual(t, w.until(Connected, time.Minute), 11*time.Second)
	})
}

func TestBehindNoPortal(t *testing.T) {
	for _, server := range []string{"http://192.168.1.20:3000", "http://nas.local:3000", "http://127.0.0.1:3000"} {
		l := begin(t, wire.Target{Server: server, Conversation: "c1", Dialect: wire.SocketIO})
		l.then(0, Connect{}, "Connecting...", "dial 1")
		for range 5 {
			l.m, l.did = l.m.step(moment{l.now, 0.5}, ended{l.m.session, network.Failure{Cause: network.NotABackend, Suspect: true}})
			require.Empty(t, says(l.did), "nobody looks for a portal before %s", server)
			l.now = l.m.wakeAt(l.now)
			l.m, _ = l.m.step(moment{l.now, 0.5}, tick{})
		}
	}
}

// What was measured on one network says nothing of another.
func TestAnotherNetworkIsMeasuredAnew(t *testing.T) {
	l := begin(t, remote)
	l.up()
	require.Equal(t, 2*time.Second, l.m.pulse.timeout(0))
	l.then(time.Second, Nudge{Link: true, Route: true}, "Connected", "ping 1")
	require.Equal(t, firstPing, l.m.pulse.timeout(0))
	l.then(400*time.Millisecond, ponged{1, 400 * time.Millisecond}, "Connected", "")
	require.Equal(t, 400, l.m.snapshot().RTT)
}

// A line whose own address is gone is not doubted first: nothing can answer it.
func TestALineThatLostItsAddress(t *testing.T) {
	l := begin(t, remote)
	l.up()
	gone := Nudge{Link: true, Route: true, Stranded: true}
	l.then(time.Minute, Nudge{Link: true, Route: true, Stranded: true, Dark: true, Woke: time.Second}, "Connected", "ping 1")
	l.then(time.Second, gone, "Reconnecting (1/10)...", "hang up 1")
	require.Equal(t, network.Reset, l.m.snapshot().Cause.Code)
	l.due(150*time.Millisecond, "Reconnecting (1/10)...", "dial 2")
	l.then(0, ready{session: 2}, "Connected", "ping 2")

	// Run asks for the address that the live session comes from, and for no other.
	var asked []netip.Addr
	m := New(Options{Stranded: func(from netip.Addr) bool { asked = append(asked, from); return true }})
	here := netip.MustParseAddr("10.8.0.2")
	require.Equal(t, gone, m.measured(Nudge{Link: true, Route: true}, here))
	require.Equal(t, Nudge{Link: true}, m.measured(Nudge{Link: true}, netip.Addr{}), "no line is up")
	require.Equal(t, Nudge{Lid: true}, m.measured(Nudge{Lid: true}, here), "a lid moves nobody")
	require.Equal(t, []netip.Addr{here}, asked)
}

// A server that is restarted again and again closes with 1012 each time, and must not be hammered for it.
func TestACrashLoopThatClosesWith1012(t *testing.T) {
	for _, life := range []time.Duration{0, 5 * time.Second, 29 * time.Second, 40 * time.Second} {
		l := begin(t, remote)
		l.then(0, Connect{}, "Connecting...", "dial 1")
		end := l.now.Add(time.Hour)
		for l.now.Before(end) {
			n := l.m.session
			l.m, _ = l.m.step(moment{l.now, 0}, opened{session: n}) // chance throws the shortest delays
			l.m, _ = l.m.step(moment{l.now, 0}, ready{session: n})
			l.now = l.now.Add(life)
			l.m, _ = l.m.step(moment{l.now, 0}, ended{n, network.ClosedWith(1012, "service restart")})
			require.NotEqual(t, Stuck, l.m.phase)
			l.now = l.m.wakeAt(l.now)
			l.m, _ = l.m.step(moment{l.now, 0}, tick{})
			require.Equal(t, Dialing, l.m.phase)
			require.LessOrEqual(t, l.m.session, uint64(200), "dials in an hour of lives of %v", life)
		}
	}
}

// A line whose frames suddenly come late, and go on coming late, is slow and alive.
func TestALineThatBecomesSlowIsNeverGivenUp(t *testing.T) {
	for _, late := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
		for _, mood := range []demo.Mood{demo.Quiet, demo.Steady} {
			t.Run(late.String()+" "+mood.Name(), func(t *testing.T) {
				inWorld(t, demo.Options{Mood: mood}, func(w *world) {
					w.until(Connected, time.Minute)
					w.do(Look{For: 24 * time.Hour}) // the quickest pulse
					w.pass(time.Minute)
					for range 20 {
						w.pipe.Latency(late / 2) // of each way
						w.pass(47 * time.Second)
						w.pipe.Latency(0)
						w.pass(31 * time.Second)
					}
					require.Equal(t, Connected, w.manager.Snapshot().Status)
					require.Equal(t, 1, w.server.Dials())
				})
			})
		}
	}
}

// An hour with nobody looking. Every timer of an idle line is counted: the loop's own (each of its ticks asks Slept),
// the saver's pauses (one for each store), and the socket's deadlines that are left to fall due. The reader's and the
// session's other timers run only while something arrives or the greeting lasts.
func TestAnIdleHourSleepsWell(t *testing.T) {
	var ticks, fired atomic.Int64
	inWorld(t, demo.Options{Mood: demo.Quiet}, func(w *world) {
		w.stop()
		w.opt.Slept = func() time.Duration { ticks.Add(1); return 0 }
		raw := w.opt.Dialer.Raw
		w.opt.Dialer.Raw = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := raw(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &alarmed{Conn: conn, fired: &fired}, nil
		}
		w.start()
		w.until(Connected, time.Minute)
		w.pass(time.Minute)
		w.mu.Lock()
		ticks.Store(0)
		fired.Store(0)
		saves := len(w.saves) + len(w.notes)
		w.mu.Unlock()

		w.pass(time.Hour)
		w.mu.Lock()
		saves = len(w.saves) + len(w.notes) - saves
		w.mu.Unlock()
		t.Logf("%d ticks, %d stores, %d deadlines that fell due", ticks.Load(), saves, fired.Load())
		require.LessOrEqual(t, int(ticks.Load()+fired.Load())+saves, 300)
		require.GreaterOrEqual(t, ticks.Load(), int64(240), "a pulse every 15 s")
	})
}

// alarmed counts the deadlines of a connection that fall due.
type alarmed struct {
	net.Conn
	fired       *atomic.Int64
	mu          sync.Mutex
	read, write *time.Timer
}

func (a *alarmed) arm(t **time.Timer, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if *t != nil {
		(*t).Stop()
	}
	if *t = nil; !at.IsZero() {
		*t = time.AfterFunc(time.Until(at), func() { a.fired.Add(1) })
	}
}

func (a *alarmed) SetDeadline(at time.Time) error {
	a.arm(&a.read, at)
	a.arm(&a.write, at)
	return a.Conn.SetDeadline(at)
}

func (a *alarmed) SetReadDeadline(at time.Time) error {
	a.arm(&a.read, at)
	return a.Conn.SetReadDeadline(at)
}

func (a *alarmed) SetWriteDeadline(at time.Time) error {
	a.arm(&a.write, at)
	return a.Conn.SetWriteDeadline(at)
}

func (a *alarmed) Close() error {
	a.arm(&a.read, time.Time{})
	a.arm(&a.write, time.Time{})
	return a.Conn.Close()
}

// 64 MiB of zeroes are 64 KiB on the wire. The limit counts what comes out.
func TestABombIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := demo.NewPipe()
		ln := pipe.Listener()
		up := websocket.Upgrader{EnableCompression: true}
		offered, broke := make(chan string, 1), make(chan struct{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer ws.Close()
			offered <- r.Header.Get("Sec-WebSocket-Extensions")
			_ = ws.SetCompressionLevel(flate.BestCompression)
			_ = ws.WriteMessage(websocket.TextMessage, make([]byte, 64<<20))
			_, _, _ = ws.ReadMessage()
			close(broke)
		})}
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(ln) }()

		m := New(Options{
			Target: wire.Target{Server: "http://hands.example", Conversation: "c1", Dialect: wire.SocketIO}, Wanted: true,
			Dialer: network.Dialer{Raw: pipe.Dial}, Compress: func(u *url.URL) bool { return u.Hostname() == "hands.example" },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		require.Contains(t, <-offered, "permessage-deflate")
		<-broke
		synctest.Wait()
		require.Equal(t, network.TooBig, m.Snapshot().Cause.Code)
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, server.Close())
		<-served
	})
}
