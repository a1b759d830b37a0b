package native

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// LoginItem starts Handline when its user logs in. The rules are:
//   - What the system would do is the truth, and is read anew each time: nothing is remembered here, and nothing is put
//     back that somebody took away.
//   - It is a file of the kind that the system itself shows and manages: a LaunchAgent on macOS, an autostart entry of the
//     XDG specification on Linux. Elsewhere there is none.
type LoginItem struct {
	goos    string
	home    string   // the user's directory
	config  string   // XDG_CONFIG_HOME
	system  []string // XDG_CONFIG_DIRS
	program string   // what is started
	allowed func(path string) bool
}

// ErrNotAllowed says that the user has switched the login item off in the system's own settings.
var ErrNotAllowed = errors.New("macOS keeps Handline from starting at login; " +
	"allow it in System Settings > General > Login Items & Extensions")

// bundleID names the app to macOS.
const bundleID = "dev.handline.Handline"

// NewLoginItem makes the login item of this user and this program.
func NewLoginItem() (LoginItem, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return LoginItem{}, fmt.Errorf("finding the login item: %w", err)
	}
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return LoginItem{}, fmt.Errorf("finding the login item: %w", err)
	}
	l := LoginItem{goos: runtime.GOOS, home: home, program: program, allowed: loginAllowed}
	if l.config = os.Getenv("XDG_CONFIG_HOME"); !filepath.IsAbs(l.config) {
		l.config = filepath.Join(home, ".config")
	}
	dirs := os.Getenv("XDG_CONFIG_DIRS")
	if dirs == "" {
		dirs = "/etc/xdg"
	}
	l.system = filepath.SplitList(dirs)
	return l, nil
}

// Offered says whether this system has login items of a kind that Handline knows.
func (l LoginItem) Offered() bool { return l.goos == "darwin" || l.goos == "linux" }

// Hint is why this program cannot start at login from where it lies, and what to do; "" if it can.
func (l LoginItem) Hint() string {
	if l.goos != "darwin" {
		return ""
	}
	return passing(l.program)
}

// Path is the user's own file.
func (l LoginItem) Path() string {
	if l.goos == "darwin" {
		return filepath.Join(l.home, "Library", "LaunchAgents", bundleID+".plist")
	}
	return filepath.Join(l.config, "autostart", "handline.desktop")
}

// On says whether Handline will start at the next login.
func (l LoginItem) On() bool {
	switch l.goos {
	case "darwin":
		return l.written() && l.allowed(l.Path())
	case "linux":
		if text, err := os.ReadFile(l.Path()); err == nil { // the user's file stands before the system's
			return starts(string(text)) && l.named(string(text))
		}
		return l.installed()
	}
	return false
}

// written says whether the agent is there and starts this program, which may have been moved since.
func (l LoginItem) written() bool {
	text, err := os.ReadFile(l.Path())
	return err == nil && string(text) == agent(l.program)
}

// installed says whether a package starts Handline for every user.
func (l LoginItem) installed() bool {
	for _, dir := range l.system {
		if text, err := os.ReadFile(filepath.Join(dir, "autostart", "handline.desktop")); err == nil {
			return starts(string(text))
		}
	}
	return false
}

// starts says whether an autostart entry is in force. Desktops switch one off in the user's file by one of these keys.
func starts(entry string) bool {
	for line := range strings.Lines(entry) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); strings.TrimSpace(key) + "=" + strings.TrimSpace(value) {
		case "Hidden=true", "X-GNOME-Autostart-enabled=false":
			return false
		}
	}
	return true
}

