package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"handline/assets"
)

// The window on a Mac is that system's WebKit, and that of the oldest macOS which opens Handline (12.3) is Safari 15.4's.
// What came later is missing there, and what asks for it breaks; Chromium, which all the other tests of the page use, has
// it all. Each comes with the Safari that brought it.
func TestThePageAsksNothingOfAnOldWebKitThatItLacks(t *testing.T) {
	later := regexp.MustCompile(`checkVisibility` + // 17.4
		`|\.(toReversed|toSorted|toSpliced)\(` + // 16
		`|Object\.groupBy|Promise\.withResolvers|Array\.fromAsync|\.(isSubsetOf|union)\(` + // 17 and later
		`|color-mix\(|light-dark\(|@container|@starting-style|text-wrap` + // 16 and later
		`|\(\?<[=!]`) // 16.4
	all, err := fs.Glob(assets.Window(), "*")
	require.NoError(t, err)
	require.Greater(t, len(all), 15)
	for _, name := range all {
		b, err := fs.ReadFile(assets.Window(), name)
		require.NoError(t, err)
		require.NotRegexp(t, later, string(b), name)
	}
	for path, says := range map[string]string{
		"build/Info.plist": `<key>LSMinimumSystemVersion</key>\s*<string>12\.3</string>`,
		"build/bundle.sh":  `-mmacosx-version-min=12\.3`,
		"README.md":        `\*\*macOS\*\* 12\.3 or later`,
	} {
		b, err := os.ReadFile(filepath.Join("..", "..", path))
		require.NoError(t, err)
		require.Regexp(t, says, string(b), path)
	}
}
