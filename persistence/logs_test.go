package persistence

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogRotates(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenLog(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	line := func(n int) string { return fmt.Sprintf("%06d %s", n, strings.Repeat("x", 1000)) }
	const lines = 7000 // 7 MB
	for n := range lines {
		_, err := l.Write([]byte(line(n) + "\n"))
		require.NoError(t, err)
	}
	require.Equal(t, []string{"handline.log", "handline.log.1", "handline.log.2", "handline.log.3", "handline.log.4"}, names(t, dir))
	for _, name := range names(t, dir) {
		fi, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.LessOrEqual(t, fi.Size(), int64(logSize))
		require.Equal(t, os.FileMode(0o600), fi.Mode().Perm())
	}

	tail, err := TailLog(dir, 3000)
	require.NoError(t, err)
	require.Len(t, tail, 3000, "over three files")
	require.Equal(t, line(lines-3000), tail[0])
	require.Equal(t, line(lines-1), tail[2999])
	all, err := TailLog(dir, lines)
	require.NoError(t, err)
	require.Equal(t, line(lines-len(all)), all[0], "no line is lost between two files")
}

func TestLogGoesOn(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "handline.log"), []byte("old\n"), 0o644))
	l, err := OpenLog(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	log := slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("first")
	tail, err := TailLog(dir, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"old", "level=INFO msg=first"}, tail)
	fi, err := os.Stat(filepath.Join(dir, "handline.log"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), fi.Mode().Perm())

	require.NoError(t, os.Remove(filepath.Join(dir, "handline.log")))
	log.Info("after it was deleted")
	tail, err = TailLog(dir, 10)
	require.NoError(t, err)
	require.Equal(t, []string{`level=INFO msg="after it was deleted"`}, tail)
	require.NoError(t, l.Close())
	log.Info("after Close")
	tail, err = TailLog(dir, 1)
	require.NoError(t, err)
	require.Equal(t, []string{`level=INFO msg="after Close"`}, tail)
}

func TestLogOfNothing(t *testing.T) {
	tail, err := TailLog(filepath.Join(t.TempDir(), "missing"), 10)
	require.NoError(t, err)
	require.Empty(t, tail)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "handline.log"), 0o700))
	_, err = OpenLog(dir)
	require.ErrorContains(t, err, "opening the log: ")
}
