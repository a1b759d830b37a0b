//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/diagnostics"
	"handline/persistence"
)

// endsWithin is how long a system that shuts down waits before it calls an app the one that interrupts it.
const endsWithin = 2 * time.Second

// Whatever the line is doing, the program ends in time: by SIGTERM, by Quit, and when its terminal or the desktop session
// goes.
func TestItEndsInTime(t *testing.T) {
	t.Parallel()
	heard := make(chan os.Signal, 1) // under nohup the programs would be deaf to a hangup, as they should
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
	var mu sync.Mutex
	ended := map[connection.Phase]bool{}
	ways := map[string]func(*testing.T, *living){
		"SIGTERM": func(t *testing.T, l *living) { require.NoError(t, l.process.Process.Signal(syscall.SIGTERM)) },
		"hangup":  func(t *testing.T, l *living) { require.NoError(t, l.process.Process.Signal(syscall.SIGHUP)) },
		"quit":    func(t *testing.T, l *living) { require.NoError(t, l.client.Quit(t.Context())) },
		"logout":  func(t *testing.T, l *living) { require.NoError(t, l.bus.Process.Kill()) },
	}
	t.Run("moods", func(t *testing.T) {
		for _, mood := range demo.Moods() {
			for name, end := range ways {
				if (name == "logout" || name == "hangup") && mood > demo.Chatty {
					continue // they take the same way as the others, and a bus each is dear
				}
				t.Run(mood.Name()+"/"+name, func(t *testing.T) {
					t.Parallel()
					l := live(t, name == "logout")
					phase := l.suffer(mood)
					mu.Lock()
					ended[phase] = true
					mu.Unlock()
					end(t, l)
					l.isGone()
				})
			}
		}
	})
	for _, phase := range []connection.Phase{connection.Dialing, connection.Greeting, connection.Online, connection.Waiting, connection.Stuck} {
		require.True(t, ended[phase], "one of them was ended while it was %v", phase)
	}
}

// living is a program with a backend of its own.
type living struct {
	t       *testing.T
	server  *demo.Server
	client  *diagnostics.Client
	process *exec.Cmd
	bus     *exec.Cmd // nil: there is no desktop
	said    bytes.Buffer
}

func live(t *testing.T, desktop bool) *living {
	server, at := plays(t, demo.Options{Dialect: demo.V0, Mood: demo.Steady})
	l := &living{t: t, server: server}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	home, err := persistence.OpenHome(dir)
	require.NoError(t, err)
	config := persistence.Default()
	config.Server, config.Conversation = "http://"+at, demo.DefaultConversation
	config.ConnectAtLaunch, config.Probe, config.Proxy = "always", "off", "off"
	require.NoError(t, persistence.SaveConfig(home.Config(), config))
	l.client = diagnostics.NewClient(home.Socket())

	l.process = exec.Command("handline", "--home", dir, "run", "--headless")
	l.process.Env = append(os.Environ(), "DBUS_SESSION_BUS_ADDRESS=", "XDG_RUNTIME_DIR=", "DISPLAY=", "WAYLAND_DISPLAY=")
	if desktop {
		address, _, bus := privateBus(t)
		l.bus = bus
		l.process.Args = l.process.Args[:4]
		l.process.Env = append(l.process.Env, "DBUS_SESSION_BUS_ADDRESS="+address)
	}
	l.process.Stdout, l.process.Stderr = &l.said, &l.said
	require.NoError(t, l.process.Start())
	t.Cleanup(func() { _ = l.process.Process.Kill(); _ = l.process.Wait() })
	l.until(patience, func(s connection.Snapshot) bool { return s.Phase == connection.Online && !s.Syncing })
	return l
}

// until waits for a state of the line and gives the last phase that was seen.
func (l *living) until(most time.Duration, is func(connection.Snapshot) bool) (phase connection.Phase, was bool) {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		st, err := l.client.Status(context.Background())
		if phase = st.Snapshot.Phase; err == nil && is(st.Snapshot) {
			return phase, true
		}
	}
	return phase, false
}

// suffer changes the server's mood and gives the phase in which the line then is. Some moods leave it as it was, or move
// it on at once; what they lead to is waited for where another phase would not be met.
func (l *living) suffer(mood demo.Mood) connection.Phase {
	l.server.SetMood(mood)
	to, waits := map[demo.Mood]connection.Phase{
		demo.Hang: connection.Dialing, demo.HangGreeting: connection.Greeting, demo.Down: connection.Waiting, demo.Refusing: connection.Stuck,
	}[mood]
	phase, _ := l.until(patience, func(s connection.Snapshot) bool { return !waits || s.Phase == to })
	return phase
}

// isGone says that the program has ended in time, and well.
func (l *living) isGone() {
	l.t.Helper()
	begun := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- l.process.Wait() }()
	select {
	case err := <-ended:
		require.NoError(l.t, err, l.said.String())
		l.t.Logf("gone after %v", time.Since(begun).Round(time.Millisecond))
	case <-time.After(promised(endsWithin)):
		_ = l.process.Process.Signal(syscall.SIGQUIT) // to say where it hangs
		<-ended
		l.t.Fatalf("it has not ended within %v: %s", promised(endsWithin), last(l.said.String(), 8000))
	}
}