// named says whether an autostart entry starts this program, which may have been moved since: by its path, or by its
// name, as the package's own entry does, of which desktops make copies.
func (l LoginItem) named(entry string) bool {
	names := []string{l.program}
	if path, err := exec.LookPath("handline"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && path == l.program {
			names = append(names, "handline")
		}
	}
	var run, try string
	for line := range strings.Lines(entry) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); strings.TrimSpace(key) {
		case "Exec":
			run = strings.TrimSpace(value)
		case "TryExec":
			try = strings.TrimSpace(value)
		}
	}
	return slices.ContainsFunc(names, func(name string) bool {
		path, argument := quoted(name)
		return (try == "" || try == path) && (strings.HasPrefix(run, argument+" ") || run == name+" run")
	})
}

// Install makes Handline start at the next login. It starts nothing now.
func (l LoginItem) Install() error {
	switch {
	case !l.Offered():
		return errors.New("Handline has no login item on this system")
	case l.On():
		return nil
	case l.goos == "darwin" && l.written():
		return ErrNotAllowed
	case l.goos == "linux" && l.installed():
		return l.remove() // of what hides the package's entry
	case l.goos == "linux":
		return l.write(entry(l.program))
	}
	if why := l.Hint(); why != "" {
		return errors.New(why)
	}
	return l.write(agent(l.program))
}

// Uninstall keeps Handline from starting at the next login. One that runs goes on.
func (l LoginItem) Uninstall() error {
	if l.goos == "linux" && l.installed() {
		return l.write("[Desktop Entry]\nType=Application\nName=Handline\nHidden=true\n")
	}
	return l.remove()
}

// Forget removes the user's own file, whatever it says.
func (l LoginItem) Forget() error { return l.remove() }

func (l LoginItem) remove() error {
	if !l.Offered() {
		return nil
	}
	if err := os.Remove(l.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the login item: %w", err)
	}
	return nil
}

func (l LoginItem) write(text string) error {
	err := os.MkdirAll(filepath.Dir(l.Path()), 0o755)
	if err == nil {
		err = os.WriteFile(l.Path(), []byte(text), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the login item: %w", err)
	}
	return nil
}

// entry is an autostart entry (Desktop Application Autostart Specification). It does nothing once the program has gone.
func entry(program string) string {
	try, argument := quoted(program)
	return fmt.Sprintf(`[Desktop Entry]
Type=Application
Name=Handline
Comment=Keeps the line to your OpenHands backend
TryExec=%s
Exec=%s run
Icon=handline
Terminal=false
`, try, argument)
}

// quoted is a path as TryExec and as an argument of Exec. The rules of arguments apply first, then those of strings, to
// which TryExec is subject alone.
func quoted(path string) (try, argument string) {
	backslashes := strings.NewReplacer(`\`, `\\`)
	argument = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`, "%", "%%").Replace(path)
	return backslashes.Replace(path), `"` + backslashes.Replace(argument) + `"`
}

// agent is a LaunchAgent (launchd.plist(5)): started once a login, in the user's own session, and left alone when it ends.
func agent(program string) string {
	var path strings.Builder
	_ = xml.EscapeText(&path, []byte(program)) // a Builder takes everything
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>%s</string>
	<key>ProgramArguments</key>
	<array>
		<string>%s</string>
		<string>run</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>LimitLoadToSessionType</key>
	<string>Aqua</string>
	<key>ProcessType</key>
	<string>Interactive</string>
	<key>AssociatedBundleIdentifiers</key>
	<string>%s</string>
</dict>
</plist>
`, bundleID, path.String(), bundleID)
}

// SettingsPage is a page of macOS's System Settings about what Handline may do.
type SettingsPage string

const (
	LoginSettings  SettingsPage = "com.apple.LoginItems-Settings.extension"
	NoticeSettings SettingsPage = "com.apple.Notifications-Settings.extension"
)

// OpenSettings shows a page. Only macOS has them.
func OpenSettings(ctx context.Context, page SettingsPage) error {
	if err := exec.CommandContext(ctx, "/usr/bin/open", "x-apple.systempreferences:"+string(page)).Run(); err != nil {
		return fmt.Errorf("opening System Settings: %w", err)
	}
	return nil
}
