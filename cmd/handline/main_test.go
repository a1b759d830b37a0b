package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"handline/connection/demo"
)

func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){"handline": main})
}

// tidy takes away what all tests shared.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	defer func() {
		if dir, err := workshop(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}()
	return m.M.Run()
}

// The command line as it is typed: a script a subject. Each has a home of its own, no desktop and no keychain.
func TestScripts(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the scripts use unix signals and paths")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Condition:           has,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HANDLINE_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
			e.Setenv("XDG_RUNTIME_DIR", "")
			e.Setenv("TALK", demo.DefaultConversation)
			e.Values[slot{}] = new(slot)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"backend":     backendCmd,
			"cloud":       cloudCmd,
			"agentserver": agentServerCmd,
			"browser":     browserCmd,
			"mood":        moodCmd,
			"exits":       exitsCmd,
			"until":       untilCmd,
			"nowhere":     nowhereCmd,
			"keyring":     keyringCmd,
			"tail":        tailCmd,
		},
	})
}

// slot is where a script keeps its backend.
type slot struct{ server *demo.Server }

// has says whether a program that a script needs is there. In CI it has to be.
func has(program string) (bool, error) {
	if os.Getenv("CI") == "true" {
		return true, nil
	}
	_, err := exec.LookPath(program)
	return err == nil, nil
}

// backend [KEY] plays an OpenHands server on loopback and puts its address into $SERVER.
func backendCmd(ts *testscript.TestScript, _ bool, args []string) {
	key := ""
	if len(args) > 0 {
		key = args[0]
	}
	serve(ts, demo.Options{Dialect: demo.V0, Key: key, Mood: demo.Quiet, Conversations: []string{demo.DefaultConversation, "5f0c5d1f2b0e4f6b8f4f0a7c9d3e1b22"}})
}

// agentserver plays an OpenHands agent-server and puts its address into $SERVER.
func agentServerCmd(ts *testscript.TestScript, _ bool, _ []string) {
	serve(ts, demo.Options{Dialect: demo.AgentServer, Mood: demo.Quiet})
}

// cloud KEY plays an OpenHands app server, whose runtimes have keys of their own, and puts its address into $SERVER.
func cloudCmd(ts *testscript.TestScript, _ bool, args []string) {
	serve(ts, demo.Options{Dialect: demo.AppServer, Key: args[0], Mood: demo.Quiet})
}

// browser [deny] answers a login by code on the server's page, for somebody who has been given one.
func browserCmd(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Get(ts.Getenv("SERVER") + "/oauth/device/verify?" + strings.Join(args, "&"))
	ts.Check(err)
	ts.Check(res.Body.Close())
}

func serve(ts *testscript.TestScript, o demo.Options) {
	address, err := findFree()
	ts.Check(err)
	ln, err := net.Listen("tcp", address)
	ts.Check(err)
	s := demo.New(o)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	ts.Defer(func() {
		s.Close()
		<-served
	})
	s.Publish(3)
	ts.Setenv("SERVER", "http://"+ln.Addr().String())
	ts.Value(slot{}).(*slot).server = s
}

// mood NAME changes the backend's mood.
func moodCmd(ts *testscript.TestScript, _ bool, args []string) {
	for _, m := range demo.Moods() {
		if m.Name() == strings.Join(args, " ") {
			ts.Value(slot{}).(*slot).server.SetMood(m)
			if m == demo.Down {
				ts.Check(isShut(strings.TrimPrefix(ts.Getenv("SERVER"), "http://")))
			}
			return
		}
	}
	ts.Fatalf("there is no mood %q", args)
}

// findFree finds a loopback address on which nobody listens, nor will but for the test that asked, while it is shut too. It
// lies below the ports that systems give away, from 32768, so no other test is given it meanwhile. It was never listened at
// to find it: a process that another test is just starting has a copy of each listener, so that one that was closed may go
// on for a moment.
func findFree() (string, error) {
	for {
		port := 20000 + (os.Getpid()*64+int(given.Add(1)))%12000
		address := fmt.Sprintf("127.0.0.1:%d", port)
		conn, err := net.DialTimeout("tcp", address, patience)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return address, nil
		}
		if err != nil {
			return "", err
		}
		conn.Close()
	}
}

