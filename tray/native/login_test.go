package native

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func newItem(t *testing.T, goos, program string) LoginItem {
	t.Helper()
	dir := t.TempDir()
	return LoginItem{
		goos: goos, home: dir, config: filepath.Join(dir, ".config"), system: []string{filepath.Join(dir, "xdg")},
		program: program, allowed: func(string) bool { return true },
	}
}

func TestLoginItemComesAndGoes(t *testing.T) {
	for _, goos := range []string{"darwin", "linux"} {
		l := newItem(t, goos, "/Applications/Handline.app/Contents/MacOS/handline")
		require.False(t, l.On())
		require.NoError(t, l.Uninstall(), "what is not there is no trouble")
		require.NoError(t, l.Install())
		require.True(t, l.On())
		require.NoError(t, l.Install(), "and neither is what is")
		require.NoError(t, os.Remove(l.Path()), "the user or the system takes it away")
		require.False(t, l.On())
		require.NoError(t, l.Install())
		require.NoError(t, l.Uninstall())
		require.False(t, l.On())
		require.NoFileExists(t, l.Path())
	}
	l := newItem(t, "windows", `C:\handline.exe`)
	require.False(t, l.Offered())
	require.False(t, l.On())
	require.Error(t, l.Install())
	require.NoError(t, l.Forget())
}

// A package starts Handline for everybody, and the user's own word stands above it.
func TestThePackagesEntryCanBeHidden(t *testing.T) {
	l := newItem(t, "linux", "/usr/bin/handline")
	system := filepath.Join(l.system[0], "autostart", "handline.desktop")
	require.NoError(t, os.MkdirAll(filepath.Dir(system), 0o755))
	require.NoError(t, os.WriteFile(system, []byte(entry("handline")), 0o644))
	require.True(t, l.On())
	require.NoError(t, l.Install())
	require.NoFileExists(t, l.Path(), "it needs no second entry")
	require.NoError(t, l.Uninstall())
	require.False(t, l.On())
	require.NoError(t, l.Install())
	require.True(t, l.On())
	require.NoFileExists(t, l.Path())
}

func TestDesktopsSwitchEntriesOff(t *testing.T) {
	for text, want := range map[string]bool{
		entry("/usr/bin/handline"):                               true,
		"[Desktop Entry]\nHidden = true\n":                       false,
		"[Desktop Entry]\nX-GNOME-Autostart-enabled=false\n":     false,
		"[Desktop Entry]\nHidden=false\nComment=Hidden=true\n":   true,
		"[Desktop Entry]\r\nExec=handline\r\nHidden=true\r\nA=b": false,
	} {
		require.Equal(t, want, starts(text), "%q", text)
	}
}

// Desktops copy the package's entry to switch it on, and that names no path.
func TestACopyOfThePackagesEntryIsOn(t *testing.T) {
	bin := t.TempDir()
	program := filepath.Join(bin, "handline")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	program, err := filepath.EvalSymlinks(program)
	require.NoError(t, err)
	l := newItem(t, "linux", program)
	require.NoError(t, os.MkdirAll(filepath.Dir(l.Path()), 0o755))
	require.NoError(t, os.WriteFile(l.Path(), []byte("[Desktop Entry]\nTryExec=handline\nExec=handline run\n"), 0o644))
	t.Setenv("PATH", "")
	require.False(t, l.On())
	t.Setenv("PATH", bin)
	require.True(t, l.On())
}

// What else desktops and people write into an entry is theirs; what it starts must be this program.
func TestAnEntryStartsThisProgram(t *testing.T) {
	l := newItem(t, "linux", `/home/me/a b/100%/handline`)
	require.NoError(t, os.MkdirAll(filepath.Dir(l.Path()), 0o755))
	whole := entry(l.program)
	for text, want := range map[string]bool{
		whole: true,
		whole + "X-GNOME-Autostart-enabled=true\n":      true,
		whole + "X-GNOME-Autostart-enabled=false\n":     false,
		strings.ReplaceAll(whole, "=", " = "):           true,
		strings.ReplaceAll(whole, "\n", "\r\n"):         true,
		entry("/home/me/handline"):                      false,
		entry("/home/me/a b/100%/handline.old"):         false,
		strings.Replace(whole, "TryExec", "#", 1):       true,
		strings.Replace(whole, "/a b/", "/a  b/", 1):    false, // TryExec alone
		strings.Replace(whole, "\"/home", "\"/root", 1): false, // Exec alone
		"[Desktop Entry]\nType=Application\n":           false,
		"":                                              false,
	} {
		require.NoError(t, os.WriteFile(l.Path(), []byte(text), 0o644))
		require.Equal(t, want, l.On(), "%q", text)
		require.NoError(t, l.Install())
		require.True(t, l.On(), "%q", text)
	}
}

// System Settings has a switch that no file shows. What it says is the truth, and nothing is written over it.
func TestMacOSMaySayNo(t *testing.T) {
	l := newItem(t, "darwin", "/Applications/Handline.app/Contents/MacOS/handline")
	require.NoError(t, l.Install())
	l.allowed = func(string) bool { return false }
	require.False(t, l.On())
	require.ErrorIs(t, l.Install(), ErrNotAllowed)
	require.NoError(t, l.Forget())
	require.NoFileExists(t, l.Path())
}

// An agent that starts another program is not ours to show as on; the user's wish puts it right.
func TestAMovedAppIsNotOn(t *testing.T) {
	for _, goos := range []string{"darwin", "linux"} {
		l := newItem(t, goos, "/Users/me/Downloads/Handline.app/Contents/MacOS/handline")
		require.NoError(t, l.Install())
		l.program = "/Applications/Handline.app/Contents/MacOS/handline"
		require.False(t, l.On())
		require.NoError(t, l.Install())
		require.True(t, l.On())
	}
}

func TestAPassingPlaceGetsNoAgent(t *testing.T) {
	for _, dir := range []string{"/Volumes/Handline", "/private/var/folders/x/T/AppTranslocation/0815/d"} {
		l := newItem(t, "darwin", dir+"/Handline.app/Contents/MacOS/handline")
		require.ErrorContains(t, l.Install(), "move it to Applications")
		require.NoFileExists(t, l.Path())
		require.EqualError(t, l.Install(), l.Hint(), "the menu says the same")
		require.LessOrEqual(t, utf8.RuneCountInString(l.Hint()), 60, "whole")
		l.goos = "linux"
		require.Empty(t, l.Hint())
	}
	require.Empty(t, newItem(t, "darwin", "/Applications/Handline.app/Contents/MacOS/handline").Hint())
}

func TestTheAgentIsWellFormed(t *testing.T) {
	text := agent(`/Users/a & b/<Handline>.app/Contents/MacOS/handline`)
	var values []string
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "string" {
			var v string
			require.NoError(t, d.DecodeElement(&v, &start))
			values = append(values, v)
		}
	}
	require.Equal(t, []string{bundleID, "/Users/a & b/<Handline>.app/Contents/MacOS/handline", "run", "Aqua", "Interactive", bundleID}, values)
}
