//go:build linux

package native

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/tray"
)

// pictures keeps what was seen, for the README and for whoever wants to judge it.
var pictures = flag.String("pictures", "", "save screenshots into this directory")

// desk is a real desktop without a screen: Xvfb, xfce4-panel and dunst on a private bus.
type desk struct {
	*bus
	t   *testing.T
	env []string
}

const panelConfig = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
 <property name="configver" type="int" value="2"/>
 <property name="panels" type="array"><value type="int" value="1"/>
  <property name="panel-1" type="empty">
   <property name="position" type="string" value="p=6;x=0;y=0"/><property name="length" type="uint" value="100"/>
   <property name="position-locked" type="bool" value="true"/><property name="size" type="uint" value="32"/>
   <property name="icon-size" type="uint" value="22"/>
   <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
  </property>
 </property>
 <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>`

const dunstConfig = `[global]
 width=360
 origin=top-right
 offset=10x50
 markup=full
 format="<b>%s</b>\n%b"
 mouse_left_click=do_action, close_current
[urgency_critical]
 background="#123456"
`

const panelHeight = 32

func newDesk(t *testing.T) *desk {
	t.Helper()
	need(t, "Xvfb", "xfce4-panel", "dunst", "xdotool", "import")
	d := &desk{bus: newBus(t), t: t}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	d.start(x)
	w.Close()
	display, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); !strings.HasPrefix(name, "XDG_") && !strings.HasPrefix(name, "DBUS_") && name != "WAYLAND_DISPLAY" {
			d.env = append(d.env, e)
		}
	}
	d.env = append(d.env, "HOME="+d.dir, "XDG_CONFIG_HOME="+d.dir+"/config", "XDG_CACHE_HOME="+d.dir+"/cache", "XDG_DATA_HOME="+d.dir+"/data",
		"XDG_RUNTIME_DIR="+d.dir, "DISPLAY=:"+strings.TrimSpace(display), "DBUS_SESSION_BUS_ADDRESS="+d.address,
		"NO_AT_BRIDGE=1", "GTK_A11Y=none", "GSETTINGS_BACKEND=memory", "LC_ALL=C.UTF-8")
	d.write("config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml", panelConfig)
	d.write("config/dunst/dunstrc", dunstConfig)
	xfconfd, _ := filepath.Glob("/usr/lib/*/xfce4/xfconf/xfconfd")
	require.NotEmpty(t, xfconfd)
	d.start(exec.Command(xfconfd[0]))
	d.owned("org.xfce.Xfconf")
	d.start(exec.Command("dunst"))
	d.owned(notifyName)
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	name = filepath.Join(d.dir, name)
	require.NoError(d.t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(d.t, os.WriteFile(name, []byte(text), 0o644))
}

func (d *desk) start(c *exec.Cmd) *exec.Cmd {
	d.t.Helper()
	if d.env != nil {
		c.Env = d.env
	}
	require.NoError(d.t, c.Start())
	d.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

func (d *desk) owned(name string) {
	d.t.Helper()
	eventually(d.t, name+" is on the bus", func() error {
		var there bool
		if err := d.conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&there); err != nil || !there {
			return fmt.Errorf("%v %v", there, err)
		}
		return nil
	})
}

func (d *desk) panel() *exec.Cmd {
	d.t.Helper()
	c := d.start(exec.Command("xfce4-panel", "--disable-wm-check"))
	d.owned(watcherName)
	return c
}

func (d *desk) run(name string, args ...string) []byte {
	d.t.Helper()
	c := exec.Command(name, args...)
	c.Env = d.env
	out, err := c.Output()
	require.NoError(d.t, err, "%s %v", name, args)
	return out
}

func (d *desk) screen() *image.NRGBA {
	d.t.Helper()
	m, err := png.Decode(bytes.NewReader(d.run("import", "-window", "root", "png:-")))
	require.NoError(d.t, err)
	out := image.NewNRGBA(m.Bounds())
	draw.Draw(out, out.Rect, m, image.Point{}, draw.Src)
	return out
}

// seen waits until the screen is as wanted, and gives it.
func (d *desk) seen(what string, wanted func(*image.NRGBA) error) *image.NRGBA {
	d.t.Helper()
	var m *image.NRGBA
	eventually(d.t, what, func() error { m = d.screen(); return wanted(m) })
	return m
}

// keep saves a part of the screen, the panel and what hangs below it.
func (d *desk) keep(name string, m *image.NRGBA, part image.Rectangle) {
	if *pictures == "" {
		return
	}
	var b bytes.Buffer
	require.NoError(d.t, png.Encode(&b, m.SubImage(part)))
	require.NoError(d.t, os.WriteFile(filepath.Join(*pictures, name+".png"), b.Bytes(), 0o644))
}

func near(a color.NRGBA, tint uint32, far int) bool {
	off := 0
	for _, d := range []int{int(a.R) - int(tint>>16&255), int(a.G) - int(tint>>8&255), int(a.B) - int(tint&255)} {
		off = max(off, max(d, -d))
	}
	return off < far
}

// patch is the rectangle round all pixels of a tint within a part of the screen, and how many there are.
func patch(m *image.NRGBA, part image.Rectangle, tint uint32) (box image.Rectangle, n int) {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if near(m.NRGBAAt(x, y), tint, 12) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
				n++
			}
		}
	}
	return box, n
}

// looks are the shapes as a person would describe them: the tint, whether the middle is filled, and the top right too.
var looks = map[string]struct {
	tint             uint32
	middle, shoulder bool
}{
	"disconnected": {0x85858A, true, true},
	"connecting":   {0xAB7C00, true, false},
	"connected":    {0x23913F, true, true},
	"poor":         {0x23913F, false, true},
	"reconnecting": {0xAB7C00, false, false},
	"error":        {0xEB2A35, false, true},
}

// icon checks the panel's icon for a state and gives its place.
func icon(m *image.NRGBA, name string) (image.Rectangle, error) {
	l := looks[name]
	box, n := patch(m, image.Rect(0, 0, 800, panelHeight), l.tint)
	if n < 40 || box.Dx() < 11 || box.Dx() > 20 || box.Dy() < 11 || box.Dy() > 20 {
		return box, fmt.Errorf("%d pixels of %06X in %v", n, l.tint, box)
	}
	c := box.Min.Add(box.Max).Div(2)
	if got := near(m.NRGBAAt(c.X, c.Y), l.tint, 40); got != l.middle {
		return box, fmt.Errorf("middle filled: %v", got)
	}
	s := c.Add(image.Pt(box.Dx()*3/10, -box.Dy()*3/10))
	if got := near(m.NRGBAAt(s.X, s.Y), l.tint, 60); got != l.shoulder {
		return box, fmt.Errorf("top right filled: %v", got)
	}
	return box, nil
}

func (d *desk) shows(name string) (*image.NRGBA, image.Rectangle) {
	d.t.Helper()
	var box image.Rectangle
	m := d.seen("the icon "+name, func(m *image.NRGBA) (err error) { box, err = icon(m, name); return err })
	return m, box
}

// below counts the pixels under the panel that are not the empty root window.
func below(m *image.NRGBA) int {
	n := 0
	for y := panelHeight + 8; y < 400; y++ {
		for x := range 400 {
			if c := m.NRGBAAt(x, y); c.R > 8 || c.G > 8 || c.B > 8 {
				n++
			}
		}
	}
	return n
}

// hanging is the part of the screen from the icon to the far corner of what hangs below the panel.
func hanging(m *image.NRGBA) image.Rectangle {
	r := image.Rect(0, 0, 0, panelHeight)
	for y := panelHeight + 1; y < 400; y++ {
		for x := range 400 {
			if c := m.NRGBAAt(x, y); c.R > 128 {
				r = r.Union(image.Rect(0, 0, x+1, y+1))
			}
		}
	}
	return r
}

// open clicks the icon and waits for the menu.
func (d *desk) open(at image.Rectangle) *image.NRGBA {
	d.t.Helper()
	c := at.Min.Add(at.Max).Div(2)
	d.run("xdotool", "mousemove", fmt.Sprint(c.X), fmt.Sprint(c.Y), "click", "1")
	d.seen("the menu", func(m *image.NRGBA) error {
		if n := below(m); n < 20000 {
			return fmt.Errorf("%d pixels", n)
		}
		return nil
	})
	d.run("xdotool", "mousemove", "700", "500") // no row lights up by accident
	return d.still()
}

// still waits until two screens in a row are the same.
func (d *desk) still() *image.NRGBA {
	d.t.Helper()
	last := d.screen()
	return d.seen("a still screen", func(m *image.NRGBA) error {
		same := bytes.Equal(m.Pix, last.Pix)
		if last = m; !same {
			return fmt.Errorf("it moves")
		}
		return nil
	})
}

func (d *desk) closed() {
	d.t.Helper()
	d.seen("nothing below the panel", func(m *image.NRGBA) error {
		if n := below(m); n > 0 {
			return fmt.Errorf("%d pixels", n)
		}
		return nil
	})
}

// keys types one key after the other, each when the last has had its effect.
func (d *desk) keys(keys ...string) {
	d.t.Helper()
	for _, k := range keys {
		d.run("xdotool", "key", k)
		d.still()
	}
}

func (d *desk) app(t *testing.T, mode string) *app { return startApp(t, mode, d.env...) }

// Every state on a real panel: shape, tint, tooltip and menu; then the panel is killed, and the icon comes back.
func TestEveryStateOnAPanel(t *testing.T) {
	d := newDesk(t)
	p := d.panel()
	a := d.app(t, "menu")
	for _, s := range states() {
		a.order(order{Snapshot: &s.s})
		_, box := d.shows(s.name)
		c := box.Min.Add(box.Max).Div(2)
		var moved time.Time
		tip := d.seen("the tooltip", func(m *image.NRGBA) error {
			n := below(m)
			if n < 1000 && time.Since(moved) > 3*time.Second { // a panel that was busy may have missed the pointer's coming
				d.run("xdotool", "mousemove", "700", "500", "mousemove", fmt.Sprint(c.X), fmt.Sprint(c.Y))
				moved = time.Now()
			}
			if n < 1000 {
				return fmt.Errorf("%d pixels", n)
			}
			return nil
		})
		d.keep("tip-"+s.name, tip, image.Rect(0, 0, 620, 80))
		m := d.open(box)
		d.keep("menu-"+s.name, m, hanging(m))
		d.keys("Escape")
		d.closed()
	}

	require.NoError(t, p.Process.Signal(syscall.SIGKILL))
	_ = p.Wait()
	d.seen("no panel", func(m *image.NRGBA) error {
		if _, err := icon(m, "error"); err == nil {
			return fmt.Errorf("the icon is still there")
		}
		return nil
	})
	d.panel()
	d.shows("error")
}

func TestMenuByKeyboard(t *testing.T) {
	d := newDesk(t)
	d.panel()
	a := d.app(t, "menu")
	connected := states()[2]
	a.order(order{Snapshot: &connected.s})
	_, box := d.shows("connected")
	d.open(box)
	d.keys("Down", "Return") // the first row that can be chosen is the one that mends
	a.does("Reconnect")
	d.closed()
	d.open(box)
	d.keys("Down", "Down", "Down", "Right", "Down")
	d.keep("submenu", d.still(), image.Rect(0, 0, 620, 330))
	d.keys("Return")
	a.acts(tray.Click{Action: tray.Choose, Arg: "c-7700"})
	d.closed()
	d.open(box)
	d.keys("Up", "Return")
	a.acts(tray.Click{Action: tray.Quit})
	require.Zero(t, a.ends())
}

// With iconClick "act" a left click mends at once, and a right click opens the menu.
func TestClickOnTheIcon(t *testing.T) {
	d := newDesk(t)
	d.panel()
	a := d.app(t, "act")
	wrong := states()[0]
	a.order(order{Snapshot: &wrong.s})
	_, box := d.shows("disconnected")
	c := box.Min.Add(box.Max).Div(2)
	d.run("xdotool", "mousemove", fmt.Sprint(c.X), fmt.Sprint(c.Y), "click", "1")
	a.does("Connect")
	d.run("xdotool", "click", "3")
	d.seen("the menu", func(m *image.NRGBA) error {
		if n := below(m); n < 20000 {
			return fmt.Errorf("%d pixels", n)
		}
		return nil
	})
}

func TestNotificationOnADesktop(t *testing.T) {
	d := newDesk(t)
	d.panel()
	a := d.app(t, "menu")
	wrong := states()[5]
	wrong.s.Cause.Advice = "Enter a new key for <build & test>."
	a.order(order{Snapshot: &wrong.s})
	var box image.Rectangle
	m := d.seen("the notification", func(m *image.NRGBA) error {
		var n int
		if box, n = patch(m, image.Rect(200, panelHeight, 800, 400), 0x123456); n < 5000 {
			return fmt.Errorf("%d pixels", n)
		}
		return nil
	})
	d.keep("notification", m, image.Rect(400, 0, 800, 140))
	c := box.Min.Add(box.Max).Div(2)
	d.run("xdotool", "mousemove", fmt.Sprint(c.X), fmt.Sprint(c.Y), "click", "1")
	a.acts(tray.Click{Action: tray.EnterKey})

	// dunst has told the closing to our connection, and the watch for a new panel still works.
	lost := connection.Snapshot{Status: connection.Disconnected, Text: "Disconnected", Server: wrong.s.Server}
	a.order(order{Snapshot: &lost})
	d.shows("disconnected")
}
