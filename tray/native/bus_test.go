//go:build linux

package native

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/tray"
)

// Every state as a host reads it: id, title, tooltip, picture and the whole menu.
func TestEveryStateOverTheBus(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "menu")
	h.arrive()
	require.Equal(t, "Handline", h.text("Id"))
	require.Equal(t, "Handline", h.text("Title"))
	require.Equal(t, "ApplicationStatus", h.text("Category"))
	require.Equal(t, "true", h.text("ItemIsMenu"))
	for _, s := range states() {
		a.order(order{Snapshot: &s.s})
		v := tray.Render(s.s, prefs(), time.Now())
		eventually(t, s.name, func() error {
			if got := h.drawn(); got != want(v) {
				return fmt.Errorf("want\n%s\ngot\n%s", want(v), got)
			}
			if got := h.tooltip(); got != v.Tooltip {
				return fmt.Errorf("tooltip %q", got)
			}
			return nil
		})
		m, err := png.Decode(bytes.NewReader(v.Icon.PNG()))
		require.NoError(t, err)
		got := h.pixmap()
		require.Equal(t, m.Bounds(), got.Bounds())
		opaque := 0
		for y := range 48 {
			for x := range 48 {
				r, g, b, alpha := m.At(x, y).RGBA()
				c := got.NRGBAAt(x, y)
				require.Equal(t, uint8(alpha>>8), c.A, "%s at %d,%d", s.name, x, y)
				if alpha == 0xffff { // of the others systray sends the colour dimmed by its alpha
					opaque++
					require.Equal(t, [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}, [3]uint8{c.R, c.G, c.B}, s.name)
				}
			}
		}
		require.Greater(t, opaque, 300, s.name)
	}
}

func TestClicksOverTheBus(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "act")
	h.arrive()
	require.Equal(t, "false", h.text("ItemIsMenu"))
	h.click("Set Up…")
	a.acts(tray.Click{Action: tray.SetUp})
	for _, s := range states() {
		a.order(order{Snapshot: &s.s})
		v := tray.Render(s.s, prefs(), time.Now())
		eventually(t, s.name, func() error {
			if h.drawn() != want(v) {
				return fmt.Errorf("another menu:\n%s", h.drawn())
			}
			return nil
		})
		for i, click := range v.Rows {
			if click.Hidden || click.Disabled || i == int(tray.RowConversation) || i == int(tray.RowQuit) {
				continue
			}
			h.click(strings.ReplaceAll(click.Label, "_", "__"))
			switch click.Action {
			case tray.Connect, tray.Reconnect, tray.Disconnect:
				a.does(map[tray.Action]string{tray.Connect: "Connect", tray.Reconnect: "Reconnect", tray.Disconnect: "Disconnect"}[click.Action])
			case tray.Cancel:
				a.does("Disconnect")
			default:
				a.acts(tray.Click{Action: click.Action, Arg: click.Arg})
			}
		}
		require.NoError(t, h.item.Call(itemIface+".Activate", 0, int32(1), int32(1)).Err)
		switch act := tray.Mending(s.s); act {
		case tray.Connect, tray.Reconnect:
			a.does(map[tray.Action]string{tray.Connect: "Connect", tray.Reconnect: "Reconnect"}[act])
		default:
			a.acts(tray.Click{Action: act})
		}
	}
	h.click("Quit Handline")
	a.acts(tray.Click{Action: tray.Quit})
	require.Zero(t, a.ends())
}

// The icon comes back after its host does, notifications or not: the shared connection is systray's alone.
func TestWatcherComesLateAndRestarts(t *testing.T) {
	b := newBus(t)
	a := b.app(t, "menu")
	a.says("ready", func(x answer) bool { return x.Ready })
	a.logs("AppIndicator extension")
	require.Equal(t, 1, strings.Count(a.logged.String(), "\n"), "one line: %s", a.logged)
	for range 3 {
		h := newHost(t, b)
		h.arrive()
		require.NoError(t, h.conn.Close())
	}
}

