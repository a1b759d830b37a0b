package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rooms are those that speak to Objective-C.
var rooms = []string{"../../tray/native", "../../diagnostics/window"}

// headers gives what GNUstep knows. Without it a test of spelling has no measure.
func headers(t *testing.T) vocabulary {
	t.Helper()
	known, err := readHeaders(gnustep)
	require.NoError(t, err)
	if known.empty() {
		if os.Getenv("CI") == "true" {
			t.Fatal("libgnustep-gui-dev is missing")
		}
		t.Skip("libgnustep-gui-dev is not installed")
	}
	return known
}

// spelled gives what GNUstep and the list of newer names know.
func spelled(t *testing.T) vocabulary {
	t.Helper()
	known := headers(t)
	known.add(newer)
	return known
}

func TestOurMessagesAreRight(t *testing.T) {
	for name, known := range map[string]func(*testing.T) vocabulary{
		"count": func(*testing.T) vocabulary { return vocabulary{} },
		"spell": spelled,
	} {
		t.Run(name, func(t *testing.T) {
			known := known(t)
			for _, room := range rooms {
				told, seen, err := lint(known, room)
				require.NoError(t, err)
				require.Empty(t, told)
				require.Greater(t, seen, 10, "%s was looked at", room)
			}
		})
	}
}

// A name that is no longer said, or that the headers have by now, has no business among the newer ones.
func TestNewerNamesAreNeeded(t *testing.T) {
	known := headers(t)
	var source strings.Builder
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(room, "*_darwin*.go"))
		require.NoError(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			source.Write(b)
		}
	}
	extra := vocabulary{map[string]bool{}, map[string]bool{}}
	extra.add(newer)
	for name := range extra.selectors {
		require.True(t, strings.Contains(source.String(), `"`+name+`"`), "%s is not said", name)
		require.False(t, known.selectors[name] || known.classes[name], "%s is in the headers", name)
	}
}

// mistake is a change to what is right, and what is told of it. The compiler's own part, a wrong type, is in the type
// checker's test.
type mistake struct{ name, from, to, told string }

// find seeds each mistake by itself. It must be found, and nothing else.
func find(t *testing.T, known vocabulary, mistakes []mistake) {
	t.Helper()
	right, err := os.ReadFile("testdata/right_darwin.go")
	require.NoError(t, err)
	try := func(from, to string) []string {
		require.Contains(t, string(right), from)
		dir := t.TempDir()
		wrong := strings.Replace(string(right), from, to, 1)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a_darwin.go"), []byte(wrong), 0o600))
		told, _, err := lint(known, dir)
		require.NoError(t, err)
		return told
	}
	require.Empty(t, try("package right", "package right"))
	for _, m := range mistakes {
		told := try(m.from, m.to)
		require.NotEmpty(t, told, m.name)
		for _, line := range told {
			require.Contains(t, line, m.told, m.name)
		}
	}
}

func TestWrongArityIsFound(t *testing.T) {
	find(t, vocabulary{}, []mistake{
		{"too few arguments", `"setTitle:", s)`, `"setTitle:")`, "selector setTitle: takes 1 arguments, 0 are given"},
		{"too many", `sel("isVisible"))`, `sel("isVisible"), true)`, "selector isVisible takes 0 arguments, 1 are given"},
		{"a method that takes too few", `_ objc.SEL, sender id) { msg(self, "raise:", sender)`, `_ objc.SEL) { msg(self, "raise:", self)`, "its function takes 2"},
	})
}

func TestWrongSpellingIsFound(t *testing.T) {
	find(t, spelled(t), []mistake{
		{"misspelt selector", `"stringWithUTF8String:"`, `"stringWithUtf8String:"`, "no selector stringWithUtf8String:"},
		{"without arguments", `"isVisible"`, `"visible"`, "no selector visible"},
		{"in a table", `"miniaturize:"`, `"minimise:"`, "no selector minimise:"},
		{"misspelt class", `"NSString"`, `"NSSTring"`, "no class NSSTring"},
		{"own method by another name", `Cmd: sel("raise:")`, `Cmd: sel("rise:")`, "no selector raise:"},
	})
}

func TestSelectorsOfDeclarations(t *testing.T) {
	v := vocabulary{map[string]bool{}, map[string]bool{}}
	v.read(`
@interface Thing : NSObject // - (void) notThis;
@property (nonatomic, getter=isOn) BOOL on;
- (void) beginWith: (void (^)(int a, id b))handler
             inside: (NSArray *)list;
+ (instancetype) thing;
@end`)
	require.Equal(t, map[string]bool{"Thing": true}, v.classes)
	require.Equal(t, map[string]bool{"on": true, "isOn": true, "setOn:": true, "beginWith:inside:": true, "thing": true}, v.selectors)
}

// What faces AppKit cannot be run where most of this is written, so it has to stay small enough to be read: the lines of
// code, imports apart, in files that speak to Objective-C.
func TestWhatFacesAppKitIsSmall(t *testing.T) {
	lines := 0
	for _, room := range rooms {
		paths, err := filepath.Glob(filepath.Join(room, "*_darwin*.go"))
		require.NoError(t, err)
		for _, path := range paths {
			source, err := os.ReadFile(path)
			require.NoError(t, err)
			if strings.Contains(string(source), "purego") {
				lines += codeLines(string(source))
			}
		}
	}
	t.Log(lines, "lines")
	require.Greater(t, lines, 200)
	require.LessOrEqual(t, lines, 400)
}

// codeLines counts lines that are neither empty nor a comment, from the first declaration on.
func codeLines(source string) (n int) {
	_, body, imports := strings.Cut(source, "\n)\n")
	if !imports || strings.Contains(source, "import \"") {
		_, body, _ = strings.Cut(source, "import ")
	}
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}
