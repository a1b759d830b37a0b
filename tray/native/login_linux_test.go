package native

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// GLib is the judge of how the entry is quoted: it is what desktops start it with.
func TestTheEntryStartsAnyPath(t *testing.T) {
	need(t, "gio")
	said := filepath.Join(t.TempDir(), "said")
	program := filepath.Join(t.TempDir(), "a b", `c$d"e`, "handline")
	require.NoError(t, os.MkdirAll(filepath.Dir(program), 0o755))
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho \"$0 $*\" > '"+said+".new' && mv '"+said+".new' '"+said+"'\n"), 0o755))
	l := newItem(t, "linux", program)
	require.NoError(t, l.Install())
	out, err := exec.Command("gio", "launch", l.Path()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	eventually(t, "the program runs", func() error {
		got, err := os.ReadFile(said)
		if err == nil && string(got) != program+" run\n" {
			err = fmt.Errorf("it was started as %q", got)
		}
		return err
	})
}
