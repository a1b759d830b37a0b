package network

import (
	"errors"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxies gives the Dialer.Proxy of a setting: "direct", a proxy's URL (http, https, socks5 or socks5h), or "" for the
// environment and, where that names none, the system. It is asked anew for each dial, because Wi-Fi networks bring
// their own proxies. Loopback is never proxied.
func Proxies(setting string) func(target *url.URL) (*url.URL, error) {
	if setting == "direct" {
		return nil
	}
	return func(target *url.URL) (*url.URL, error) {
		if reachOf(target.Hostname()) == ThisMachine {
			return nil, nil
		}
		if setting != "" {
			return parseProxy(setting)
		}
		if env := httpproxy.FromEnvironment(); env.HTTPProxy != "" || env.HTTPSProxy != "" {
			return choose(env, target)
		}
		system := parseScutil(systemSettings())
		if system.noSimple && !strings.Contains(target.Hostname(), ".") {
			return nil, nil
		}
		return choose(system.config(), target)
	}
}

// PACConfigured says whether the system finds its proxy by a PAC file or by discovery, and the environment names none.
// Handline evaluates neither and dials directly then, so where that fails the advice is to name the proxy in Settings.
func PACConfigured() bool {
	env := httpproxy.FromEnvironment()
	return env.HTTPProxy == "" && env.HTTPSProxy == "" && parseScutil(systemSettings()).automatic
}

// choose applies the rules to a target; a WebSocket goes where its HTTP sibling goes.
func choose(rules *httpproxy.Config, target *url.URL) (*url.URL, error) {
	sibling := *target
	switch target.Scheme {
	case "ws":
		sibling.Scheme = "http"
	case "wss":
		sibling.Scheme = "https"
	}
	return rules.ProxyFunc()(&sibling)
}

// parseProxy reads a proxy's URL. Its error repeats nothing of the setting, which may hold a password.
func parseProxy(setting string) (*url.URL, error) {
	u, err := url.Parse(setting)
	if err != nil || u.Host == "" {
		return nil, errors.New("the setting is not a URL like http://proxy.example:3128")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, errors.New("the setting must begin with http, https, socks5 or socks5h")
}
