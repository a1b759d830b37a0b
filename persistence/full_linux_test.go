package persistence

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smallDisk gives a directory on a disk of 256 KiB, and a function that fills the disk to the last byte. It needs root.
func smallDisk(t *testing.T) (dir string, fill func() (empty func())) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir = t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0700"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir, func() func() {
		path := filepath.Join(dir, "filler")
		require.ErrorIs(t, os.WriteFile(path, make([]byte, 1<<20), 0o600), syscall.ENOSPC)
		return func() { require.NoError(t, os.Remove(path)) }
	}
}

func TestFullDisk(t *testing.T) {
	dir, fill := smallDisk(t)
	config, state := filepath.Join(dir, "config.json"), filepath.Join(dir, "state.db")
	require.NoError(t, SaveConfig(config, Default()))
	s := openTest(t, state)
	require.NoError(t, s.Write(place("41")))
	empty := fill()

	other, err := Default().Set("icon", "monochrome")
	require.NoError(t, err)
	err = SaveConfig(config, other)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "no space left on device")
	l, err := LoadConfig(config)
	require.NoError(t, err)
	require.Equal(t, Default(), l.Config, "the old configuration is whole")
	require.ElementsMatch(t, []string{"config.json", "filler", "state.db"}, names(t, dir))

	var notes []Entry
	for n := range timelineMax {
		notes = append(notes, entry(n))
	}
	batch := place("42")
	batch.Notes = notes
	err = s.Write(batch)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "saving the state: ")
	c, err := s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, "41", c.At, "all of a batch or nothing")
	require.Empty(t, s.Timeline(1, time.Time{}))

	empty()
	require.NoError(t, SaveConfig(config, other))
	batch.Notes = notes[:10]
	require.NoError(t, s.Write(batch))
	c, err = s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, "42", c.At)
}

func TestFullDiskQueuesNothing(t *testing.T) {
	dir, fill := smallDisk(t)
	s := openTest(t, filepath.Join(dir, "state.db"))
	empty := fill()
	_, err := s.Enqueue(message("c", strings.Repeat("x", MostTextBytes/4)))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Empty(t, outboxOf(t, s))
	empty()
	enqueue(t, s, message("c", "x"))
}

func TestFullDiskAtTheFirstStart(t *testing.T) {
	dir, fill := smallDisk(t)
	empty := fill()
	_, _, err := OpenState(filepath.Join(dir, "state.db"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	empty()
	s, _, err := OpenState(filepath.Join(dir, "state.db"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestSizeLimit is the full disk of those who are not root: no file may grow beyond 64 KiB.
func TestSizeLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openTest(t, path)
	require.NoError(t, s.Write(place("41")))
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: limit.Max}))
	t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)) })

	batch := place("42")
	for n := range 1000 {
		batch.Notes = append(batch.Notes, entry(n))
	}
	require.ErrorContains(t, s.Write(batch), "file too large")
	c, err := s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, "41", c.At)
	require.NoError(t, s.Write(place("43")), "what fits is still saved")
}

func TestReadOnlyHome(t *testing.T) {
	dir, _ := smallDisk(t)
	h, err := OpenHome(dir)
	require.NoError(t, err)
	require.NoError(t, SaveConfig(h.Config(), Default()))
	s, _, err := OpenState(h.State())
	require.NoError(t, err)
	require.NoError(t, s.Write(place("41")))
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600))
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	l, err := LoadConfig(h.Config())
	require.NoError(t, err, "reading needs no writing")
	require.Equal(t, Default(), l.Config)
	_, err = LoadConfig(filepath.Join(dir, "broken.json"))
	require.ErrorContains(t, err, "it could not be set aside")
	other, err := Default().Set("icon", "monochrome")
	require.NoError(t, err)
	for name, err := range map[string]error{
		"saving the configuration: ": SaveConfig(h.Config(), other),
		"opening the state: ":        openErr(OpenState(h.State())),
		"locking the home: ":         lockErr(h.Lock()),
	} {
		require.ErrorIs(t, err, syscall.EROFS)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "read-only file system")
	}

	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=256k"))
	s = openTest(t, h.State())
	c, err := s.Cursor(server, "c")
	require.NoError(t, err)
	require.Equal(t, "41", c.At)
}

func lockErr(_ func(), err error) error { return err }

func openErr(_ *State, _ string, err error) error { return err }
