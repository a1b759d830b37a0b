package persistence

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/require"
)

// needs skips where a program is missing; in CI that is a failure.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}

// eventually polls until ok or 5 s have passed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 5*time.Second, 5*time.Millisecond, what)
}

const busConf = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`

// privateBus starts a session bus that activates nothing, and puts it into this test's environment.
func privateBus(t *testing.T) *dbus.Conn {
	t.Helper()
	needs(t, "dbus-daemon")
	dir := privateDir(t)
	conf := filepath.Join(dir, "bus.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, busConf, dir), 0o600))
	cmd := exec.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	start(t, cmd)
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(address))
	conn, err := dbus.Connect(strings.TrimSpace(address))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// start starts a program, and ends it with the test, frozen or not.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// keyringDaemon starts gnome-keyring-daemon with its files in dir, and unlocks the login keyring if password is its own;
// the first one given becomes it. The daemon itself crashes rarely at a new connection, so one that does not take a
// first look is started once more, and the log says so.
func keyringDaemon(t *testing.T, bus *dbus.Conn, dir, password string) *exec.Cmd {
	t.Helper()
	needs(t, "gnome-keyring-daemon")
	for attempt := 1; ; attempt++ {
		cmd := exec.Command("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_RUNTIME_DIR="+privateDir(t), "DISPLAY=")
		cmd.Stdin = strings.NewReader(password)
		start(t, cmd)
		eventually(t, "the daemon owns its name", func() (ok bool) {
			err := bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&ok)
			return err == nil && ok
		})
		var ignored dbus.Variant
		var session dbus.ObjectPath
		err := bus.Object("org.freedesktop.secrets", "/org/freedesktop/secrets").
			Call("org.freedesktop.Secret.Service.OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&ignored, &session)
		if err == nil {
			return cmd
		}
		require.Equal(t, 1, attempt, "gnome-keyring-daemon failed twice: %v", err)
		t.Logf("gnome-keyring-daemon crashed (%v); starting it once more", err)
		kill(t, bus, cmd)
	}
}

// kill ends the daemon, and waits until the bus knows.
func kill(t *testing.T, bus *dbus.Conn, cmd *exec.Cmd) {
	t.Helper()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "the name is free", func() bool {
		ok := true
		err := bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&ok)
		return err == nil && !ok
	})
}

func TestKeychain(t *testing.T) {
	bus, dir := privateBus(t), privateDir(t)
	keyringDaemon(t, bus, dir, "password")
	s := Keychain(KeychainOptions{})
	requireKey(t, s, server, "")
	require.NoError(t, s.Set(t.Context(), server, "key-1"))
	require.NoError(t, s.Set(t.Context(), server, "key-2 ä"), "it is replaced")
	require.NoError(t, s.Set(t.Context(), other, strings.Repeat("k", 8192)))

	s = Keychain(KeychainOptions{}) // as after a start: nothing is remembered
	requireKey(t, s, server, "key-2 ä")
	requireKey(t, s, other, strings.Repeat("k", 8192))
	require.NoError(t, s.Delete(t.Context(), server))
	require.NoError(t, s.Delete(t.Context(), server), "a missing key is removed already")
	requireKey(t, s, server, "")
	requireKey(t, Keychain(KeychainOptions{}), other, strings.Repeat("k", 8192))
	require.NoError(t, s.Set(t.Context(), server, "key-3"))
	require.NoError(t, s.DeleteAll(t.Context()))
	require.NoError(t, s.DeleteAll(t.Context()), "and neither do none at all matter")
	requireKey(t, s, server, "")
	requireKey(t, Keychain(KeychainOptions{}), other, "")

	files, err := filepath.Glob(dir + "/data/keyrings/*")
	require.NoError(t, err)
	require.NotEmpty(t, files, "the keys are in the keyring's own files")
}

func TestKeychainRemembers(t *testing.T) {
	bus := privateBus(t)
	daemon := keyringDaemon(t, bus, privateDir(t), "password")
	s := Keychain(KeychainOptions{})
	require.NoError(t, s.Set(t.Context(), server, "key"))
	requireKey(t, s, other, "")
	kill(t, bus, daemon)
	requireKey(t, s, server, "key")
	requireKey(t, s, other, "")
	require.NoError(t, s.AskAgain(t.Context()))
	_, err := s.Get(t.Context(), server)
	require.ErrorIs(t, err, ErrNoStore)
}

// A locked keyring is not a missing key. Without a desktop the prompt fails at once.
func TestKeychainLocked(t *testing.T) {
	bus, dir := privateBus(t), privateDir(t)
	daemon := keyringDaemon(t, bus, dir, "password")
	require.NoError(t, Keychain(KeychainOptions{}).Set(t.Context(), server, "key"))
	kill(t, bus, daemon)
	daemon = keyringDaemon(t, bus, dir, "another")

	s := Keychain(KeychainOptions{})
	_, err := s.Get(t.Context(), server)
	require.ErrorIs(t, err, ErrLocked)
	require.EqualError(t, err, "reading the key: the keychain is locked, and you were asked to unlock it")
	require.ErrorIs(t, s.Set(t.Context(), server, "key"), ErrLocked)
	require.ErrorIs(t, s.Delete(t.Context(), server), ErrLocked)

	kill(t, bus, daemon)
	keyringDaemon(t, bus, dir, "password")
	require.NoError(t, s.AskAgain(t.Context()))
	requireKey(t, s, server, "key")
}

// silent is a desktop whose prompt never ends.
type silent struct{ asked chan struct{} }

func (s silent) BeginPrompting(dbus.ObjectPath) *dbus.Error { close(s.asked); select {} }

func TestKeychainPromptHangs(t *testing.T) {
	bus, dir := privateBus(t), privateDir(t)
	daemon := keyringDaemon(t, bus, dir, "password")
	require.NoError(t, Keychain(KeychainOptions{}).Set(t.Context(), server, "key"))
	kill(t, bus, daemon)
	keyringDaemon(t, bus, dir, "another")
	desktop := silent{make(chan struct{})}
	require.NoError(t, bus.Export(desktop, "/org/gnome/keyring/Prompter", "org.gnome.keyring.internal.Prompter"))
	_, err := bus.RequestName("org.gnome.keyring.SystemPrompter", dbus.NameFlagDoNotQueue)
	require.NoError(t, err)

	begin := time.Now()
	_, err = Keychain(KeychainOptions{Prompt: time.Second}).Get(t.Context(), server)
	require.ErrorIs(t, err, ErrLocked)
	<-desktop.asked
	require.GreaterOrEqual(t, time.Since(begin), time.Second, "the person had their time")
	require.Less(t, time.Since(begin), 30*time.Second, "and not the minute they have by default")
	require.Empty(t, children(t), "the child is gone")
}

// A daemon that hangs costs its time and no more, and the key is neither in the child's arguments nor in its variables.
func TestKeychainFrozen(t *testing.T) {
	bus := privateBus(t)
	daemon := keyringDaemon(t, bus, privateDir(t), "password")
	require.NoError(t, daemon.Process.Signal(syscall.SIGSTOP))
	t.Setenv("HANDLINE_TOKEN", "planted-token")
	done := make(chan error, 1)
	begin := time.Now()
	go func() {
		done <- Keychain(KeychainOptions{Answer: 3 * time.Second}).Set(t.Context(), server, "planted-key")
	}()
	var pid string
	eventually(t, "the child runs", func() bool {
		all := children(t)
		if len(all) == 1 {
			pid = all[0]
		}
		return pid != ""
	})
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(filepath.Join("/proc", pid, name))
		require.NoError(t, err)
		require.NotEmpty(t, b)
		require.NotContains(t, string(b), "planted", name)
	}
	err := <-done
	require.ErrorIs(t, err, ErrNoStore)
	require.EqualError(t, err, "storing the key: there is no keychain that answers in time")
	require.Less(t, time.Since(begin), 9*time.Second, "it has 10 s by default")
	require.Empty(t, children(t))

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Keychain(KeychainOptions{}).Get(ctx, server)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, daemon.Process.Signal(syscall.SIGCONT))
	requireKey(t, Keychain(KeychainOptions{}), server, "")
}

// children gives the pids of this test's own secret children.
func children(t *testing.T) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		b, err := os.ReadFile(path)
		_, after, ok := strings.Cut(string(b), ") ") // state, parent, …
		fields := strings.Fields(after)
		if err != nil || !ok || len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid := filepath.Base(filepath.Dir(path))
		if cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(cmdline), "\x00__secret\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestKeychainAbsent(t *testing.T) {
	privateBus(t)
	_, err := Keychain(KeychainOptions{}).Get(t.Context(), server)
	require.ErrorIs(t, err, ErrNoStore, "a bus and no daemon")

	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	_, err = Keychain(KeychainOptions{}).Get(t.Context(), server)
	require.ErrorIs(t, err, ErrNoStore, "an address and no bus")

	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	for _, address := range []string{"", "autolaunch:"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		_, err = Keychain(KeychainOptions{Executable: "/nonexistent"}).Get(t.Context(), server)
		require.EqualError(t, err, "reading the key: there is no keychain: no session bus is known", "and no child is started")
	}
}

// The desktop session's own bus is found without a variable.
func TestKeychainFindsTheBus(t *testing.T) {
	bus := privateBus(t)
	keyringDaemon(t, bus, privateDir(t), "password")
	dir := strings.TrimPrefix(strings.Split(os.Getenv("DBUS_SESSION_BUS_ADDRESS"), ",")[0], "unix:path=")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Dir(dir))
	require.NoError(t, Keychain(KeychainOptions{}).Set(t.Context(), server, "key"))
}

// A daemon that never made a keyring has no key, and takes none.
func TestKeychainWithoutKeyring(t *testing.T) {
	bus, dir := privateBus(t), privateDir(t)
	cmd := exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_RUNTIME_DIR="+dir, "DISPLAY=")
	needs(t, "gnome-keyring-daemon")
	start(t, cmd)
	eventually(t, "the daemon owns its name", func() (ok bool) {
		err := bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&ok)
		return err == nil && ok
	})
	s := Keychain(KeychainOptions{})
	requireKey(t, s, server, "")
	require.NoError(t, s.Delete(t.Context(), server))
	err := s.Set(t.Context(), server, "key")
	require.ErrorIs(t, err, ErrNoStore)
	require.ErrorContains(t, err, "no keyring has been made yet")
}

func TestSecretChildRefuses(t *testing.T) {
	require.Equal(t, 2, SecretChild(nil, strings.NewReader(""), io.Discard))
	require.Equal(t, 2, SecretChild([]string{"get"}, strings.NewReader(""), io.Discard))
}
