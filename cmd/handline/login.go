package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"golang.org/x/term"

	"handline/connection/backend"
	"handline/connection/network"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
)

type loginCmd struct {
	Cloud  bool   `help:"Log in with a browser instead of a key: to OpenHands Cloud, or with --server to another app server."`
	Server string `help:"Address of the server that the key is for. Without it: the one set up." placeholder:"URL"`
	Proxy  string `help:"Store the name and password of the proxy at this address instead, as name:password." placeholder:"URL"`
}

// Run reads the key where nobody sees it, and never from the arguments: those are in everybody's process list.
func (k loginCmd) Run(c *console) error {
	if k.Proxy != "" {
		return c.proxyLogin(k.Proxy)
	}
	ask := c.readKey
	if k.Cloud {
		ask, k.Server = c.browserKey, cmp.Or(k.Server, backend.Cloud)
	}
	server, err := c.keyServer(k.Server)
	if err != nil {
		return err
	}
	key, err := ask(server)
	if err != nil {
		return err
	}
	if err := c.setKey(server, key); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "The key for %s is stored.\n", server)
	return nil
}

type logoutCmd struct {
	Server string `help:"Address of the server whose key is removed. Without it: the one set up." placeholder:"URL"`
	Proxy  string `help:"Remove the name and password of the proxy at this address instead." placeholder:"URL"`
}

func (k logoutCmd) Run(c *console) error {
	if k.Proxy != "" {
		if err := c.setLogin(k.Proxy, ""); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "No password is kept for %s.\n", k.Proxy)
		return nil
	}
	server, err := c.keyServer(k.Server)
	if err != nil {
		return err
	}
	if err := c.setKey(server, ""); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "No key is kept for %s.\n", server)
	return nil
}

// keyServer is the server that a key is for: the one named, or the one set up.
func (c *console) keyServer(named string) (string, error) {
	server, err := persistence.ParseServer(named)
	if err != nil {
		return "", usage{text: "--server: " + err.Error()}
	}
	if server != "" {
		return server, nil
	}
	v, err := c.config()
	if err != nil {
		return "", err
	}
	if v.Server == "" {
		return "", usage{"no server is set up yet", "Name one with --server."}
	}
	return v.Server, nil
}

// maxKey is more than any key is long, in bytes.
const maxKey = 8 << 10

func (c *console) readKey(server string) (string, error) { return c.readSecret("Key for " + server) }

// readSecret asks without echo, or, where nobody can be asked, reads one line.
func (c *console) readSecret(what string) (string, error) {
	var key string
	if fd := int(c.in.Fd()); term.IsTerminal(fd) {
		fmt.Fprintf(c.err, "%s: ", what)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(c.err)
		if err != nil {
			return "", fmt.Errorf("reading the key: %w", err)
		}
		key = string(b)
	} else {
		line, err := bufio.NewReader(io.LimitReader(c.in, maxKey)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("reading the key: %w", err)
		}
		key = line
	}
	key, err := persistence.CleanKey(key)
	if err != nil {
		return "", usage{text: err.Error()}
	}
	return key, nil
}

// browserKey shows a code and waits until a person has said yes to it on the server's page.
func (c *console) browserKey(server string) (string, error) {
	v, err := c.config()
	if err != nil {
		return "", err
	}
	// The configuration's proxy and rules, and nothing that runs.
	a := &app{settings: newSettings("", v, nil), logins: persistence.Keychain(persistence.KeychainOptions{}), log: slog.New(slog.DiscardHandler)}
	asker := &backend.Client{Dialer: network.Dialer{Proxy: a.proxy, Login: a.proxyLogin}, MayCarry: a.mayCarry}
	login, err := asker.StartLogin(c.ctx, server)
	if err != nil {
		return "", diagnostics.SignInProblem(err)
	}
	fmt.Fprintf(c.out, "Open this page and check that it shows the code %s:\n\n  %s\n\nWaiting until you have said yes there. Ctrl-C ends it.\n", login.Code, login.URL)
	key, err := asker.AwaitKey(c.ctx, login)
	if err != nil {
		return "", diagnostics.SignInProblem(err)
	}
	return persistence.CleanKey(key)
}

// setKey has the running app store a key, so that it goes on with it at once; "" removes it. Where none runs it goes to
// the keychain from here.
func (c *console) setKey(server, key string) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	err = client.SetKey(c.ctx, diagnostics.Key{Server: server, Key: key})
	if !errors.Is(err, diagnostics.ErrNotRunning) {
		return err
	}
	secrets := persistence.Keychain(persistence.KeychainOptions{})
	return storeKey(c.ctx, secrets, server, key)
}

// keychain gives the system's keys, with token, the value of HANDLINE_TOKEN, before them.
func keychain(token string, log *slog.Logger) (*persistence.Secrets, error) {
	return persistence.FromEnvironment(token, persistence.Keychain(persistence.KeychainOptions{Log: log}))
}

// storeKey keeps a key for a server's identity, or forgets it where it is "". Its errors say what to do.
func storeKey(ctx context.Context, secrets *persistence.Secrets, server, key string) error {
	identity := wire.Target{Server: server}.Identity()
	if identity == "" {
		return &diagnostics.Problem{Status: 400, Code: "bad-request", Text: "No server is set up", Advice: "Name one with --server."}
	}
	var err error
	if key == "" {
		err = secrets.Delete(ctx, identity)
	} else {
		err = secrets.Set(ctx, identity, key)
	}
	if errors.Is(err, persistence.ErrNoStore) {
		return noKeychain("Start Handline with the key in the environment variable HANDLINE_TOKEN.")
	}
	return keychainSaid(err)
}

func noKeychain(advice string) error {
	return &diagnostics.Problem{Status: 503, Code: "no-keychain", Text: "There is no keychain that Handline can use", Advice: advice}
}

// keychainSaid puts a refusal of the keychain into the words of causes.
func keychainSaid(err error) error {
	switch {
	case errors.Is(err, persistence.ErrLocked):
		return network.Failure{Cause: network.KeychainLocked}
	case errors.Is(err, persistence.ErrDenied):
		return network.Failure{Cause: network.KeychainDenied}
	}
	return err
}

// forget removes the configured server's key and the proxy's password, then everything that is kept in files but the logs.
func forget(ctx context.Context, home *persistence.Home) error {
	// A configuration that cannot be read names no server; it goes all the same.
	if v, err := persistence.ReadConfig(home.Config()); err == nil {
		secrets := persistence.Keychain(persistence.KeychainOptions{})
		var kept []error
		if v.Server != "" {
			kept = append(kept, storeKey(ctx, secrets, v.Server, ""))
		}
		if at, err := proxyAddress(v.Proxy); err == nil {
			kept = append(kept, storeLogin(ctx, secrets, at.String(), ""))
		}
		for _, err := range kept {
			var p *diagnostics.Problem
			if err != nil && !(errors.As(err, &p) && p.Code == "no-keychain") {
				return err
			}
		}
	}
	for _, path := range []string{home.State(), home.Config()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("resetting: %w", err)
		}
	}
	return nil
}
