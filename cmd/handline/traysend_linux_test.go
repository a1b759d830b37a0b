package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/stretchr/testify/require"

	"handline/diagnostics"
	"handline/persistence"
)

// menuBar is the side of a desktop with which an icon registers, on a bus of its own.
type menuBar struct {
	bus   *dbus.Conn
	items chan string
}

const watcher = "org.kde.StatusNotifierWatcher"

// RegisterStatusNotifierItem is what an icon calls.
func (p menuBar) RegisterStatusNotifierItem(_ string, from dbus.Sender) *dbus.Error {
	p.items <- string(from)
	return nil
}

func newMenuBar(t *testing.T, address string) menuBar {
	daemon := exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--address="+address)
	require.NoError(t, daemon.Start())
	t.Cleanup(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	p := menuBar{items: make(chan string, 8)}
	require.Eventually(t, func() (up bool) {
		var err error
		p.bus, err = dbus.Connect(address)
		return err == nil
	}, patience, tick)
	t.Cleanup(func() { _ = p.bus.Close() })
	require.NoError(t, p.bus.Export(p, "/StatusNotifierWatcher", watcher))
	_, err := prop.Export(p.bus, "/StatusNotifierWatcher", prop.Map{watcher: {
		"IsStatusNotifierHostRegistered": {Value: true}, "RegisteredStatusNotifierItems": {Value: []string{}},
	}})
	require.NoError(t, err)
	_, err = p.bus.RequestName(watcher, dbus.NameFlagDoNotQueue)
	require.NoError(t, err)
	return p
}

// choose clicks the row with a label in an icon's menu.
func (p menuBar) choose(t *testing.T, item, label string) {
	t.Helper()
	path, err := p.bus.Object(item, "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem.Menu")
	require.NoError(t, err)
	menu := p.bus.Object(item, path.Value().(dbus.ObjectPath))
	require.Eventually(t, func() bool {
		id, err := rowOf(menu, label)
		return err == nil && menu.Call("com.canonical.dbusmenu.Event", 0, id, "clicked", dbus.MakeVariant(""), uint32(0)).Err == nil
	}, patience, tick, label)
}

// rowOf finds a row that is shown.
func rowOf(menu dbus.BusObject, label string) (int32, error) {
	type layout struct {
		ID    int32
		Props map[string]dbus.Variant
		Rows  []dbus.Variant
	}
	var revision uint32
	var root layout
	if err := menu.Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(1), []string{}).Store(&revision, &root); err != nil {
		return 0, err
	}
	for _, v := range root.Rows {
		var r layout
		if err := v.Store(&r); err != nil {
			return 0, err
		}
		if shown, told := r.Props["visible"]; r.Props["label"].Value() == label && (!told || shown.Value() == true) {
			return r.ID, nil
		}
	}
	return 0, errors.New("there is no such row")
}

// started runs the built program with an icon in the menu bar, and gives the icon's name on the bus. bin comes first on
// the program's PATH.
func (p menuBar) started(t *testing.T, address, home, bin string) (item string, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.Command("handline", "--home", home, "run")
	cmd.Env = append(os.Environ(), "DBUS_SESSION_BUS_ADDRESS="+address, "XDG_RUNTIME_DIR=", "DISPLAY=:none", "WAYLAND_DISPLAY=",
		"PATH="+bin+":"+os.Getenv("PATH"))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	select {
	case item = <-p.items:
	case <-time.After(patience):
		t.Fatal("no icon has registered")
	}
	return item, cmd
}

// A host asks the item itself whether a left click is for its menu, and tells it of the click otherwise.
func TestALeftClickDoesWhatTheSettingSays(t *testing.T) {
	t.Parallel()
	need(t, "dbus-daemon")
	for click, menu := range map[string]bool{"": false, "act": false, "menu": true} {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o700))
		address := "unix:path=" + filepath.Join(dir, "bus")
		p := newMenuBar(t, address)
		home, err := persistence.OpenHome(filepath.Join(dir, "home"))
		require.NoError(t, err)
		if click != "" {
			require.NoError(t, os.WriteFile(home.Config(), fmt.Appendf(nil, `{"version": 1, "iconClick": %q}`, click), 0o600))
		}
		item, cmd := p.started(t, address, filepath.Join(dir, "home"), dir)
		got, err := p.bus.Object(item, "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem.ItemIsMenu")
		require.NoError(t, err)
		require.Equal(t, menu, got.Value(), "iconClick %q", click)
		client := diagnostics.NewClient(home.Socket())
		require.Eventually(t, func() bool { _, err := client.Status(t.Context()); return err == nil }, patience, tick) // after the icon
		require.NoError(t, client.Quit(t.Context()))
		require.NoError(t, cmd.Wait())
	}
}

// The built program on a real bus: "Send Message…" asks a browser for a window that opens at the message's box.
func TestTheMenuOpensTheMessageBox(t *testing.T) {
	t.Parallel()
	need(t, "dbus-daemon")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	address := "unix:path=" + filepath.Join(dir, "bus")
	p := newMenuBar(t, address)
	// Every browser that Handline knows begins with this name; this one only keeps what it was given.
	asked := filepath.Join(dir, "asked.html")
	browser := fmt.Sprintf("#!/bin/sh\ncp \"${1#--app=file://}\" %[1]s.new && mv %[1]s.new %[1]s\n", asked)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "google-chrome"), []byte(browser), 0o755))

	item, cmd := p.started(t, address, filepath.Join(dir, "home"), dir)
	p.choose(t, item, "Send Message…")
	var form []byte
	require.Eventually(t, func() (there bool) {
		var err error
		form, err = os.ReadFile(asked)
		return err == nil
	}, patience, tick, "a window was asked for")
	require.Contains(t, string(form), `name="pane" value="message"`)
	require.True(t, strings.Contains(string(form), `action="http://127.0.0.1:`))
	home, err := persistence.OpenHome(filepath.Join(dir, "home"))
	require.NoError(t, err)
	require.NoError(t, diagnostics.NewClient(home.Socket()).Quit(t.Context()))
	require.NoError(t, cmd.Wait())
}
