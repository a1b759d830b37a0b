package window

import (
	"net/url"
	"path/filepath"
)

// browser is the command that shows a file as a window: a browser of the Chromium family, which can do without tabs and
// an address bar, or else the default browser. has says whether a program is there.
func browser(goos string, has func(string) bool, path string) []string {
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	if goos == "windows" {
		file.Path = "/" + file.Path
	}
	app := "--app=" + file.String()
	for _, name := range chromiums(goos) {
		if !has(name) {
			continue
		}
		if goos == "darwin" {
			return []string{"/usr/bin/open", "-na", name, "--args", app}
		}
		return detached(goos, name, app, "--window-size=960,700")
	}
	return opener(goos, path)
}

func chromiums(goos string) []string {
	switch goos {
	case "darwin":
		return []string{"/Applications/Google Chrome.app", "/Applications/Microsoft Edge.app", "/Applications/Brave Browser.app", "/Applications/Chromium.app"}
	case "windows":
		return []string{
			`C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`, `C:\Program Files\Microsoft\Edge\Application\msedge.exe`,
			`C:\Program Files\Google\Chrome\Application\chrome.exe`,
		}
	}
	return []string{"google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "brave-browser", "microsoft-edge", "vivaldi"}
}

// opener is the command that opens a file or an address with what the user chose for it.
func opener(goos, what string) []string {
	switch goos {
	case "darwin":
		return []string{"/usr/bin/open", what}
	case "windows":
		return []string{"rundll32.exe", "url.dll,FileProtocolHandler", what}
	}
	return detached(goos, "xdg-open", what)
}

// detached lets a program live on without a parent, since it may be the user's whole browser. The shell returns at once
// and nobody is left to wait for. On Windows nobody has to wait for a child.
func detached(goos string, args ...string) []string {
	if goos == "windows" {
		return append([]string{"rundll32.exe", "shell32.dll,ShellExec_RunDLL"}, args...)
	}
	return append([]string{"/bin/sh", "-c", `"$@" >/dev/null 2>&1 &`, "sh"}, args...)
}
