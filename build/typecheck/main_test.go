package main

import (
	"os"
	"path/filepath"
	"slices"
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

// Mistakes in what only macOS compiles are found, each by its own words, and nothing else is. They are made all at once,
// since one look costs as much as five.
func TestSeededMistakesAreFound(t *testing.T) {
	mistakes := []struct{ name, file, right, wrong, told string }{
		{"misspelt function", bar, "systray.SetTooltip(v.Tooltip)", "systray.SetToolTip(v.Tooltip)", "undefined: systray.SetToolTip"},
		{"missing argument", bar, "systray.SetTemplateIcon(v.Icon.Template(), v.Icon.PNG())", "systray.SetTemplateIcon(v.Icon.Template())", "not enough arguments"},
		{"wrong type", bar, "systray.SetIcon(v.Icon.PNG())", "systray.SetIcon(v.Icon)", "cannot use v.Icon"},
		{"wrong type in a message", center, "str(n.Title)", "str(n.Topic)", "cannot use n.Topic"},
		{"wrong type in a callback", center, "granted <- yes", "granted <- 1", "cannot use 1"},
	}
	c := checker{goos: "darwin", goarch: "arm64", instead: map[string]string{}}
	for _, m := range mistakes {
		path, err := filepath.Abs(m.file)
		require.NoError(t, err)
		if c.instead[path] == "" {
			source, err := os.ReadFile(m.file)
			require.NoError(t, err)
			c.instead[path] = string(source)
		}
		require.Equal(t, 1, strings.Count(c.instead[path], m.right), m.name)
		c.instead[path] = strings.Replace(c.instead[path], m.right, m.wrong, 1)
	}
	_, errs := c.check([]string{"handline/tray/native"})
	for _, m := range mistakes {
		require.True(t, slices.ContainsFunc(errs, func(err error) bool { return strings.Contains(err.Error(), m.told) }), "%s: %v", m.name, errs)
	}
	told := slices.DeleteFunc(errs, func(err error) bool { return strings.HasPrefix(err.Error(), "\t") }) // what a fault goes on with
	require.Len(t, told, len(mistakes))
}
