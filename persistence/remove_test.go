package persistence

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAHomeGoesWithoutATrace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [home] *")
	h, err := OpenHome(dir)
	require.NoError(t, err)
	release, err := h.Lock()
	require.NoError(t, err)
	defer release()
	require.NoError(t, SaveConfig(h.Config(), Default()))
	s, _, err := OpenState(h.State())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	l, err := OpenLog(h.Logs())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, name := range []string{"config.json.bak", "state.db.corrupt-20260102T030405.000Z", "handline-window-1.html", "windows.json", "logs/handline.log.1"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, h.Remove())
	require.NoDirExists(t, dir)
}

// A home can be a directory that holds other things, too.
func TestWhatIsNotOursStays(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	diary := filepath.Join(dir, "diary.txt")
	require.NoError(t, os.WriteFile(diary, nil, 0o600))
	h, err := OpenHome(dir)
	require.NoError(t, err)
	require.NoError(t, SaveConfig(h.Config(), Default()))
	require.NoError(t, h.Remove())
	require.NoFileExists(t, h.Config())
	require.NoDirExists(t, h.Logs())
	require.FileExists(t, diary)
}

// A snap reads nothing in a hidden directory.
func TestABrowserMayReadWhatIsHandedOver(t *testing.T) {
	user, snaps := t.TempDir(), t.TempDir()
	state := filepath.Join(user, ".local", "state", "handline")
	t.Setenv("HOME", user)
	require.Equal(t, state, handover(state, filepath.Join(snaps, "none")))
	if runtime.GOOS != "linux" {
		user = state // there are no snaps
	}
	require.Equal(t, user, handover(state, snaps))
	t.Setenv("HOME", "")
	require.Equal(t, state, handover(state, snaps), "nobody knows where else")
}
