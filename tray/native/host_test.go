//go:build linux

package native

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/stretchr/testify/require"

	"handline/tray"
)

const (
	itemIface = "org.kde.StatusNotifierItem"
	menuIface = "com.canonical.dbusmenu"
)

// patience is with what another process does next. It is no promise: machines that test are busy.
const patience = 3 * time.Minute

// need skips where a program is missing, and fails where all of them are promised.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}

// bus is a private dbus-daemon that starts nothing by itself.
type bus struct {
	address, dir string
	cmd          *exec.Cmd
	conn         *dbus.Conn
}

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

func newBus(t *testing.T) *bus {
	t.Helper()
	need(t, "dbus-daemon")
	b := &bus{dir: t.TempDir()}
	b.address = "unix:path=" + b.dir + "/bus"
	config := filepath.Join(b.dir, "bus.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, busConfig, b.dir), 0o600))
	b.cmd = exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog")
	require.NoError(t, b.cmd.Start())
	t.Cleanup(b.kill)
	eventually(t, "the bus answers", func() (err error) { b.conn, err = dbus.Connect(b.address); return err })
	return b
}

func (b *bus) kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// eventually polls until f gives no error. Real processes have no other clock to wait for.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("never: %s: %v", what, err)
}

// host is a panel's side: the watcher that items register with, and a reader of what they show.
type host struct {
	t          *testing.T
	conn       *dbus.Conn
	registered chan registration
	props      *prop.Properties
	deaf       bool // loses what is registered, as a host that comes at the wrong moment is missed
	item       dbus.BusObject
	menu       dbus.BusObject
}

type registration struct {
	service string // a path, as Ayatana's items say it, or a name, as KDE's do
	from    dbus.Sender
}

// RegisterStatusNotifierItem is what an item calls.
func (h *host) RegisterStatusNotifierItem(service string, from dbus.Sender) *dbus.Error {
	if !h.deaf {
		h.props.SetMust(watcherName, "RegisteredStatusNotifierItems", []string{string(from) + "/StatusNotifierItem"})
	}
	h.registered <- registration{service, from}
	return nil
}

func newHost(t *testing.T, b *bus) *host {
	t.Helper()
	return newHostThat(t, b, false)
}

