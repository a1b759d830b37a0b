package window

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBrowserIsTheBestThereIs(t *testing.T) {
	for _, c := range []struct{ goos, has, want string }{
		{"linux", "chromium", `/bin/sh -c "$@" >/dev/null 2>&1 & sh chromium --app=file:///home/me/a%20b/window.html --window-size=960,700`},
		{"linux", "", `/bin/sh -c "$@" >/dev/null 2>&1 & sh xdg-open /home/me/a b/window.html`},
		{"darwin", "/Applications/Google Chrome.app", `/usr/bin/open -na /Applications/Google Chrome.app --args --app=file:///home/me/a%20b/window.html`},
		{"darwin", "", `/usr/bin/open /home/me/a b/window.html`},
		{"windows", "", `rundll32.exe url.dll,FileProtocolHandler /home/me/a b/window.html`},
	} {
		got := browser(c.goos, func(name string) bool { return name == c.has }, "/home/me/a b/window.html")
		require.Equal(t, c.want, strings.Join(got, " "), c.goos)
	}
}

func TestThereIsNoWindowWithoutADesktop(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere there is always a desktop")
	}
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	dir := t.TempDir()
	s := NewShower(dir)
	defer s.Close()
	require.ErrorIs(t, s.Show(Link{Form: []byte("secret")}), ErrNoDesktop)
	require.ErrorIs(t, Browse(t.Context(), "http://portal.example/"), ErrNoDesktop)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestOnlyTheWebIsBrowsed(t *testing.T) {
	for _, address := range []string{"file:///etc/passwd", "javascript:alert(1)", "-h", "", "http://", "ftp://example.com/"} {
		require.ErrorContains(t, Browse(t.Context(), address), "not one of the web", address)
	}
}

// The browser finds the link in a file that only the user can read, and nothing of it among its arguments.
func TestTheLinkTravelsInAPrivateFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in for a browser is a shell script")
	}
	dir, bin := t.TempDir(), t.TempDir()
	seen := filepath.Join(dir, "seen")
	script := "#!/bin/sh\necho \"$@\" > " + seen + ".new\nmv " + seen + ".new " + seen + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "chromium"), []byte(script), 0o700))
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	t.Setenv("DISPLAY", ":9")
	stale := filepath.Join(dir, "handline-window-1.html")
	require.NoError(t, os.WriteFile(stale, []byte("an old secret"), 0o600))
	require.NoError(t, os.Chtimes(stale, time.Time{}, time.Now().Add(-time.Minute)))
	s := NewShower(dir)
	require.NoError(t, s.Show(Link{Private: "http://127.0.0.1:1/x", Form: []byte("secret")}))
	var args []byte
	require.Eventually(t, func() bool { args, _ = os.ReadFile(seen); return args != nil }, 30*time.Second, 10*time.Millisecond)
	require.NotContains(t, string(args), "127.0.0.1")
	files, err := filepath.Glob(filepath.Join(dir, "handline-window-*.html"))
	require.NoError(t, err)
	require.Len(t, files, 1, "one that was left behind is gone")
	require.Contains(t, string(args), files[0])
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.False(t, s.Raise(""), "a browser's window cannot be raised")
	s.Close()
	require.NoFileExists(t, files[0])
}

// The native window's process gets the link first, then what to raise, and its input ends when Handline does.
func TestTheNativeWindowIsLedByItsInput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for a window is a shell command")
	}
	heard := filepath.Join(t.TempDir(), "heard")
	n, err := startChild(exec.Command("/bin/sh", "-c", "cat > "+heard), "http://127.0.0.1:1/x/enter?token=secret")
	require.NoError(t, err)
	require.True(t, n.raise("settings"))
	require.True(t, n.raise(""))
	n.close()
	text, err := os.ReadFile(heard)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1/x/enter?token=secret\nraise settings\nraise \n", string(text))
	require.False(t, n.raise(""), "it has gone")

	n, err = startChild(exec.Command("/bin/sh", "-c", "read link; exit"), "link")
	require.NoError(t, err)
	<-n.ended
	require.False(t, n.raise(""), "the person closed it")
	n.close()
}
