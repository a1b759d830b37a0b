package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// BundleAdvice is one line for a macOS user whose Handline runs where it should not, "" elsewhere and in its place. exe is
// the running executable's path with symbolic links resolved.
func BundleAdvice(exe string) string { return bundleAdvice(runtime.GOOS, exe) }

func bundleAdvice(goos, exe string) string {
	switch {
	case goos != "darwin":
		return ""
	case Bundle(exe) == "": // macOS 26 shows none
		return "macOS shows no menu-bar icon for a program outside of an app bundle: run `make app` and open Handline.app."
	}
	return passing(exe)
}

// passing says why a program of macOS will not stay where it lies, and what to do, short enough for a menu; "" if it will.
func passing(exe string) string {
	switch {
	case strings.HasPrefix(exe, "/Volumes/"):
		return "Handline runs from a disk image: move it to Applications."
	case strings.Contains(exe, "/AppTranslocation/"): // where macOS runs a downloaded app that nobody has moved yet
		return "Handline runs as a passing copy: move it to Applications."
	}
	return ""
}

// Bundle is the app bundle that exe is the program of, "" if none.
func Bundle(exe string) string {
	dir, ok := strings.CutSuffix(filepath.ToSlash(filepath.Dir(exe)), "/Contents/MacOS")
	if !ok || !strings.HasSuffix(dir, ".app") {
		return ""
	}
	return dir
}

// EnterBundle runs this program anew by its real path, where it was started by a link into an app bundle, as Homebrew puts
// it on the PATH: macOS finds no bundle by the link. Where there is nothing to do it returns nil.
func EnterBundle() error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program: %w", err)
	}
	to := realProgram(runtime.GOOS, exe)
	if to == "" {
		return nil
	}
	// The new one finds no link any more, so this happens once.
	return fmt.Errorf("starting %s: %w", to, syscall.Exec(to, append([]string{to}, os.Args[1:]...), os.Environ()))
}

// realProgram is the path in a bundle that exe, a link, leads to; "" if it is none.
func realProgram(goos, exe string) string {
	to, err := filepath.EvalSymlinks(exe)
	if err != nil || goos != "darwin" || to == exe || Bundle(to) == "" {
		return ""
	}
	return to
}

// Copy puts text on the clipboard, by the first of the system's own programs that is there.
func Copy(ctx context.Context, text string) error {
	for _, argv := range clipboards(runtime.GOOS) {
		if _, err := exec.LookPath(argv[0]); err != nil {
			continue
		}
		c := exec.CommandContext(ctx, argv[0], argv[1:]...)
		c.Stdin = strings.NewReader(text)
		if err := c.Run(); err != nil {
			return fmt.Errorf("copying: %w", err)
		}
		return nil
	}
	return errors.New("copying: no clipboard program found; install wl-clipboard or xclip")
}

func clipboards(goos string) [][]string {
	switch goos {
	case "darwin":
		return [][]string{{"pbcopy"}}
	case "windows":
		return [][]string{{"clip.exe"}}
	}
	return [][]string{{"wl-copy"}, {"xclip", "-selection", "clipboard"}, {"xsel", "--clipboard", "--input"}}
}
