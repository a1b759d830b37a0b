package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// Whatever the README tells people to type is typed by a script: the lines of the local API as they stand, and of
// Handline's own commands the verbs and flags.
func TestTheScriptsTypeWhatTheReadmeSays(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	var typed []string
	for _, p := range paths {
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		typed = append(typed, regexp.MustCompile(`(?m)^(?:! )?(?:exec|exits|until) .*`).FindAllString(string(b), -1)...)
	}
	b, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	text := string(b)
	curls, commands := 0, 0
	for _, m := range regexp.MustCompile(`(?m)^    (curl .*?)(?: {2,}#.*)?$`).FindAllStringSubmatch(text, -1) {
		require.True(t, slices.ContainsFunc(typed, func(line string) bool { return strings.Contains(line, m[1]) }), "no script types %s", m[1])
		curls++
	}
	for _, m := range regexp.MustCompile("(?m)^    (handline .*?)(?: {2,}#.*)?$|`(handline [^`]+)`").FindAllStringSubmatch(text, -1) {
		require.True(t, types(typed, m[1]+m[2]), "no script types %s", m[1]+m[2])
		commands++
	}
	// The table of commands: a row's verbs, and what may follow them.
	_, table, _ := strings.Cut(text, "| command | does |")
	table, _, _ = strings.Cut(table, "\n\n")
	code := regexp.MustCompile("`([^`]+)`")
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \|(.*)\|$`).FindAllStringSubmatch(table, -1) {
		verbs := code.FindAllStringSubmatch(row[1], -1)
		for _, more := range append(code.FindAllStringSubmatch(row[2], -1), []string{"", ""}) {
			require.True(t, slices.ContainsFunc(verbs, func(v []string) bool {
				return types(typed, "handline "+v[1]+" "+strings.TrimPrefix(more[1], v[1])) || types(typed, "handline "+more[1])
			}), "no script types %s of %s", more[1], row[1])
			commands++
		}
	}
	require.Greater(t, curls, 5)
	require.Greater(t, commands, 40)
}

// types says whether one of the lines has a command's verbs and flags, in their order.
func types(lines []string, command string) bool {
	want := regexp.MustCompile(`(^| )(--)?[a-z][A-Za-z-]*( |$)`).FindAllString(strings.ReplaceAll(command, " ", "  "), -1)
	return slices.ContainsFunc(lines, func(line string) bool {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" '()$", r) })
		for _, w := range want {
			i := slices.Index(words, strings.TrimSpace(w))
			if i < 0 {
				return false
			}
			words = words[i+1:]
		}
		return true
	})
}