// A host that has missed the item is told of it again, by name; one that has it is not: that would be a second icon.
func TestAHostThatMissedTheItem(t *testing.T) {
	b := newBus(t)
	h := newHostThat(t, b, true)
	a := b.app(t, "menu")
	require.Equal(t, "/StatusNotifierItem", (<-h.registered).service)
	select {
	case r := <-h.registered:
		require.Equal(t, fmt.Sprintf("org.kde.StatusNotifierItem-%d-1", a.cmd.Process.Pid), r.service)
	case <-time.After(patience):
		t.Fatal("not told again")
	}
	require.NoError(t, h.conn.Close())
	h = newHost(t, b)
	h.arrive()
	select {
	case r := <-h.registered:
		t.Fatalf("told twice: %v", r)
	case <-time.After(2 * grace):
	}
}

func TestQuitInEveryState(t *testing.T) {
	for _, s := range states() {
		t.Run(s.name, func(t *testing.T) {
			b := newBus(t)
			h := newHost(t, b)
			a := b.app(t, "menu")
			a.order(order{Snapshot: &s.s})
			h.arrive()
			require.NoError(t, a.cmd.Process.Signal(syscall.SIGTERM))
			require.Zero(t, a.ends())
		})
	}
}

// The end of the session is an end with a reason, and no icon that nobody can see is kept alive.
func TestTheBusDies(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "menu")
	h.arrive()
	b.kill()
	x := a.says("returned", func(x answer) bool { return x.Returned != "" })
	require.Equal(t, ErrSessionOver.Error(), x.Returned)
	require.Equal(t, 4, a.ends())
}

// The bus goes while systray begins, which then has none to take leave of.
func TestTheBusDiesAtTheStart(t *testing.T) {
	for range 20 {
		b := newBus(t)
		a := b.app(t, "menu")
		a.says("ready", func(x answer) bool { return x.Ready })
		b.kill()
		require.Equal(t, 4, a.ends())
	}
}

func TestTheBusDiesInAStorm(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "menu")
	h.arrive()
	a.order(order{Storm: 100000})
	eventually(t, "the storm is on", func() error {
		if !strings.Contains(h.drawn(), "storm") {
			return fmt.Errorf("calm")
		}
		return nil
	})
	b.kill()
	require.Equal(t, 4, a.ends())
}

// A frozen bus answers nothing and refuses nothing. The app must end all the same.
func TestTheBusFreezes(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "menu")
	h.arrive()
	require.NoError(t, b.cmd.Process.Signal(syscall.SIGSTOP))
	a.order(order{Storm: 5000})
	a.says("stormed: nothing waits for the bus", func(x answer) bool { return x.Stormed })
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, a.ends())
}

func TestNoDesktopIsHeadless(t *testing.T) {
	mute, err := net.Listen("unix", t.TempDir()+"/mute")
	require.NoError(t, err)
	defer mute.Close()
	for name, address := range map[string]string{
		"no bus": "", "a bus that is gone": "unix:path=/nonexistent", "a bus that never answers": "unix:path=" + mute.Addr().String(),
		"a bus that would have to be started": "autolaunch:",
	} {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, "menu", "DBUS_SESSION_BUS_ADDRESS="+address)
			a.says("ready", func(x answer) bool { return x.Ready })
			a.logs("There is no icon: ")
			require.Equal(t, 1, strings.Count(a.logged.String(), "\n"), "one line: %s", a.logged)
			a.order(order{Storm: 100})
			a.says("stormed", func(x answer) bool { return x.Stormed })
			require.NoError(t, a.cmd.Process.Signal(syscall.SIGTERM))
			require.Zero(t, a.ends())
		})
	}
}

func TestBusAddress(t *testing.T) {
	dir := t.TempDir()
	_, err := busAddress("", dir)
	require.Error(t, err)
	require.NoError(t, os.WriteFile(dir+"/bus", nil, 0o600))
	for _, c := range [][3]string{
		{"unix:path=/x", dir, "unix:path=/x"}, {"", dir, "unix:path=" + dir + "/bus"}, {"autolaunch:", dir, "unix:path=" + dir + "/bus"},
	} {
		got, err := busAddress(c[0], c[1])
		require.NoError(t, err)
		require.Equal(t, c[2], got)
	}
	_, err = busAddress("", "")
	require.Error(t, err)
}

