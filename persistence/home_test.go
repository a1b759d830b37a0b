package persistence

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// privateDir is t.TempDir with the mode that a home must have.
func privateDir(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	return dir
}

func TestHomeNamed(t *testing.T) {
	t.Setenv("HANDLINE_HOME", filepath.Join(privateDir(t), "environment"))
	h, err := OpenHome("")
	require.NoError(t, err)
	require.Equal(t, os.Getenv("HANDLINE_HOME")+"/config.json", h.Config())

	dir := filepath.Join(privateDir(t), "a b", "home")
	h, err = OpenHome(dir)
	require.NoError(t, err, "the option wins over the environment")
	require.Equal(t, dir+"/config.json", h.Config())
	require.Equal(t, dir+"/state.db", h.State())
	require.Equal(t, dir+"/handline.sock", h.Socket())
	require.Equal(t, dir+"/logs", h.Logs())
	for _, d := range []string{dir, h.Logs()} {
		fi, err := os.Stat(d)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), fi.Mode().Perm(), d)
	}
}

func TestHomeXDG(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the XDG directories are for Linux")
	}
	user := privateDir(t)
	t.Setenv("HANDLINE_HOME", "")
	t.Setenv("HOME", user)
	t.Setenv("XDG_CONFIG_HOME", "relative, so ignored")
	t.Setenv("XDG_STATE_HOME", "")
	h, err := OpenHome("")
	require.NoError(t, err)
	require.Equal(t, user+"/.config/handline/config.json", h.Config())
	require.Equal(t, user+"/.local/state/handline/state.db", h.State())
	require.Equal(t, user+"/.local/state/handline/logs", h.Logs())

	t.Setenv("XDG_STATE_HOME", user+"/state")
	h, err = OpenHome("")
	require.NoError(t, err)
	require.Equal(t, user+"/state/handline/state.db", h.State())
}

func TestHomeRefused(t *testing.T) {
	open := filepath.Join(t.TempDir(), "it's open")
	require.NoError(t, os.Mkdir(open, 0o755))
	require.NoError(t, os.Chmod(open, 0o755))
	_, err := OpenHome(open)
	require.ErrorContains(t, err, `(mode 0755); run: chmod 700 '`+filepath.Dir(open)+`/it'\''s open'`)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = OpenHome(file)
	require.ErrorContains(t, err, "not a directory")
}

func TestHomeOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	dir := privateDir(t)
	require.NoError(t, os.Chown(dir, 4711, -1))
	_, err := OpenHome(dir)
	require.ErrorContains(t, err, "belongs to another user (uid 4711); choose another place with --home")
}

func TestSocketOfALongHome(t *testing.T) {
	t.Setenv("TMPDIR", privateDir(t))
	one, err := OpenHome(filepath.Join(privateDir(t), strings.Repeat("long/", 20)))
	require.NoError(t, err)
	two, err := OpenHome(filepath.Join(privateDir(t), strings.Repeat("long/", 20)))
	require.NoError(t, err)
	require.LessOrEqual(t, len(one.Socket()), 100)
	require.NotEqual(t, one.Socket(), two.Socket(), "each home has its own")
	fi, err := os.Stat(filepath.Dir(one.Socket()))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), fi.Mode().Perm())

	require.NoError(t, os.RemoveAll(filepath.Dir(one.Socket())))
	require.NoError(t, os.Symlink(privateDir(t), filepath.Dir(one.Socket())))
	_, err = OpenHome(filepath.Join(privateDir(t), strings.Repeat("long/", 20)))
	require.ErrorContains(t, err, "is a link")
}

func TestOneInstanceAHome(t *testing.T) {
	h, err := OpenHome(privateDir(t))
	require.NoError(t, err)
	release, err := h.Lock()
	require.NoError(t, err)
	_, err = h.Lock()
	require.Equal(t, ErrRunning{PID: os.Getpid()}, err)
	release()
	release, err = h.Lock()
	require.NoError(t, err)
	release()
}
