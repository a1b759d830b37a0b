package persistence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// maxSocketPath keeps a unix socket's path clear of the system's limit: 104 bytes on macOS, 108 on Linux, with the
// closing zero.
const maxSocketPath = 100

// Home is where one Handline keeps its files: one home, one server, one instance at a time. Several at once are several
// homes. Every directory in it is 0700 and belongs to the user.
type Home struct {
	config, state, logs string // directories
	socket              string
}

// OpenHome resolves the home, makes what is missing and refuses what others could read or replace. dir is the --home
// option; "" means HANDLINE_HOME, and without it the system's place: ~/Library/Application Support/Handline on macOS,
// elsewhere the XDG directories. A named home holds everything in one directory.
func OpenHome(dir string) (*Home, error) {
	h, err := resolve(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the home: %w", err)
	}
	for _, d := range []string{h.config, h.state, h.logs} {
		if err := private(d); err != nil {
			return nil, fmt.Errorf("opening the home: %w", err)
		}
	}
	if h.socket, err = socketPath(h.state); err != nil {
		return nil, fmt.Errorf("opening the home: %w", err)
	}
	return h, nil
}

func resolve(dir string) (*Home, error) {
	if dir == "" {
		dir = os.Getenv("HANDLINE_HOME")
	}
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		return &Home{config: abs, state: abs, logs: filepath.Join(abs, "logs")}, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("%w; name one with --home", err)
	}
	switch runtime.GOOS {
	case "darwin":
		lib := filepath.Join(user, "Library")
		d := filepath.Join(lib, "Application Support", "Handline")
		return &Home{config: d, state: d, logs: filepath.Join(lib, "Logs", "Handline")}, nil
	case "windows":
		d, err := os.UserConfigDir()
		if err != nil {
			return nil, fmt.Errorf("%w; name one with --home", err)
		}
		d = filepath.Join(d, "Handline")
		return &Home{config: d, state: d, logs: filepath.Join(d, "logs")}, nil
	}
	state := filepath.Join(xdg("XDG_STATE_HOME", user, ".local", "state"), "handline")
	return &Home{
		config: filepath.Join(xdg("XDG_CONFIG_HOME", user, ".config"), "handline"),
		state:  state,
		logs:   filepath.Join(state, "logs"),
	}, nil
}

// xdg reads one variable of the XDG Base Directory Specification: "If an implementation encounters a relative path in
// any of these variables it should consider the path invalid and ignore it."
func xdg(name, user string, fallback ...string) string {
	if d := os.Getenv(name); filepath.IsAbs(d) {
		return d
	}
	return filepath.Join(append([]string{user}, fallback...)...)
}

// private makes dir with 0700, or checks that the one that is there is ours alone. It repairs nothing: a directory that
// was open may hold files that somebody else put there.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if uid, ok := foreignOwner(fi); ok {
		return fmt.Errorf("%s belongs to another user (uid %d); choose another place with --home", dir, uid)
	}
	if perm := fi.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		return fmt.Errorf("%s is open to other users (mode %04o); run: chmod 700 %s", dir, perm, shellQuote(dir))
	}
	return nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// socketPath puts the socket beside the state, or, where that path is too long, into a per-user directory under a name
// derived from the home. That directory must be the same for every process of the user, so it is not XDG_RUNTIME_DIR,
// which cron and su do not know.
func socketPath(state string) (string, error) {
	if p := filepath.Join(state, "handline.sock"); len(p) <= maxSocketPath {
		return p, nil
	}
	sum := sha256.Sum256([]byte(state))
	name := fmt.Sprintf("%x.sock", sum[:8])
	for _, tmp := range []string{os.TempDir(), "/tmp"} {
		dir := filepath.Join(tmp, "handline-"+strconv.Itoa(os.Getuid()))
		p := filepath.Join(dir, name)
		if len(p) > maxSocketPath {
			continue
		}
		// Anybody may write in /tmp, so the name could be a link that somebody else planted.
		if fi, err := os.Lstat(dir); err == nil && fi.Mode()&os.ModeSymlink != 0 {
			return "", fmt.Errorf("%s is a link; remove it", dir)
		}
		return p, private(dir)
	}
	return "", errors.New("no directory is short enough for a socket; choose a shorter one with --home")
}

// Config is the path of config.json.
func (h *Home) Config() string { return filepath.Join(h.config, "config.json") }

// State is the path of state.db.
func (h *Home) State() string { return filepath.Join(h.state, "state.db") }

// Socket is the path of the local API's unix socket, at most 100 bytes long.
func (h *Home) Socket() string { return h.socket }

// Logs is the directory of the log files.
func (h *Home) Logs() string { return h.logs }

// Handover is the directory for a file that a browser is to read, and that goes a moment later: handline-window-*.html.
// Ubuntu's browsers are snaps, which may read what their user owns but nothing in a hidden directory, and have a /tmp of
// their own (https://forum.snapcraft.io/t/7838). Where there are snaps it is therefore the user's own directory.
func (h *Home) Handover() string { return handover(h.state, "/snap/bin") }

func handover(state, snaps string) string {
	if fi, err := os.Stat(snaps); err != nil || !fi.IsDir() || runtime.GOOS != "linux" {
		return state
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return state
	}
	return user
}

// Remove deletes what Handline keeps in the home, and the directories if nothing else is in them. The caller has locked
// it, and ends.
func (h *Home) Remove() error {
	var errs []error
	for _, pattern := range []string{
		filepath.Join(globQuote(h.Handover()), "handline-window-*.html"),
		// What is written anew has a name with a dot before it until it is whole.
		filepath.Join(globQuote(h.config), "config.json*"), filepath.Join(globQuote(h.config), ".config.json.*"),
		filepath.Join(globQuote(h.state), "state.db*"), filepath.Join(globQuote(h.state), "handline.lock"),
		filepath.Join(globQuote(h.state), "windows.json"),
		filepath.Join(globQuote(h.logs), "handline.log*"),
	} {
		found, err := filepath.Glob(pattern)
		errs = append(errs, err)
		for _, path := range found {
			errs = append(errs, os.Remove(path))
		}
	}
	if err := os.Remove(h.socket); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, dir := range []string{h.logs, h.state, h.config} {
		_ = os.Remove(dir) // refused where something else is in it
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the home: %w", err)
	}
	return nil
}

// globQuote keeps a directory's own characters from being taken for a pattern.
func globQuote(dir string) string {
	if runtime.GOOS == "windows" {
		return dir // there a backslash separates, and quotes nothing
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// ErrRunning says that another process holds the home.
type ErrRunning struct {
	PID int // 0: not known
}

func (e ErrRunning) Error() string {
	if e.PID == 0 {
		return "Handline is already running with this home"
	}
	return fmt.Sprintf("Handline is already running with this home (pid %d)", e.PID)
}

// Lock takes the home for this process, or fails with ErrRunning. The system drops the lock when the process ends,
// however it ends. release may be called once.
func (h *Home) Lock() (release func(), err error) {
	path := filepath.Join(h.state, "handline.lock")
	l := flock.New(path)
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the home: %w", err)
	}
	if !ok {
		b, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return nil, ErrRunning{PID: pid}
	}
	// The pid is a courtesy to the second start, so nothing depends on it: Windows denies this write to a locked file,
	// and a full disk does too.
	_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	// The file stays: removing it would let two processes lock two files of one name.
	return func() { _ = l.Unlock() }, nil
}