// given counts the ports that findFree has given.
var given atomic.Int32

func free(t *testing.T) string {
	address, err := findFree()
	require.NoError(t, err)
	return address
}

// isShut waits until nobody listens at an address that was given up. A process that another test is just starting has a
// copy of the listener until it runs a program of its own, and the system takes connections as long.
func isShut(address string) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return nil
		}
		conn.Close()
		if time.Now().After(end) {
			return fmt.Errorf("somebody listens at %s", address)
		}
	}
}

// exits CODE COMMAND... runs a command that must end with the code.
func exitsCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, not %d", strings.Join(args[1:], " "), got, want)
	}
}

// until PATTERN COMMAND... runs a command again and again until its output matches.
func untilCmd(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if pattern.MatchString(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s never said %q, but\n%s", strings.Join(args[1:], " "), args[0], out)
		}
	}
}

// tail FILE PATTERN [LIMIT] waits until a file that a background command writes matches, for as long as was promised.
func tailCmd(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	limit := patience
	if len(args) > 2 {
		most, err := time.ParseDuration(args[2])
		ts.Check(err)
		limit = promised(most)
	}
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		if pattern.Match(b) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s never had %q, but\n%s", args[0], args[1], b)
		}
	}
}

// nowhere SECRET looks for it in every file of the script's directory, in the latest output, and in the arguments of
// every process.
func nowhereCmd(ts *testscript.TestScript, _ bool, args []string) {
	secret := []byte(args[0])
	looked := 0
	check := func(where string, b []byte) {
		looked++
		if bytes.Contains(b, secret) {
			ts.Fatalf("the key is in %s", where)
		}
	}
	check("the output", []byte(ts.ReadFile("stdout")+ts.ReadFile("stderr")))
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".planted") || strings.Contains(path, "keyring") {
			return err
		}
		b, err := os.ReadFile(path)
		check(path, b)
		if errors.Is(err, fs.ErrNotExist) { // what is written anew lies beside the old one until it is whole
			return nil
		}
		return err
	}))
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range processes {
		b, _ := os.ReadFile(p) // it may have ended
		check(p, b)
	}
	if looked < 4 {
		ts.Fatalf("only %d places were looked at", looked)
	}
}

// keyring starts a session bus and an unlocked Secret Service of the script's own.
func keyringCmd(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs("keyring")
	ts.Check(os.MkdirAll(dir, 0o700))
	address := "unix:path=" + filepath.Join(dir, "bus")
	ts.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	env := append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_RUNTIME_DIR="+dir, "DISPLAY=", "DBUS_SESSION_BUS_ADDRESS="+address)
	start := func(stdin, name string, args ...string) (ended <-chan struct{}) {
		cmd := exec.Command(name, args...)
		cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
		ts.Check(cmd.Start())
		over := make(chan struct{})
		go func() { defer close(over); _ = cmd.Wait() }()
		ts.Defer(func() {
			_ = cmd.Process.Kill()
			<-over
		})
		return over
	}
	start("", "dbus-daemon", "--session", "--nofork", "--nopidfile", "--address="+address)
	var bus *dbus.Conn
	for end := time.Now().Add(patience); bus == nil; time.Sleep(20 * time.Millisecond) {
		bus, _ = dbus.Connect(address) // its socket is there before it listens, and the keyring asks once
		if time.Now().After(end) {
			ts.Fatalf("the session bus did not start")
		}
	}
	ts.Defer(func() { _ = bus.Close() })
	// Nobody asks the keyring before it is there, or the bus would start another, which nobody has opened.
	there := func() (owned bool) {
		err := bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&owned)
		return err == nil && owned
	}
	keyring := func() <-chan struct{} {
		return start("password", "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
	}
	crashed := keyring()
	// Only a keyring that is there and open takes a key.
	for end := time.Now().Add(patience); !there() || ts.Exec("sh", "-c", "echo probe | handline login --server http://probe.example") != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("the keyring did not start")
		}
		select {
		case <-crashed: // as it does now and then when it is asked at once
			ts.Logf("gnome-keyring-daemon crashed; starting it once more")
			keyring()
			crashed = nil
		default:
		}
	}
	ts.Check(ts.Exec("handline", "logout", "--server", "http://probe.example"))
}
