package build_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// need skips where a program is missing, and fails where all of them are promised.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("packages for Linux are made and tried on Linux")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}

// sums checks SHA256SUMS in dir: every line is true, and these files are named.
func sums(t *testing.T, dir string, names ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	var named []string
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, ok, line)
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		is := sha256.Sum256(b)
		require.Equal(t, hex.EncodeToString(is[:]), sum, name)
		named = append(named, name)
	}
	require.ElementsMatch(t, names, named)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}

// files lists what is below dir but dpkg's own notes. Links count by where they lead.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && path == filepath.Join(dir, "var") {
			return fs.SkipDir
		}
		name, _ := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	}))
	return names
}

// The deb is installed into a root of its own, starts with a fresh desktop session, can be kept from it, and goes without
// a trace.
func TestDeb(t *testing.T) {
	need(t, "dpkg-deb", "dpkg", "tar", "Xvfb", "dbus-run-session", "gdbus", "xfce4-panel", "dex")
	out, root := t.TempDir(), t.TempDir()
	arch := runtime.GOARCH
	run(t, "./linux.sh", out, "1.2.3", arch)
	deb := filepath.Join(out, "handline_1.2.3_"+arch+".deb")
	sums(t, out, "handline-1.2.3-linux-"+arch+".tar.gz", filepath.Base(deb))
	listed := run(t, "tar", "-tzf", filepath.Join(out, "handline-1.2.3-linux-"+arch+".tar.gz"))
	for _, name := range []string{"handline", "handline.desktop", "handline.png", "LICENSE", "README.md"} {
		require.Contains(t, listed, "handline-1.2.3-linux-"+arch+"/"+name+"\n")
	}
	again := t.TempDir()
	run(t, "./linux.sh", again, "1.2.3", arch)
	first, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	require.NoError(t, err)
	second, err := os.ReadFile(filepath.Join(again, "SHA256SUMS"))
	require.NoError(t, err)
	require.Equal(t, string(first), string(second), "the same commit gives the same files")

	require.NoError(t, os.MkdirAll(filepath.Join(root, "var/lib/dpkg"), 0o755))
	for _, name := range []string{"updates", "info"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, "var/lib/dpkg", name), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644))
	before := files(t, root)
	dpkg := func(args ...string) {
		command := append([]string{"dpkg", "--root=" + root, "--force-not-root", "--force-bad-path", "--log=/dev/null"}, args...)
		if os.Getuid() != 0 {
			need(t, "fakeroot")
			command = append([]string{"fakeroot"}, command...)
		}
		run(t, command[0], command[1:]...)
	}
	dpkg("-i", deb)
	require.Contains(t, run(t, "dpkg", "--root="+root, "-s", "handline"), "Status: install ok installed")
	s := newSession(t, root)
	said := s.run()
	require.Contains(t, said, "not set up", "it has started, and dials nobody by itself")
	require.NotContains(t, said, "status: 4")

	require.Contains(t, s.command("handline", "service", "uninstall"), "does not start")
	require.Contains(t, s.run("NOTHING=1"), "status: 4", "the user's own word stands above the package's")
	require.Contains(t, s.command("handline", "service", "install"), "starts")
	require.Contains(t, s.command("handline", "uninstall", "--yes"), "Nothing of Handline is left")

	dpkg("-r", "handline")
	require.ElementsMatch(t, before, files(t, root))
	for _, name := range files(t, s.home) {
		require.NotContains(t, strings.ToLower(name), "handline")
	}
}

// session is a user of an installed root, and a screen.
type session struct {
	t    *testing.T
	home string
	env  []string
}

const panelConfig = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
 <property name="configver" type="int" value="2"/>
 <property name="panels" type="array"><value type="int" value="1"/>
  <property name="panel-1" type="empty"><property name="plugin-ids" type="array"><value type="int" value="1"/></property></property>
 </property>
 <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>`

func newSession(t *testing.T, root string) *session {
	t.Helper()
	s := &session{t: t, home: t.TempDir()}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	require.NoError(t, x.Start())
	t.Cleanup(func() { _ = x.Process.Kill(); _ = x.Wait() })
	w.Close()
	display, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	panel := filepath.Join(s.home, "config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml")
	require.NoError(t, os.MkdirAll(filepath.Dir(panel), 0o755))
	require.NoError(t, os.WriteFile(panel, []byte(panelConfig), 0o644))
	runtimeDir := filepath.Join(s.home, "run")
	require.NoError(t, os.Mkdir(runtimeDir, 0o700))
	s.env = []string{
		"HOME=" + s.home, "XDG_CONFIG_HOME=" + s.home + "/config", "XDG_STATE_HOME=" + s.home + "/state",
		"XDG_CACHE_HOME=" + s.home + "/cache", "XDG_DATA_HOME=" + s.home + "/data", "XDG_RUNTIME_DIR=" + runtimeDir,
		"XDG_CONFIG_DIRS=" + root + "/etc/xdg", "XDG_DATA_DIRS=" + root + "/usr/share:/usr/share",
		"PATH=" + root + "/usr/bin:/usr/bin:/bin", "DISPLAY=:" + strings.TrimSpace(display),
		"NO_AT_BRIDGE=1", "GTK_A11Y=none", "GSETTINGS_BACKEND=memory", "LC_ALL=C.UTF-8",
	}
	return s
}

// run lives one session and gives what was said in it.
func (s *session) run(env ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dbus-run-session", "--", "/bin/sh", "testdata/session.sh")
	cmd.Env = append(s.env, env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

func (s *session) command(name string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command("/usr/bin/env", append([]string{name}, args...)...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

func TestLinuxScriptRefusesWhatItCannotMake(t *testing.T) {
	need(t, "sh")
	require.Error(t, exec.Command("./linux.sh", t.TempDir(), "1.2.3", "mips").Run())
	require.Error(t, exec.Command("./linux.sh", t.TempDir(), "v1").Run())
}
