// Package window shows one page of Handline's: in a native window of its own process where there is one, in a browser
// elsewhere. It knows nothing of what the page is about.
package window

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Verb is the first argument of the process that is the native window. It is for Handline alone: the link comes on its
// standard input, since everybody can read arguments.
const Verb = "__window"

// ErrNoDesktop says that there is nothing to show a window on.
var ErrNoDesktop = errors.New("there is no desktop to show a window on")

// Link leads to the page. It is good once and for a short time.
type Link struct {
	Private string // for a pipe
	Form    []byte // an HTML file that opens the page
}

// Shower shows pages. Its methods may be called by anyone at any time.
type Shower struct {
	dir string // for the files that browsers read

	mu     sync.Mutex
	native *native // nil: no native window is open
	files  map[string]*time.Timer
	closed bool
}

// NewShower makes a Shower; dir is a directory of the user's in which their browser may read.
func NewShower(dir string) *Shower { return &Shower{dir: dir, files: map[string]*time.Timer{}} }

// Raise brings a native window that is open to the front, at a pane ("" = where it is). It says whether there was one.
func (s *Shower) Raise(pane string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.native != nil && s.native.raise(pane)
}

// Show opens a window onto the page and returns when it is on its way.
func (s *Shower) Show(l Link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("showing the window: Handline ends")
	case bundled():
		n, err := startNative(l.Private)
		if err != nil {
			return fmt.Errorf("showing the window: %w", err)
		}
		s.native = n
		return nil
	case !desktop(runtime.GOOS, os.Getenv):
		return ErrNoDesktop
	}
	path, err := s.write(l.Form)
	if err != nil {
		return fmt.Errorf("showing the window: %w", err)
	}
	return start(browser(runtime.GOOS, installed, path))
}

// Close closes the native window and takes back what browsers have not read. A browser's window stays: its page tells
// that Handline has ended.
func (s *Shower) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.native != nil {
		s.native.close()
	}
	for path, timer := range s.files {
		timer.Stop()
		_ = os.Remove(path)
	}
}

// fileTime is as long as the link is good: afterwards the file is worth nothing.
const fileTime = 30 * time.Second

// forms are the names of the files; what removes Handline knows them too.
const forms = "handline-window-*.html"

// write keeps the form where only the user can read it, for as long as it is good. Those that a Handline left behind which
// was killed meanwhile go, too.
func (s *Shower) write(form []byte) (string, error) {
	old, _ := fs.Glob(os.DirFS(s.dir), forms)
	for _, name := range old {
		path := filepath.Join(s.dir, name)
		if fi, err := os.Lstat(path); err == nil && time.Since(fi.ModTime()) > fileTime {
			_ = os.Remove(path)
		}
	}
	f, err := os.CreateTemp(s.dir, forms) // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(form)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	path := f.Name()
	s.files[path] = time.AfterFunc(fileTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.files, path)
		_ = os.Remove(path)
	})
	return path, nil
}

// Browse opens a web page in the user's browser. Only http and https are opened.
func Browse(_ context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("opening the browser: the address is not one of the web")
	}
	if !desktop(runtime.GOOS, os.Getenv) {
		return ErrNoDesktop
	}
	return start(opener(runtime.GOOS, u.String()))
}

// bundled says whether this is the executable of a macOS app. Without a bundle, App Transport Security may keep a web
// view from the page.
func bundled() bool {
	exe, err := os.Executable()
	return err == nil && runtime.GOOS == "darwin" && strings.Contains(filepath.ToSlash(exe), ".app/Contents/MacOS/")
}

// desktop says whether somebody could see a window.
func desktop(goos string, env func(string) string) bool {
	switch goos {
	case "darwin", "windows":
		return true
	}
	return env("DISPLAY") != "" || env("WAYLAND_DISPLAY") != ""
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	if err != nil && filepath.IsAbs(program) {
		_, err = os.Stat(program) // an app is a directory on macOS
	}
	return err == nil
}

// start runs a program that lives on by itself and waits only for its beginning.
func start(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	detach(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("starting %s: %w", filepath.Base(args[0]), err)
	}
	return nil
}
