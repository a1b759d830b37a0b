package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/diagnostics"
)

// The home's disk fills up while the built program has a line: what cannot be stored is not taken and not sent, the line
// stays, and there is no doubt about either.
func TestAMessageOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "only root can mount a small disk")
	}
	disk := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m,mode=0700"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, 0)) })
	server, at := plays(t, demo.Options{Dialect: demo.V0, Mood: demo.Quiet})
	a := newTyped(t, nil)
	a.home = filepath.Join(disk, "home")
	a.client = diagnostics.NewClient(filepath.Join(a.home, "handline.sock"))
	a.run()
	a.must("connect", demo.DefaultConversation, "--server", "http://"+at)

	filler := filepath.Join(disk, "filler")
	require.ErrorIs(t, os.WriteFile(filler, make([]byte, 2<<20), 0o600), syscall.ENOSPC)
	text := strings.Repeat("long enough ", 20_000)
	code, said := a.types(text, "send", "-")
	require.Equal(t, exitFailed, code, said)
	require.Contains(t, said, "The message could not be stored")
	require.Contains(t, said, "no space left on device")
	require.Contains(t, said, "Make room on the disk")
	require.Empty(t, a.must("outbox"), "what was not taken is nowhere")
	require.Empty(t, server.Asked(demo.DefaultConversation))
	require.Equal(t, connection.Connected, a.snapshot().Status)

	require.NoError(t, os.Remove(filler))
	code, said = a.types(text, "send", "-")
	require.Zero(t, code, said)
	require.Contains(t, said, "Confirmed.")
	require.Equal(t, []string{text}, server.Asked(demo.DefaultConversation))
}
