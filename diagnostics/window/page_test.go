package window

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLinkMustLeadToHandline(t *testing.T) {
	for text, good := range map[string]bool{
		"http://127.0.0.1:4711/0f3a/enter?token=x\n": true,
		"http://127.0.0.1:4711/0f3a":                 false, // cut off
		"https://127.0.0.1:4711/\n":                  false,
		"http://127.0.0.1.example:4711/\n":           false,
		"file:///etc/passwd\n":                       false,
		"":                                           false,
	} {
		_, err := readPage(bufio.NewReader(strings.NewReader(text)))
		require.Equal(t, good, err == nil, text)
	}
}

func TestTheParentSaysWhatToRaise(t *testing.T) {
	var panes []string
	obey(bufio.NewReader(strings.NewReader("raise settings\nraise \nlower\nraise activity\nraise cut off")), func(pane string) { panes = append(panes, pane) })
	require.Equal(t, []string{"settings", "", "activity"}, panes)
}

func TestOnlyOurOriginLoads(t *testing.T) {
	p, err := readPage(bufio.NewReader(strings.NewReader("http://127.0.0.1:4711/0f3a/\n")))
	require.NoError(t, err)
	for _, c := range []struct {
		to      string
		clicked bool
		want    verdict
	}{
		{"http://127.0.0.1:4711/0f3a/#settings", true, allow},
		{"about:blank", false, allow},
		{"blob:http://127.0.0.1:4711/1b2c", true, save},
		{"http://127.0.0.1:4712/", true, outside},
		{"https://example.com/", true, outside},
		{"https://example.com/", false, stay}, // a redirect, or a script
		{"javascript:alert(1)", true, stay},
		{"file:///etc/passwd", true, stay},
		{"http://127.0.0.1:4711@example.com/", true, outside},
		{"http://[", true, stay},
	} {
		require.Equal(t, c.want, p.decide(c.to, c.clicked), "%s", c.to)
	}
}

func TestOnlyPanesReachTheScript(t *testing.T) {
	require.Equal(t, `location.hash = "settings"`, turn("settings"))
	for _, pane := range []string{"", "a b", `";alert(1);"`, "Settings", strings.Repeat("a", 21)} {
		require.Empty(t, turn(pane))
	}
}

func TestADownloadTakesAFreeName(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"report.txt", "report-2.txt", "report-3.txt"} {
		path := freeName(dir, "../../report.txt")
		require.Equal(t, filepath.Join(dir, want), path)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
}
