package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	bar    = "../../tray/native/bar.go"
	center = "../../tray/native/center_darwin.go"
)

// The whole menu bar is right for macOS and for Windows, systray's cgo half included.
func TestTheMenuBarTypeChecks(t *testing.T) {
	for _, goos := range []string{"darwin", "windows"} {
		c := checker{goos: goos, goarch: "arm64"}
		n, errs := c.check([]string{"handline/tray/native"})
		require.Empty(t, errs)
		require.Equal(t, 1, n)
	}
}

// Mistakes in what only macOS compiles are found, each by its own words.
func TestSeededMistakesAreFound(t *testing.T) {
	for _, m := range []struct{ name, file, right, wrong, told string }{
		{"misspelt function", bar, "systray.SetTooltip(v.Tooltip)", "systray.SetToolTip(v.Tooltip)", "undefined: systray.SetToolTip"},
		{"missing argument", bar, "systray.SetTemplateIcon(v.Icon.Template(), v.Icon.PNG())", "systray.SetTemplateIcon(v.Icon.Template())", "not enough arguments"},
		{"wrong type", bar, "systray.SetIcon(v.Icon.PNG())", "systray.SetIcon(v.Icon)", "cannot use v.Icon"},
		{"wrong type of a message", center, "str(n.Title)", "str(n.Topic)", "cannot use n.Topic"},
		{"wrong type of a callback", center, "granted <- yes", "granted <- 1", "cannot use 1"},
	} {
		path, err := filepath.Abs(m.file)
		require.NoError(t, err)
		source, err := os.ReadFile(m.file)
		require.NoError(t, err)
		require.Contains(t, string(source), m.right)
		c := checker{goos: "darwin", goarch: "arm64", instead: map[string]string{path: strings.ReplaceAll(string(source), m.right, m.wrong)}}
		_, errs := c.check([]string{"handline/tray/native"})
		require.NotEmpty(t, errs, m.name)
		require.Contains(t, errs[0].Error(), m.told, m.name)
	}
}
