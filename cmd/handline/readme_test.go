package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's last table says of each of spec B's forty practices which test holds it. A test that was renamed or moved
// must not be promised any more.
func TestTheTableOfPracticesNamesTestsThatExist(t *testing.T) {
	rooms := map[string]string{"handline": ".", "connection": "../../connection", "wire": "../../connection/wire", "network": "../../connection/network",
		"persistence": "../../persistence", "tray": "../../tray", "diagnostics": "../../diagnostics"}
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|.*\|(.*)\|$`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, rows, 40)
	for _, row := range rows {
		room, named := "connection", 0
		for _, word := range strings.FieldsFunc(row[2], func(r rune) bool { return r == ' ' || r == ',' }) {
			switch {
			case word[0] == '`':
				room = strings.Trim(word, "`")
				require.Contains(t, rooms, room, "row %s", row[1])
			case strings.HasPrefix(word, "testdata/"):
				require.FileExists(t, filepath.Join(rooms[room], word), "row %s", row[1])
				named++
			default:
				require.True(t, tested(t, rooms[room], word), "row %s: %s is not in %s", row[1], word, room)
				named++
			}
		}
		if row[1] != "26" && row[1] != "33" { // not built, and not applicable
			require.NotZero(t, named, "row %s", row[1])
		}
	}
}

// tested says whether a room has a test of that name.
func tested(t *testing.T, dir, name string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	for _, f := range files {
		source, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.Contains(string(source), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
