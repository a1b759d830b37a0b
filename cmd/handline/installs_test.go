package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// cached is a directory that outlives the tests, for what npm and pip install.
func cached(t *testing.T, name string) string {
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	dir = filepath.Join(dir, "handline-test", name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}

// need skips where a program is missing; on CI that is a failure.
func need(t *testing.T, program string) {
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
}

func install(t *testing.T, mark string, command ...string) {
	if _, err := os.Stat(mark); err == nil {
		return
	}
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
