package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plan says what each room may import of ours, tests apart. Whoever needs one arrow more argues for it here. The tests
// may import connection/demo besides, which plays the peer.
func plan() map[string][]string {
	return map[string][]string{
		"connection/wire":    {},
		"connection/network": {},
		"connection/demo":    {},
		"persistence":        {},
		"assets":             {},
		"connection/backend": {"connection/wire", "connection/network"},
		"connection":         {"connection/wire", "connection/network", "persistence"},
		"tray":               {"connection", "assets", "connection/network"}, // network: the cause codes in a Snapshot
		"diagnostics":        {"connection", "connection/backend", "connection/network", "persistence", "assets"},
		"tray/native":        {"tray"},
		"diagnostics/window": {},
		"cmd/handline":       nil, // everything: it is the one place where things are joined
	}
}

// bans are the arrows that somebody will want, and why they are not there.
func bans() map[[2]string]string {
	return map[[2]string]string{
		{"connection/demo", "connection/wire"}:    "the demo writes its frames by hand, so that neither hides the other's mistakes",
		{"connection/wire", "connection/network"}: "codecs do no I/O: bytes in, events out",
		{"connection", "connection/backend"}:      "the machine asks through func fields, so that it runs without a server's HTTP side",
		{"connection", "diagnostics"}:             "the line must not know who looks at it",
		{"tray", "diagnostics"}:                   "menu and window share the snapshot, not each other",
		{"diagnostics", "connection/wire"}:        "diagnostics tells what the line says, in no dialect",
		{"tray", "tray/native"}:                   "what to show is decided without a desktop, and tested without one",
		{"persistence", "connection"}:             "what is stored must not change because the machine does",
	}
}

// desks are the rooms that may use cgo and files for one system alone.
func desks() []string {
	return []string{"tray/native", "diagnostics/window", "connection/network", "persistence"}
}

type room struct {
	ImportPath                                         string
	Imports, CgoFiles, GoFiles, IgnoredGoFiles, MFiles []string
}

// rooms lists the packages as they are built for a system.
func rooms(t *testing.T, goos string) []room {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,CgoFiles,GoFiles,IgnoredGoFiles,MFiles", "handline/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=1")
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []room
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var r room
		require.NoError(t, d.Decode(&r))
		all = append(all, r)
	}
	require.NotEmpty(t, all)
	return all
}

// isTool says whether a package belongs to the build, and to no process of the app.
func isTool(name string) bool { return name == "build" || strings.HasPrefix(name, "build/") }

func TestImportsFollowThePlan(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, r := range rooms(t, goos) {
			name := strings.TrimPrefix(r.ImportPath, "handline/")
			if isTool(name) {
				continue
			}
			allowed, known := plan()[name]
			require.True(t, known, "%s is not in the plan", name)
			for _, i := range r.Imports {
				to, ours := strings.CutPrefix(i, "handline/")
				if !ours || name == "cmd/handline" {
					continue
				}
				why := bans()[[2]string{name, to}]
				require.Contains(t, allowed, to, "on %s, %s imports %s: %s", goos, name, to, why)
			}
		}
	}
}

// A ban that the plan allows, or a room that is not there, would be a lie in the list above.
func TestPlanAndBansAgree(t *testing.T) {
	t.Parallel()
	for b, why := range bans() {
		require.NotEmpty(t, why)
		require.Contains(t, plan(), b[0])
		require.NotContains(t, plan()[b[0]], b[1])
	}
}

func TestSystemsOwnCodeStaysInItsRooms(t *testing.T) {
	t.Parallel()
	systems := []string{"darwin", "linux", "windows", "unix", "freebsd"}
	for _, r := range rooms(t, "darwin") {
		name := strings.TrimPrefix(r.ImportPath, "handline/")
		if slices.Contains(desks(), name) || isTool(name) {
			continue
		}
		require.Empty(t, r.CgoFiles, "%s uses cgo", name)
		require.Empty(t, r.MFiles, "%s has Objective-C", name)
		ours := slices.DeleteFunc(slices.Clone(r.IgnoredGoFiles), func(f string) bool { return strings.HasSuffix(f, "_test.go") })
		require.Empty(t, ours, "%s has files for some systems only", name) // tests of one system's network may be
		for _, f := range r.GoFiles {
			for _, s := range systems {
				require.False(t, strings.HasSuffix(strings.TrimSuffix(f, ".go"), "_"+s), "%s/%s is for one system", name, f)
			}
		}
	}
}
