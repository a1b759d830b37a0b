//go:build unix

package main

import (
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Another user of the computer gets neither at the socket, also where the home is open to them, nor through the page's
// port, which everybody can reach.
func TestAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		missing(t, "only root can be somebody else")
	}
	need(t, "curl")
	a := newClinic(t).app("")
	runs(t, a)
	socket := a.home.Socket()

	curl := func(uid uint32, args ...string) string {
		cmd := exec.Command("curl", append([]string{"-sv", "--max-time", "20"}, args...)...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, _ := cmd.CombinedOutput() // how it ends is in what it says
		return string(out)
	}
	const nobody = 65534
	status := []string{"--unix-socket", socket, "http://handline/v1/status"}
	require.Eventually(t, func() bool { return strings.Contains(curl(0, status...), `"status":"disconnected"`) }, patience, tick)
	info, err := os.Stat(socket) // not before it answers: its mode is set after it is there
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, info.Mode())
	require.Contains(t, curl(nobody, status...), "Permission denied", "by the home")
	require.NoError(t, os.Chmod(filepath.Dir(a.home.Config()), 0o711))
	require.Contains(t, curl(nobody, status...), "Permission denied", "by the socket")

	link, err := a.pages.Open(t.Context())
	require.NoError(t, err)
	page, err := url.Parse(link.Private(""))
	require.NoError(t, err)
	for _, path := range []string{"/", "/v1/status", filepath.Dir(page.Path) + "/", filepath.Dir(page.Path) + "/v1/status"} {
		said := curl(nobody, "http://"+page.Host+path)
		require.Regexp(t, `< HTTP/1\.1 40[34] `, said, path)
		require.NotContains(t, said, "disconnected")
	}
}

// A title comes from a server: it neither moves the cursor nor turns the line round, and keeps its emoji whole.
func TestATitleSteersNoTerminal(t *testing.T) {
	for title, want := range map[string]string{
		"a\x1b[2Jb\r\n\x07c\u009b":           "a[2Jbc",
		"pay \u202eevil\u202c \u2066x\u2069": "pay evil x",
		"one\u2028two\u200b":                 "onetwo",
		"שלום 👩\u200d💻":                      "שלום 👩\u200d💻",
	} {
		require.Equal(t, want, clean(title))
	}
}
