package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// workshop is a directory that goes when all tests have ended.
var workshop = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "handline-test-") })

var build = sync.OnceValues(func() (program string, err error) {
	dir, err := workshop()
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "handline")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w: %s", err, out)
	}
	return program, nil
})

// built is the program as people run it, built once for all tests.
func built(t *testing.T) string {
	t.Helper()
	program, err := build()
	require.NoError(t, err)
	return program
}

// cached is a directory that outlives the tests, for what npm and pip install.
func cached(t *testing.T, name string) string {
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	dir = filepath.Join(dir, "handline-test", name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}

// need skips where a program is missing; on CI that is a failure.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, p+" is not installed")
		}
	}
}

// missing skips for a reason that lies in the machine; on CI that is a failure.
func missing(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// unreachable matches what npm, pip and the agent-server's script say when there is no way to a package registry.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|from versions: none|[Cc]onnection|timed out|could not (be reached|fetch)`)

// installs runs what installs a real peer, which knows by itself whether it is there already. That no registry can be
// reached is nobody's failure, on CI neither, and is said loudly.
func installs(t *testing.T, what string, command ...string) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	switch {
	case err == nil:
	case unreachable.Match(out):
		t.Skipf("NOT TESTED against %s: no package registry could be reached: %s", what, out)
	default:
		missing(t, fmt.Sprintf("%s could not be installed: %v: %s", what, err, out))
	}
}

// installing is held by the one who installs: npm and pip must not write into one directory twice at a time.
var installing sync.Mutex

// once is a shell command that leaves a mark when it has ended well, and does nothing where the mark is.
func once(mark, command string) []string {
	return []string{"sh", "-c", `test -e "$0" || { eval "$1" && touch "$0"; }`, mark, command}
}
