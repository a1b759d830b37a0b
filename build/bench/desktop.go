//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

const watcher = "org.kde.StatusNotifierWatcher"

// desktop is a private session bus with a panel on it that takes every icon, and a screen for those that need one.
type desktop struct {
	daemon     *child
	conn       *dbus.Conn
	registered chan time.Time
	screen     *exec.Cmd // nil = none
	env        []string  // for the programs that are to live on it
}

// RegisterStatusNotifierItem is what an icon calls.
func (d *desktop) RegisterStatusNotifierItem(string) *dbus.Error {
	select {
	case d.registered <- time.Now():
	default:
	}
	return nil
}

func (l *lab) desktop() (*desktop, error) {
	config, address := filepath.Join(l.dir, "bus.conf"), "unix:path="+filepath.Join(l.dir, "bus")
	err := os.WriteFile(config, fmt.Appendf(nil, `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`, address), 0o600)
	if err != nil {
		return nil, err
	}
	d := &desktop{registered: make(chan time.Time, 1), env: []string{"DBUS_SESSION_BUS_ADDRESS=" + address, "DBUS_SYSTEM_BUS_ADDRESS=" + address}}
	if d.daemon, err = start(nil, "dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog"); err != nil {
		return nil, err
	}
	for end := time.Now().Add(5 * time.Second); d.conn == nil; time.Sleep(10 * time.Millisecond) {
		if d.conn, err = dbus.Connect(address); err != nil && time.Now().After(end) {
			d.close()
			return nil, err
		}
	}
	if err := d.conn.Export(d, "/StatusNotifierWatcher", watcher); err != nil {
		return d, err
	}
	if _, err := prop.Export(d.conn, "/StatusNotifierWatcher", prop.Map{watcher: {
		"IsStatusNotifierHostRegistered": {Value: true}, "RegisteredStatusNotifierItems": {Value: []string{}}, "ProtocolVersion": {Value: int32(0)},
	}}); err != nil {
		return d, err
	}
	_, err = d.conn.RequestName(watcher, dbus.NameFlagDoNotQueue)
	return d, err
}

// light turns a screen on.
func (d *desktop) light() error {
	d.screen = exec.Command("Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp")
	d.screen.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := d.screen.StdoutPipe()
	if err == nil {
		err = d.screen.Start()
	}
	if err != nil {
		d.screen = nil
		return err
	}
	number, err := bufio.NewReader(out).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	d.env = append(d.env, "DISPLAY=:"+strings.TrimSpace(number))
	return nil
}

func (d *desktop) close() {
	if d.conn != nil {
		d.conn.Close()
	}
	d.daemon.end()
	if d.screen != nil {
		d.screen.Process.Kill()
		d.screen.Wait()
	}
}
