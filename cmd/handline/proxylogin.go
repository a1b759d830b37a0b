package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"handline/connection"
	"handline/diagnostics"
	"handline/persistence"
)

// This file keeps the name and password of a proxy. The configuration holds none, so they are in the keychain, as
// "name:password" under an account that no server has. HANDLINE_TOKEN must never reach a proxy, so what answers here
// knows nothing of it.

// proxyAccount is the keychain's account of a proxy.
func proxyAccount(proxy *url.URL) string { return "proxy " + proxy.Scheme + "://" + proxy.Host }

// proxyLogin gives what is kept for a proxy, nil = nothing, or nothing that can be had now.
func (a *app) proxyLogin(ctx context.Context, proxy *url.URL) *url.Userinfo {
	kept, err := a.logins.Get(ctx, proxyAccount(proxy))
	if err != nil && !errors.Is(err, persistence.ErrNoStore) {
		a.log.Warn("the proxy's password cannot be had", "error", err)
	}
	name, password, ok := strings.Cut(kept, ":")
	if !ok {
		return nil
	}
	return url.UserPassword(name, password)
}

// setLogin keeps a proxy's name and password, "" forgets them, and lets the line try again.
func (a *app) setLogin(ctx context.Context, proxy, login string) error {
	if err := storeLogin(ctx, a.logins, proxy, login); err != nil {
		return err
	}
	return a.line.Do(ctx, connection.KeyChanged{})
}

// askAgain lets both keychains ask the person anew.
func (a *app) askAgain(ctx context.Context) error {
	return errors.Join(a.secrets.AskAgain(ctx), a.logins.AskAgain(ctx))
}

// storeLogin keeps a proxy's name and password, or forgets them where login is "". Its errors say what to do.
func storeLogin(ctx context.Context, logins *persistence.Secrets, proxy, login string) error {
	at, err := proxyAddress(proxy)
	if err != nil {
		return err
	}
	if login == "" {
		err = logins.Delete(ctx, proxyAccount(at))
	} else if name, _, whole := strings.Cut(login, ":"); whole && name != "" {
		err = logins.Set(ctx, proxyAccount(at), login)
	} else {
		return &diagnostics.Problem{Status: 400, Code: "bad-request", Text: "A proxy wants a name and a password",
			Advice: "Enter both, with a colon between them."}
	}
	if errors.Is(err, persistence.ErrNoStore) {
		return noKeychain("Set HTTPS_PROXY, or HTTP_PROXY for a server with http, to the proxy's address with name and password in it.")
	}
	return keychainSaid(err)
}

// proxyAddress reads what the configuration would take for a proxy's address.
func proxyAddress(proxy string) (*url.URL, error) {
	_, err := persistence.Default().Set("proxy", proxy)
	u, bad := url.Parse(proxy)
	if err != nil || bad != nil || u.Host == "" {
		return nil, &diagnostics.Problem{Status: 400, Code: "bad-request", Text: "That is no address of a proxy",
			Advice: "Enter it like http://proxy.example:3128, without name and password."}
	}
	return u, nil
}

// proxyLogin reads a proxy's name and password where nobody sees them, and keeps them.
func (c *console) proxyLogin(proxy string) error {
	if _, err := proxyAddress(proxy); err != nil {
		return usage{text: "--proxy: an address such as http://proxy.example:3128 is wanted, without name and password"}
	}
	login, err := c.readSecret("name:password for " + proxy)
	if err != nil {
		return err
	}
	if err := c.setLogin(proxy, login); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "The password for %s is stored.\n", proxy)
	return nil
}

// setLogin has the running app keep a proxy's name and password, or does it from here where none runs.
func (c *console) setLogin(proxy, login string) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	err = client.SetKey(c.ctx, diagnostics.Key{Proxy: proxy, Key: login})
	if !errors.Is(err, diagnostics.ErrNotRunning) {
		return err
	}
	return storeLogin(c.ctx, persistence.Keychain(persistence.KeychainOptions{}), proxy, login)
}
