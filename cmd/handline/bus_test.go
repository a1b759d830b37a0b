//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"
)

// privateBus is a bus of the test's own, on which everybody may do everything, a connection to it, and its process.
func privateBus(t *testing.T) (address string, conn *dbus.Conn, daemon *exec.Cmd) {
	t.Helper()
	need(t, "dbus-daemon")
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	address = "unix:path=" + dir + "/bus"
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`, address), 0o600))
	daemon = exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog")
	require.NoError(t, daemon.Start())
	t.Cleanup(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	require.Eventually(t, func() (up bool) {
		var err error
		conn, err = dbus.Connect(address)
		return err == nil
	}, patience, tick)
	t.Cleanup(func() { _ = conn.Close() })
	return address, conn, daemon
}
