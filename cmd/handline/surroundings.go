package main

import (
	"context"
	"net/url"

	"handline/connection"
	"handline/connection/network"
)

// watchNetwork tells the line when the network around this machine has become another. Where the system does not say,
// the line lives by its retries alone.
func (a *app) watchNetwork(ctx context.Context) error {
	err := network.Changes(ctx, func() {
		_ = a.line.Do(ctx, connection.Nudge{Link: true, Route: network.RouteTo(host(a.settings.now().Server))})
	})
	if err != nil {
		a.log.Warn("network changes are not seen; retries go on", "error", err)
	}
	return nil
}

func host(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// What follows asks the configuration at each call, so that a change needs no restart.

func (a *app) proxy(to *url.URL) (*url.URL, error) {
	switch setting := a.settings.now().Proxy; setting {
	case "off":
		return nil, nil
	case "auto":
		return network.Proxies("")(to)
	default:
		return network.Proxies(setting)(to)
	}
}

func (a *app) mayCarry(to *url.URL) error {
	return network.MayCarryKey(to, a.settings.now().AllowPlaintext)
}

// compress offers compression where the setting says so: on loopback it costs time, and without TLS broken proxies
// garble it.
func (a *app) compress(to *url.URL) bool {
	return a.settings.now().Compression == "auto" && to.Scheme == "wss" && network.ReachOf(to.String()) != network.ThisMachine
}

func (a *app) portal(ctx context.Context) network.Portal {
	probe := a.settings.now().Probe
	switch probe {
	case "off":
		return network.Portal{}
	case "auto":
		probe = ""
	}
	return network.FindPortal(ctx, a.dialer, probe)
}
