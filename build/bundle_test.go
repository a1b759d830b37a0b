package build_test

import (
	"encoding/xml"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What can be checked of a bundle without a Mac: its layout, and what its Info.plist promises.
func TestBundle(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the script needs a shell")
	}
	out := t.TempDir()
	said, err := exec.Command("./bundle.sh", out, "1.2.3").CombinedOutput()
	require.NoError(t, err, "%s", said)
	app := filepath.Join(out, "Handline.app")
	var names []string
	require.NoError(t, filepath.WalkDir(app, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(app, path)
		names = append(names, filepath.ToSlash(name))
		return err
	}))
	for _, want := range []string{"Contents/Info.plist", "Contents/PkgInfo", "Contents/MacOS", "Contents/Resources/Handline.icns"} {
		require.Contains(t, names, want)
	}
	program := slices.Contains(names, "Contents/MacOS/handline")
	require.Equal(t, runtime.GOOS == "darwin", program)
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing lies beside the bundle")

	icon, err := os.ReadFile(filepath.Join(app, "Contents/Resources/Handline.icns"))
	require.NoError(t, err)
	require.Equal(t, "icns", string(icon[:4]))
	f, err := os.Open(filepath.Join(app, "Contents/Info.plist"))
	require.NoError(t, err)
	defer f.Close()
	p, err := plist(f)
	require.NoError(t, err)
	for key, want := range map[string]string{
		"CFBundleExecutable": "handline", "CFBundleIconFile": "Handline", "CFBundlePackageType": "APPL",
		"CFBundleShortVersionString": "1.2.3", "CFBundleVersion": "1.2.3",
		"LSUIElement":             "true", // no Dock icon
		"NSAllowsLocalNetworking": "true", // the window's page on 127.0.0.1
	} {
		require.Equal(t, want, p[key], key)
	}
	require.NotEmpty(t, p["NSLocalNetworkUsageDescription"], "macOS 15 shows it when it asks")
	require.NotEmpty(t, p["CFBundleIdentifier"])
}

func TestBundleRefusesAVersionThatIsNone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the script needs a shell")
	}
	require.Error(t, exec.Command("./bundle.sh", t.TempDir(), "1/2").Run())
	require.Error(t, exec.Command("./bundle.sh", t.TempDir()).Run())
}

// plist reads a property list's keys and values, whatever dictionary they are in.
func plist(r io.Reader) (map[string]string, error) {
	out := map[string]string{}
	d := xml.NewDecoder(r)
	for key := ""; ; {
		token, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "key", "string":
			var text string
			if err := d.DecodeElement(&text, &start); err != nil {
				return nil, err
			}
			if start.Name.Local == "key" {
				key = strings.TrimSpace(text)
			} else {
				out[key] = text
			}
		case "true", "false":
			out[key] = start.Name.Local
		}
	}
}