// Ten thousand changes of everything leave no more behind than ten.
func TestChangesLeakNothing(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "menu")
	h.arrive()
	stats := func() answer {
		a.order(order{Stats: true})
		return a.says("figures", func(x answer) bool { return x.Goroutines > 0 })
	}
	a.order(order{Storm: 200, Drawn: true})
	a.says("stormed", func(x answer) bool { return x.Stormed })
	before := stats()
	a.order(order{Storm: 10000, Drawn: true})
	a.says("stormed", func(x answer) bool { return x.Stormed })
	last := tray.Render(stormy(9999), prefs(), time.Now())
	eventually(t, "the last state is shown", func() error {
		if h.drawn() != want(last) {
			return fmt.Errorf("got\n%s", h.drawn())
		}
		return nil
	})
	after := stats()
	t.Logf("goroutines %d → %d, heap %d → %d bytes", before.Goroutines, after.Goroutines, before.Heap, after.Heap)
	require.LessOrEqual(t, after.Goroutines, before.Goroutines+2)
	require.Less(t, after.Heap, before.Heap+256<<10)
}

// service is a notification daemon of our own.
type service struct {
	markup bool
	got    chan notified
	next   uint32
}

type notified struct {
	app, title, body string
	replaces, id     uint32
	actions          []string
	urgency          byte
}

func (s *service) GetCapabilities() ([]string, *dbus.Error) {
	if s.markup {
		return []string{"body", "body-markup", "actions"}, nil
	}
	return []string{"body"}, nil
}

func (s *service) Notify(app string, replaces uint32, _, title, body string, actions []string, hints map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	urgency, _ := hints["urgency"].Value().(byte)
	id := replaces
	if id == 0 {
		s.next++
		id = s.next
	}
	s.got <- notified{app, title, body, replaces, id, actions, urgency}
	return id, nil
}

func TestNotifications(t *testing.T) {
	for _, markup := range []bool{true, false} {
		t.Run(fmt.Sprint("markup ", markup), func(t *testing.T) {
			b := newBus(t)
			s := &service{markup: markup, got: make(chan notified, 8)}
			require.NoError(t, b.conn.Export(s, notifyPath, notifyName))
			_, err := b.conn.RequestName(notifyName, dbus.NameFlagDoNotQueue)
			require.NoError(t, err)
			h := newHost(t, b)
			a := b.app(t, "menu")
			h.arrive()
			wrong := states()[5].s
			wrong.Cause.Advice = "Enter <b>another & better</b> key."
			a.order(order{Snapshot: &wrong})
			n := <-s.got
			require.Equal(t, "The server did not accept your key", n.title)
			require.Equal(t, "Handline", n.app)
			require.EqualValues(t, 2, n.urgency)
			if !markup {
				require.Equal(t, wrong.Cause.Advice, n.body)
				require.Empty(t, n.actions)
				return
			}
			require.Equal(t, "Enter &lt;b&gt;another &amp; better&lt;/b&gt; key.", n.body)
			require.Equal(t, []string{"default", "Open"}, n.actions)

			// A stranger's signals do not harm the watch for a new panel, and the click still arrives.
			require.NoError(t, b.conn.Emit(notifyPath, notifyName+".NotificationClosed", n.id, uint32(1)))
			require.NoError(t, b.conn.Emit(notifyPath, notifyName+".ActionInvoked", uint32(77), "default"))
			require.NoError(t, b.conn.Emit(notifyPath, notifyName+".ActionInvoked", n.id, "default"))
			a.acts(tray.Click{Action: tray.EnterKey})
			require.NoError(t, h.conn.Close())
			newHost(t, b).arrive()

			other := wrong
			other.Server = "https://elsewhere"
			a.order(order{Snapshot: &other})
			require.Equal(t, n.id, (<-s.got).replaces, "the same topic takes the same place")
			working, waiting := states()[2].s, states()[2].s
			waiting.Agent = "waiting"
			a.order(order{Snapshot: &working})
			a.order(order{Snapshot: &waiting})
			agent := <-s.got
			require.Zero(t, agent.replaces)
			require.EqualValues(t, 1, agent.urgency)
		})
	}
}

