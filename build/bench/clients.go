//go:build linux

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"handline/persistence"
)

// lab holds what all measures share: the built programs, the server, a directory that is removed at the end.
type lab struct {
	dir    string
	server *server
	homes  int
	node   string   // directory with node_modules, "" = not to be had
	python string   // interpreter, "" = not to be had
	lacks  []string // what was skipped, and why
}

//go:embed clients/client.js
var nodeClient []byte

//go:embed clients/client.py
var pythonClient []byte

// open builds Handline as it is shipped, and gets the others ready where their registries allow it.
func open(ctx context.Context) (*lab, error) {
	dir, err := os.MkdirTemp("", "handline-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	for program, pkg := range map[string]string{"handline": "./cmd/handline", "loop": "./build/bench/loop"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", l.program(program), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return l, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
	}
	if l.server, err = newServer(dir); err != nil {
		return l, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return l, err
	}
	l.getNode(ctx, filepath.Join(cache, "handline-test", "node"))
	l.getPython(ctx, filepath.Join(cache, "handline-test", "python"))
	return l, nil
}

func (l *lab) close() error {
	if l.server != nil {
		l.server.close()
	}
	return os.RemoveAll(l.dir)
}

func (l *lab) program(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) lack(what string, err error) {
	l.lacks = append(l.lacks, fmt.Sprintf("%s: %v", what, err))
}

func (l *lab) getNode(ctx context.Context, dir string) {
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "socket.io-client", "package.json")); err != nil {
		err := errors.Join(os.MkdirAll(dir, 0o700),
			quiet(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix", dir, "socket.io@4.8", "socket.io-client@4.8"))
		if err != nil {
			l.lack("node socket.io-client", err)
			return
		}
	}
	// node looks for modules beside the script.
	err := errors.Join(os.Symlink(filepath.Join(dir, "node_modules"), l.program("node_modules")),
		os.WriteFile(l.program("client.js"), nodeClient, 0o600))
	if _, missing := exec.LookPath("node"); err != nil || missing != nil {
		l.lack("node socket.io-client", errors.Join(err, missing))
		return
	}
	l.node = dir
}

func (l *lab) getPython(ctx context.Context, dir string) {
	python := filepath.Join(dir, "bin", "python")
	if quiet(ctx, python, "-c", "import socketio, aiohttp") != nil {
		err := errors.Join(quiet(ctx, "python3", "-m", "venv", dir), quiet(ctx, python, "-m", "pip", "install", "-q", "python-socketio", "aiohttp"))
		if err != nil {
			l.lack("python-socketio", err)
			return
		}
	}
	if err := os.WriteFile(l.program("client.py"), pythonClient, 0o600); err != nil {
		l.lack("python-socketio", err)
		return
	}
	l.python = python
}

func quiet(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w %s", name, err, out)
	}
	return nil
}

// home makes a home for one Handline that is connected with a conversation of the server at once.
func (l *lab) home(conversation string, change func(*persistence.Config)) (*persistence.Home, error) {
	l.homes++
	dir := filepath.Join(l.dir, "home"+strconv.Itoa(l.homes))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	home, err := persistence.OpenHome(dir)
	if err != nil {
		return nil, err
	}
	c := persistence.Default()
	c.Server, c.Conversation, c.Dialect = "http://"+l.server.plain.Addr().String(), conversation, "socketio"
	c.ConnectAtLaunch, c.Probe, c.Proxy = "always", "off", "off"
	if change != nil {
		change(&c)
	}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return home, os.WriteFile(home.Config(), b, 0o600)
}

// encrypted leads through a proxy, because compression is offered to other computers alone, and only loopback is
// dialled here: the server's name is known to the proxy, which is the server itself.
func (l *lab) encrypted(c *persistence.Config) {
	c.Server, c.Compression, c.Proxy = "https://"+hostname, "auto", "http://"+l.server.secure.Addr().String()
}

// handline starts the app on a home. env may name a desktop; without one there is none.
func (l *lab) handline(home *persistence.Home, env []string, args ...string) (*child, error) {
	env = append([]string{
		"HANDLINE_HOME=" + filepath.Dir(home.Config()), "SSL_CERT_FILE=" + l.server.authority,
		"DBUS_SESSION_BUS_ADDRESS=", "DISPLAY=", "WAYLAND_DISPLAY=", "HANDLINE_TOKEN=",
	}, env...)
	return start(env, l.program("handline"), append([]string{"run"}, args...)...)
}

// stock starts node's client. ping is in seconds, 0 = none.
func (l *lab) stock(url, conversation string, ping int, reconnect bool) (*child, error) {
	mode := "once"
	if reconnect {
		mode = "reconnect"
	}
	return start([]string{"NODE_EXTRA_CA_CERTS=" + l.server.authority}, "node", l.program("client.js"), url, conversation, strconv.Itoa(ping), mode)
}

func (l *lab) plainURL() string { return "http://" + l.server.plain.Addr().String() }

// secureURL is for clients that go there directly: they offer compression everywhere.
func (l *lab) secureURL() string {
	_, port, _ := strings.Cut(l.server.secure.Addr().String(), ":")
	return "https://localhost:" + port
}
