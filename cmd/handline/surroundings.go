package main

import (
	"context"
	"net/url"
	"runtime"

	"handline/connection"
	"handline/connection/network"
	"handline/tray/native"
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

// watchMachine hangs up before the computer sleeps and dials when it has woken. Where the system tells of neither, the
// line sees a sleep by its clocks.
func (a *app) watchMachine(ctx context.Context) error {
	native.WatchMachine(ctx, native.Machine{
		Sleeps: func(within context.Context) {
			if err := a.line.FallAsleep(within); err != nil {
				a.log.Warn("the computer sleeps, and not all was stored", "error", err)
			}
		},
		Wakes: func() {
			select {
			case a.woke <- struct{}{}: // before the line moves, so that nobody is alarmed by a wake
			default:
			}
			_ = a.line.Do(ctx, connection.Nudge{Lid: true})
		},
		Saves: func(on bool) { _ = a.settings.savePower(ctx, on) },
	})
	return nil
}

// stayAwake keeps macOS from slowing the clocks of a line that is wanted, and from ending it without a word, until the line
// itself has ended: a quit may still be sending. Nobody else does that to a program.
func (a *app) stayAwake(ctx context.Context) error {
	if runtime.GOOS != "darwin" {
		return nil
	}
	var release func()
	for s := range a.line.Watch(context.WithoutCancel(ctx)) {
		switch busy := s.Phase != connection.Idle && s.Phase != connection.Stuck; {
		case busy && release == nil:
			release = native.StayAwake("Keeps the line to the server")
		case !busy && release != nil:
			release()
			release = nil
		}
	}
	if release != nil {
		release()
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