func newHostThat(t *testing.T, b *bus, deaf bool) *host {
	t.Helper()
	conn, err := dbus.Connect(b.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	h := &host{t: t, conn: conn, registered: make(chan registration, 8), deaf: deaf}
	require.NoError(t, conn.Export(h, "/StatusNotifierWatcher", watcherName))
	h.props, err = prop.Export(conn, "/StatusNotifierWatcher", prop.Map{watcherName: {
		"IsStatusNotifierHostRegistered": {Value: true}, "RegisteredStatusNotifierItems": {Value: []string{}},
	}})
	require.NoError(t, err)
	reply, err := conn.RequestName(watcherName, dbus.NameFlagDoNotQueue)
	require.NoError(t, err)
	require.Equal(t, dbus.RequestNameReplyPrimaryOwner, reply)
	return h
}

// arrive waits for an item and its whole menu: the first answer of systray's menu holds the top level only.
func (h *host) arrive() {
	h.t.Helper()
	select {
	case r := <-h.registered:
		name := r.service
		if strings.HasPrefix(name, "/") {
			name = string(r.from)
		}
		h.item = h.conn.Object(name, "/StatusNotifierItem")
		h.menu = h.conn.Object(name, dbus.ObjectPath(h.text("Menu")))
	case <-time.After(patience):
		h.t.Fatal("no item has registered")
	}
	eventually(h.t, "a menu with its inner rows", func() error {
		if rows, err := h.rows(); err != nil || len(rows) < tray.Rows {
			return fmt.Errorf("%d rows, %v", len(rows), err)
		}
		return nil
	})
}

func (h *host) property(name string) dbus.Variant {
	h.t.Helper()
	v, err := h.item.GetProperty(itemIface + "." + name)
	require.NoError(h.t, err)
	return v
}

func (h *host) text(name string) string { return fmt.Sprint(h.property(name).Value()) }

func (h *host) tooltip() string {
	var tip struct {
		Name  string
		Icons []struct {
			W, H int32
			Pix  []byte
		}
		Title, Text string
	}
	require.NoError(h.t, h.property("ToolTip").Store(&tip))
	return tip.Title
}

// pixmap is the icon as the item sends it: rows of alpha, red, green, blue.
func (h *host) pixmap() *image.NRGBA {
	var all []struct {
		W, H int32
		Pix  []byte
	}
	require.NoError(h.t, h.property("IconPixmap").Store(&all))
	require.Len(h.t, all, 1)
	m := image.NewNRGBA(image.Rect(0, 0, int(all[0].W), int(all[0].H)))
	for i := 0; i < len(all[0].Pix); i += 4 {
		a := all[0].Pix[i:]
		copy(m.Pix[i:], []byte{a[1], a[2], a[3], a[0]})
	}
	return m
}

// row is one line of a menu as it came over the bus.
type row struct {
	id              int32
	label, kind     string
	enabled, hidden bool
	toggle          int32
	depth           int
}

type layout struct {
	ID    int32
	Props map[string]dbus.Variant
	Kids  []dbus.Variant
}

// rows reads the whole menu, without its separators.
func (h *host) rows() ([]row, error) {
	var revision uint32
	var root layout
	err := h.menu.Call(menuIface+".GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &root)
	if err != nil {
		return nil, err
	}
	var out []row
	var walk func(l layout, depth int) error
	walk = func(l layout, depth int) error {
		for _, v := range l.Kids {
			var k layout
			if err := v.Store(&k); err != nil {
				return err
			}
			r := row{id: k.ID, enabled: true, depth: depth}
			visible := true
			for name, to := range map[string]any{"label": &r.label, "type": &r.kind, "enabled": &r.enabled, "visible": &visible, "toggle-state": &r.toggle} {
				if p, ok := k.Props[name]; ok {
					if err := p.Store(to); err != nil {
						return err
					}
				}
			}
			r.hidden = !visible
			if r.kind != "separator" {
				out = append(out, r)
			}
			if err := walk(k, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return out, walk(root, 0)
}

// drawn is the menu as text, whole: hidden rows are left out.
func (h *host) drawn() string {
	rows, err := h.rows()
	require.NoError(h.t, err)
	var b strings.Builder
	for _, r := range rows {
		if !r.hidden {
			fmt.Fprintf(&b, "%*s%s enabled=%v checked=%v\n", r.depth*2, "", r.label, r.enabled, r.toggle == 1)
		}
	}
	return b.String()
}

// want is how a view must come over the bus.
func want(v tray.View) string {
	var b strings.Builder
	for i, r := range v.Rows {
		depth := 0
		if tray.RowID(i).Inside() {
			depth = 2
		}
		if !r.Hidden {
			fmt.Fprintf(&b, "%*s%s enabled=%v checked=%v\n", depth, "", strings.ReplaceAll(r.Label, "_", "__"), !r.Disabled, r.Checked)
		}
	}
	return b.String()
}

// click does what a host does when a row is chosen, once the row is there.
func (h *host) click(label string) {
	h.t.Helper()
	eventually(h.t, "a row "+label, func() error {
		rows, err := h.rows()
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.label == label && !r.hidden {
				return h.menu.Call(menuIface+".Event", 0, r.id, "clicked", dbus.MakeVariant(int32(0)), uint32(0)).Err
			}
		}
		return fmt.Errorf("%d others", len(rows))
	})
}

// app is a child process and what it says.
type app struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer
	logged  *lockedBuffer
	exited  chan struct{}
}

func startApp(t *testing.T, mode string, env ...string) *app {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	a := &app{t: t, cmd: exec.CommandContext(ctx, exe), answers: make(chan answer, 256), logged: &lockedBuffer{}, exited: make(chan struct{})}
	// systray races with itself (it reads its menu's version without its lock), so the child's own exit code stays out
	// of it, and its log is judged below.
	a.cmd.Env = append(append(os.Environ(), "GORACE=exitcode=0", "DISPLAY=", "XDG_RUNTIME_DIR=", childEnv+"="+mode), env...)
	a.cmd.Stderr = a.logged
	a.in, err = a.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := a.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, a.cmd.Start())
	go func() {
		defer close(a.exited)
		for s := bufio.NewScanner(out); s.Scan(); {
			var x answer
			if json.Unmarshal(s.Bytes(), &x) == nil {
				a.answers <- x
			}
		}
		_ = a.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-a.exited
		for _, report := range strings.Split(a.logged.String(), "WARNING: DATA RACE")[1:] {
			if strings.Contains(report, "handline/tray") {
				t.Errorf("a data race of ours:%s", report)
			}
		}
		if strings.Contains(a.logged.String(), "panic: ") {
			t.Errorf("the app panicked: %s", a.logged)
		}
	})
	return a
}

func (b *bus) app(t *testing.T, mode string, env ...string) *app {
	return startApp(t, mode, append([]string{"DBUS_SESSION_BUS_ADDRESS=" + b.address}, env...)...)
}

func (a *app) order(o order) {
	a.t.Helper()
	b, err := json.Marshal(o)
	require.NoError(a.t, err)
	_, err = a.in.Write(append(b, '\n'))
	require.NoError(a.t, err)
}

// says waits for an answer that is wanted, and gives it.
func (a *app) says(what string, wanted func(answer) bool) answer {
	a.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case x := <-a.answers:
			if wanted(x) {
				return x
			}
		case <-deadline:
			a.t.Fatalf("the app never said: %s\n%s", what, a.logged)
		}
	}
}

// logs waits for a line of its log.
func (a *app) logs(part string) {
	a.t.Helper()
	eventually(a.t, "the log tells", func() error {
		if !strings.Contains(a.logged.String(), part) {
			return fmt.Errorf("%q", a.logged)
		}
		return nil
	})
}

func (a *app) does(command string) {
	a.t.Helper()
	a.says(command, func(x answer) bool { return x.Do == "connection."+command })
}

func (a *app) acts(c tray.Click) {
	a.t.Helper()
	a.says(fmt.Sprint("action ", c), func(x answer) bool { return x.Act == c.Action && x.Arg == c.Arg })
}

// ends waits for the process and gives its exit code.
func (a *app) ends() int {
	a.t.Helper()
	select {
	case <-a.exited:
		return a.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		a.t.Fatalf("the app is still there\n%s", a.logged)
		return -1
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
