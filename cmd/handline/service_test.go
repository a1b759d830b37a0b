package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/persistence"
	"handline/tray"
	"handline/tray/native"
)

// A click means what the user saw: a tick is taken away, and what was taken away elsewhere is not put back by it.
func TestTheMenuStartsHandlineAtLogin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it would change the login items of whoever runs the test")
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_DIRS", t.TempDir())
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	home, err := persistence.OpenHome(dir)
	require.NoError(t, err)
	a, err := join(home, world{
		dial:    func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody is dialled") },
		secrets: persistence.Memory(),
	}, "")
	require.NoError(t, err)
	defer a.close()
	require.False(t, a.prefs().LoginItem, "what has no login item offers none")
	a.login, err = native.NewLoginItem()
	require.NoError(t, err)
	require.True(t, a.prefs().LoginItem)
	require.False(t, a.prefs().AtLogin)

	ctx, stop := context.WithCancel(t.Context())
	clicks, news, out := make(chan tray.Click), make(chan connection.Snapshot), make(chan tray.Prefs, 1)
	done := make(chan struct{})
	go func() { defer close(done); a.runErrands(ctx, clicks, news, out) }()
	defer func() { stop(); <-done }()

	clicks <- tray.Click{Action: tray.ToggleLogin}
	require.True(t, (<-out).AtLogin)
	require.FileExists(t, a.login.Path())
	require.NoError(t, os.Remove(a.login.Path()))
	clicks <- tray.Click{Action: tray.ToggleLogin}
	require.False(t, (<-out).AtLogin)
	left, err := filepath.Glob(filepath.Dir(a.login.Path()) + "/*")
	require.NoError(t, err)
	require.Empty(t, left)

	autostart := filepath.Dir(a.login.Path())
	require.NoError(t, os.Remove(autostart))
	require.NoError(t, os.WriteFile(autostart, nil, 0o600), "a file stands in its way")
	clicks <- tray.Click{Action: tray.ToggleLogin}
	require.Equal(t, "Start at Login could not be changed: not a directory", (<-out).Hint, "the menu says why")
	require.NoError(t, os.Remove(autostart))
	clicks <- tray.Click{Action: tray.ToggleLogin}
	p := <-out
	require.True(t, p.AtLogin)
	require.Empty(t, p.Hint)
}
