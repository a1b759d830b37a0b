package persistence

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The Secret Service is asked in a short-lived child, because go-keyring shares its bus connection with the tray, where
// the signal of one unlock prompt ends the icon's care for itself, and because it waits for ever for a daemon that hangs.
// The child reads one request from a pipe and writes replies to another; a key is never an argument or a variable.

// secretArgument is the first argument of the child.
const secretArgument = "__secret"

// errLate: the child's time ran out.
var errLate = errors.New("the time ran out")

// maxSecret bounds a request and a reply, in bytes.
const maxSecret = 64 << 10

// reply is one line of the child. The last one is final.
type reply struct {
	State string `json:"state"` // locked: a person is being asked, more follows; the others are final
	Key   string `json:"key,omitempty"`
	Text  string `json:"text,omitempty"` // of a failure
}

const (
	stateLocked  = "locked"
	stateDone    = "done"
	stateDenied  = "denied"
	stateNoStore = "no-store"
	stateFailed  = "failed"
)

func platformKeychain(o KeychainOptions) keychain {
	return keychain{
		get: func(ctx context.Context, identity string) (string, error) { return o.child(ctx, "get", identity, "") },
		set: func(ctx context.Context, identity, key string) error {
			_, err := o.child(ctx, "set", identity, key)
			return err
		},
		erase: func(ctx context.Context, identity string) error {
			_, err := o.child(ctx, "delete", identity, "")
			return err
		},
		clear: func(ctx context.Context) error {
			_, err := o.child(ctx, "clear", "", "")
			return err
		},
	}
}

// busAddress finds the session bus. Where none is known the D-Bus library would start one of its own, and leave it.
func busAddress() string {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" && a != "autolaunch:" {
		return a
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		bus := filepath.Join(dir, "bus")
		if fi, err := os.Stat(bus); err == nil && fi.Mode().Type() == os.ModeSocket {
			return "unix:path=" + bus
		}
	}
	return ""
}

// child runs one operation in a child, within the time that o gives it.
func (o KeychainOptions) child(ctx context.Context, op, identity, key string) (string, error) {
	bus := busAddress()
	if bus == "" {
		return "", fmt.Errorf("%w: no session bus is known", ErrNoStore)
	}
	exe := o.Executable
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoStore, err)
		}
	}
	asked, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(o.Answer, func() { cancel(errLate) })
	defer timer.Stop()

	cmd := exec.CommandContext(asked, exe, secretArgument, op, identity)
	cmd.Env = []string{"DBUS_SESSION_BUS_ADDRESS=" + bus, "HOME=" + os.Getenv("HOME")}
	cmd.Stdin = strings.NewReader(key)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	last, locked := replies(out, func() { timer.Reset(o.Prompt) })
	err = cmd.Wait()
	o.Log.Debug("asked the keychain", "op", op, "server", identity, "state", last.State)
	if last.State == stateDone {
		return last.Key, nil
	}
	return "", last.failure(locked, cmp.Or(context.Cause(asked), err))
}

// replies reads to the last reply; asking is called when a person is being asked.
func replies(out io.Reader, asking func()) (last reply, locked bool) {
	dec := json.NewDecoder(io.LimitReader(out, 2*maxSecret))
	for {
		var r reply
		if dec.Decode(&r) != nil {
			return last, locked
		}
		if last = r; r.State == stateLocked {
			locked = true
			asking()
		}
	}
}

// failure is what a child's last reply means. locked: it said that a person was being asked. end is how it ended:
// errLate, an error of the caller's context, or the child's own.
func (r reply) failure(locked bool, end error) error {
	switch {
	case errors.Is(end, context.Canceled) || errors.Is(end, context.DeadlineExceeded):
		return end
	case locked:
		return fmt.Errorf("%w, and %w", ErrLocked, errAsked)
	case r.State == stateDenied:
		return fmt.Errorf("%w: %s", ErrDenied, r.Text)
	case r.State == stateNoStore:
		return fmt.Errorf("%w: %s", ErrNoStore, r.Text)
	case r.State == stateFailed:
		return errors.New(r.Text)
	case errors.Is(end, errLate):
		return fmt.Errorf("%w that answers in time", ErrNoStore)
	}
	return fmt.Errorf("asking the keychain: %w", end)
}
