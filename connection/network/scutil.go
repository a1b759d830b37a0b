package network

import (
	"net"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// systemProxies is what System Settings, Network, Proxies says.
type systemProxies struct {
	web, secure, socks string // URLs, "" = off
	exceptions         []string
	noSimple           bool // names without a dot are dialled directly
	automatic          bool // a PAC file or discovery (WPAD) is configured, which Handline does not evaluate
}

// parseScutil reads the dictionary that `scutil --proxy` prints. Only the top level counts: __SCOPED__ repeats it for
// each interface.
func parseScutil(out string) systemProxies {
	values, lists := map[string]string{}, map[string][]string{}
	var inside []string // the keys of the dictionaries and arrays around this line
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		key, value, pair := strings.Cut(line, " : ")
		switch {
		case line == "}" && len(inside) > 0:
			inside = inside[:len(inside)-1]
		case strings.HasSuffix(line, "> {"):
			inside = append(inside, key)
		case pair && len(inside) == 1:
			values[key] = value
		case pair && len(inside) == 2:
			lists[inside[1]] = append(lists[inside[1]], value)
		}
	}
	return systemProxies{
		web:        proxyIn(values, "HTTP", "http"),
		secure:     proxyIn(values, "HTTPS", "http"), // a proxy for https, itself spoken to in plain http
		socks:      proxyIn(values, "SOCKS", "socks5"),
		exceptions: lists["ExceptionsList"],
		noSimple:   values["ExcludeSimpleHostnames"] == "1",
		automatic:  values["ProxyAutoConfigEnable"] == "1" || values["ProxyAutoDiscoveryEnable"] == "1",
	}
}

func proxyIn(values map[string]string, kind, scheme string) string {
	host := strings.Trim(values[kind+"Proxy"], "[]")
	port, err := strconv.ParseUint(values[kind+"Port"], 10, 16)
	if values[kind+"Enable"] != "1" || host == "" || err != nil {
		return ""
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.FormatUint(port, 10))
}

// config says the same in the words of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
func (s systemProxies) config() *httpproxy.Config {
	c := &httpproxy.Config{HTTPProxy: s.web, HTTPSProxy: s.secure}
	if c.HTTPProxy == "" {
		c.HTTPProxy = s.socks
	}
	if c.HTTPSProxy == "" {
		c.HTTPSProxy = s.socks
	}
	var except []string
	for _, e := range s.exceptions {
		except = append(except, wholePrefix(e))
	}
	c.NoProxy = strings.Join(except, ",")
	return c
}

// wholePrefix completes macOS's short prefixes: 169.254/16 is 169.254.0.0/16.
func wholePrefix(e string) string {
	ip, bits, ok := strings.Cut(e, "/")
	if !ok || strings.Contains(ip, ":") {
		return e
	}
	for range 3 - strings.Count(ip, ".") {
		ip += ".0"
	}
	return ip + "/" + bits
}
