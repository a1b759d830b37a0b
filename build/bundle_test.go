package build_test

import (
	"archive/zip"
	"cmp"
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
	for _, want := range []string{"Contents/Info.plist", "Contents/PkgInfo", "Contents/MacOS", "Contents/Resources/Handline.icns", "Contents/Resources/LICENSE"} {
		require.Contains(t, names, want)
	}
	program := slices.Contains(names, "Contents/MacOS/handline")
	require.Equal(t, runtime.GOOS == "darwin", program)
	sums(t, out, "Handline-1.2.3.zip")
	var beside []string
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	for _, e := range left {
		beside = append(beside, e.Name())
	}
	require.Equal(t, []string{"Handline-1.2.3.zip", "Handline.app", "SHA256SUMS", "handline.rb"}, beside)
	requireSame(t, out, filepath.Join(out, "Handline-1.2.3.zip"), names)
	requireCask(t, out)

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
	for _, key := range []string{"NSSupportsSuddenTermination", "NSSupportsAutomaticTermination"} {
		require.NotContains(t, p, key, "only an app that says so is ended without being asked; a message may be on its way")
	}
	require.NotEmpty(t, p["CFBundleIdentifier"])
}

func TestBundleRefusesAVersionThatIsNone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the script needs a shell")
	}
	require.Error(t, exec.Command("./bundle.sh", t.TempDir(), "1/2").Run())
	require.Error(t, exec.Command("./bundle.sh", t.TempDir()).Run())
}

// requireSame says that the zip holds the app, whole and with its modes.
func requireSame(t *testing.T, out, path string, names []string) {
	t.Helper()
	z, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer z.Close()
	var packed []string
	for _, f := range z.File {
		name := strings.TrimSuffix(strings.TrimPrefix(f.Name, "Handline.app"), "/")
		packed = append(packed, cmp.Or(strings.TrimPrefix(name, "/"), "."))
		fi, err := os.Lstat(filepath.Join(out, f.Name))
		require.NoError(t, err)
		require.Equal(t, fi.Mode(), f.Mode(), f.Name)
	}
	require.ElementsMatch(t, names, packed)
}

// requireCask checks what Homebrew is told: this version, this zip, the app and the command, and all that is left behind.
func requireCask(t *testing.T, out string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, "handline.rb"))
	require.NoError(t, err)
	cask := string(text)
	require.NotContains(t, cask, "@")
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	require.NoError(t, err)
	for _, stanza := range []string{
		`cask "handline" do`, `version "1.2.3"`, `sha256 "` + strings.Fields(string(sums))[0] + `"`,
		`/releases/download/v#{version}/Handline-#{version}.zip"`, `app "Handline.app"`,
		`binary "#{appdir}/Handline.app/Contents/MacOS/handline"`, `uninstall launchctl: "dev.handline.Handline"`,
		`"~/Library/Application Support/Handline"`, `"~/Library/LaunchAgents/dev.handline.Handline.plist"`, `"~/Library/Logs/Handline"`,
	} {
		require.Contains(t, cask, stanza)
	}
	if _, err := exec.LookPath("ruby"); err == nil {
		run(t, "ruby", "-c", filepath.Join(out, "handline.rb"))
	}
}

// The scripts hold to what every shell knows.
func TestScriptsAreSound(t *testing.T) {
	need(t, "shellcheck")
	scripts, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	require.Greater(t, len(scripts), 4)
	run(t, "shellcheck", append(scripts, "testdata/session.sh", "../.ci/run")...)
}

// The workflows are linted by a tool that is no dependency: without a module proxy there is none.
func TestWorkflowsAreSound(t *testing.T) {
	bin := t.TempDir()
	install := exec.Command("go", "install", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12")
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("THE WORKFLOWS ARE NOT CHECKED: actionlint could not be had: %s", out)
	}
	lint := exec.Command(filepath.Join(bin, "actionlint"), "-no-color")
	lint.Dir = ".."
	out, err := lint.CombinedOutput()
	require.NoError(t, err, "%s", out)
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