// No notification service, or a frozen one, costs notifications and nothing else.
func TestNotificationsThatCannotBeShown(t *testing.T) {
	b := newBus(t)
	h := newHost(t, b)
	a := b.app(t, "menu")
	h.arrive()
	a.order(order{Snapshot: &states()[5].s})
	a.logs("Notifications cannot be shown")
	h.click("Enter Key…")
	a.acts(tray.Click{Action: tray.EnterKey})
}

func TestLabel(t *testing.T) {
	require.Equal(t, "build__and__test", label("linux", "build_and_test"))
	require.Equal(t, "R&&D_", label("windows", "R&D_"))
	require.Equal(t, "R&D_", label("darwin", "R&D_"))
}

func TestBundle(t *testing.T) {
	inside := "/Applications/Handline.app/Contents/MacOS/handline"
	require.Equal(t, "/Applications/Handline.app", Bundle(inside))
	require.Empty(t, bundleAdvice("darwin", inside))
	require.Empty(t, bundleAdvice("linux", "/usr/bin/handline"))
	require.Contains(t, bundleAdvice("darwin", "/usr/local/bin/handline"), "make app")
	require.NotContains(t, bundleAdvice("darwin", "/usr/local/bin/handline"), "\n")
	for _, place := range []string{"/Volumes/Handline", "/private/var/folders/9x/T/AppTranslocation/0815-4711/d"} {
		require.Contains(t, bundleAdvice("darwin", place+"/Handline.app/Contents/MacOS/handline"), "move it to Applications")
	}
}

// A link on the PATH leads into the bundle, and only that is worth a second start.
func TestALinkLeadsIntoTheBundle(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	inside := filepath.Join(dir, "Handline.app/Contents/MacOS/handline")
	require.NoError(t, os.MkdirAll(filepath.Dir(inside), 0o755))
	require.NoError(t, os.WriteFile(inside, nil, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "handline"), nil, 0o755))
	link, other := filepath.Join(dir, "link"), filepath.Join(dir, "other")
	require.NoError(t, os.Symlink(inside, link))
	require.NoError(t, os.Symlink(filepath.Join(dir, "handline"), other))
	require.Equal(t, inside, realProgram("darwin", link))
	require.Empty(t, realProgram("darwin", inside))
	require.Empty(t, realProgram("darwin", other))
	require.Empty(t, realProgram("linux", link))
	require.NoError(t, EnterBundle())
}

// The queue keeps the newest and never blocks, also when nobody takes anything.
// godbus closes the channel of signals when the bus goes. A bubble comes to rest only if nothing in it spins.
func TestTheTellerRestsWithoutABus(t *testing.T) {
	late := time.AfterFunc(time.Minute, func() { panic("the teller spins") })
	defer late.Stop()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		teller := &teller{sender: &sender{signals: make(chan *dbus.Signal)}, notices: make(chan tray.Notice)}
		close(teller.sender.signals)
		teller.done.Go(func() { teller.run(ctx) })
		synctest.Wait()
		cancel()
		teller.done.Wait()
	})
}

func TestNoticesNeverBlock(t *testing.T) {
	q := &teller{notices: make(chan tray.Notice, tellQueue)}
	for i := range 100 {
		q.add(tray.Notice{Title: fmt.Sprint(i)})
	}
	require.Len(t, q.notices, tellQueue)
	require.Equal(t, fmt.Sprint(100-tellQueue), (<-q.notices).Title)
}

func TestHeadlessReturnsWhatStartReturns(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	err := Run(context.Background(), Options{}, func(_ context.Context, b tray.Bar) error {
		b.Show(tray.Render(connection.Snapshot{}, tray.Prefs{}, time.Now()))
		b.Notify(tray.Notice{Title: "x"})
		require.Nil(t, b.Clicks())
		return fmt.Errorf("ended")
	})
	require.EqualError(t, err, "ended")
}
