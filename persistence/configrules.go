package persistence

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ParseServer gives the one spelling of a server's address: http or https (ws and wss become these), lower-case host, no
// default port, no slash at the end. "" stays "". What could hide a key (a user, a query, a fragment) is refused, and the
// error never repeats the address.
func ParseServer(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") {
		return "", errors.New("write an address such as http://localhost:3000 or https://example.com")
	}
	u.Scheme = map[string]string{"http": "http", "ws": "http", "https": "https", "wss": "https"}[u.Scheme]
	switch {
	case u.Scheme == "":
		return "", errors.New("the address must begin with http:// or https://")
	case u.User != nil:
		return "", errors.New("the address must not hold a user or password; enter the key in its own field, or with: handline login")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return "", errors.New("the address must not hold a query or a fragment; set query parameters with params")
	}
	if u.Host, err = cleanHost(u); err != nil {
		return "", err
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String(), nil
}

func cleanHost(u *url.URL) (string, error) {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "", errors.New("the address has no host")
	}
	if port == "" && strings.HasSuffix(u.Host, ":") {
		return "", errors.New("the address has no port after the colon")
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", errors.New("the port must be 1 to 65535")
		}
	}
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		if strings.Contains(host, ":") {
			return "[" + host + "]", nil
		}
		return host, nil
	}
	return net.JoinHostPort(host, port), nil
}

// Origin is the identity of a server that ParseServer has cleaned: what its key and cursors hang on. It is "" for an
// address without a host.
func Origin(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// normalise gives every address its one spelling.
func (c *Config) normalise() error {
	var err error
	if c.Server, err = ParseServer(c.Server); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	origins := make([]string, 0, len(c.AllowPlaintext))
	for _, o := range c.AllowPlaintext {
		if o, err = ParseServer(o); err != nil {
			return fmt.Errorf("allowPlaintext: %w", err)
		}
		if !slices.Contains(origins, o) {
			origins = append(origins, o)
		}
	}
	c.AllowPlaintext = origins
	return nil
}

// Validate checks every field. The error names the first bad one and says what is allowed.
func (c Config) Validate() error {
	for _, check := range []func() error{c.checkTarget, c.checkChoices, c.checkNumbers, c.checkAddresses} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) checkTarget() error {
	if s, err := ParseServer(c.Server); err != nil || s != c.Server {
		return fmt.Errorf("server: %w", cmp.Or(err, errors.New("it must be spelled as ParseServer does")))
	}
	for _, f := range [][2]string{{"conversation", c.Conversation}, {"path", c.Path}, {"namespace", c.Namespace}} {
		if len(f[1]) > 1000 || hasControl(f[1]) {
			return fmt.Errorf("%s: at most 1000 printable characters are allowed", f[0])
		}
	}
	if c.Path != "" && (c.Path[0] != '/' || strings.ContainsAny(c.Path, "?#")) {
		return errors.New("path: it begins with / and has no query, such as /socket.io")
	}
	if c.Namespace != "" && (c.Namespace[0] != '/' || strings.ContainsAny(c.Namespace, ",?#")) {
		return errors.New("namespace: it begins with / and has no comma or query, such as /chat")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		switch {
		case name == "" || hasControl(name) || hasControl(c.Params[name]):
			return errors.New("params: names and values are printable text")
		case isKeyName(name):
			return fmt.Errorf("params.%s: a key is not kept in a file; store it with: handline login", name)
		case slices.Contains(ownParams(), name):
			return fmt.Errorf("params.%s: Handline sets this parameter itself", name)
		}
	}
	return nil
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// isKeyName spots query parameters that carry a secret.
func isKeyName(name string) bool {
	n := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
	if slices.Contains([]string{"key", "passwd", "pwd", "jwt"}, n) { // as ends of words they are harmless: monkey
		return true
	}
	return slices.ContainsFunc([]string{"apikey", "token", "password", "secret", "authorization", "auth"}, func(s string) bool {
		return n == s || strings.HasSuffix(n, s)
	})
}

// ownParams are the query parameters that the dialects write.
func ownParams() []string {
	return []string{"conversation_id", "latest_event_id", "EIO", "transport", "sid", "resend_mode", "after_timestamp", "after_seq"}
}

func (c Config) checkChoices() error {
	for _, f := range []struct {
		field, value string
		allowed      []string
	}{
		{"dialect", c.Dialect, []string{"auto", "socketio", "events", "session", "voicecode"}},
		{"connectAtLaunch", c.ConnectAtLaunch, []string{"last", "always", "never"}},
		{"icon", c.Icon, []string{"color", "monochrome"}},
		{"iconClick", c.IconClick, []string{"act", "menu"}},
		{"compression", c.Compression, []string{"off", "auto"}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return fmt.Errorf("%s: %q is not one of %s", f.field, f.value, strings.Join(f.allowed, ", "))
		}
	}
	return nil
}

// checkNumbers keeps the ladder from storming a server and from waiting for ever. Jitter is never 0, so that clients
// that lost a server together do not come back together.
func (c Config) checkNumbers() error {
	r, h := c.Retry, c.Heartbeat
	between := func(field string, v, low, high Duration) error {
		if v < low || v > high {
			return fmt.Errorf("%s: %v to %v is allowed", field, time.Duration(low), time.Duration(high))
		}
		return nil
	}
	const s = Duration(time.Second)
	for _, err := range []error{
		between("retry.initialDelay", r.InitialDelay, s/10, 60*s),
		between("retry.maxDelay", r.MaxDelay, r.InitialDelay, 600*s),
		between("heartbeat.idle", h.Idle, 5*s, 600*s),
		between("heartbeat.looking", h.Looking, s, h.Idle),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case r.Preset != "" && r != retryPresets()[r.Preset]:
		return errors.New("retry.preset: the numbers are not the preset's")
	case h.Preset != "" && h != heartbeatPresets()[h.Preset]:
		return errors.New("heartbeat.preset: the numbers are not the preset's")
	case !(r.Factor >= 1 && r.Factor <= 10):
		return errors.New("retry.factor: 1 to 10 is allowed")
	case r.MaxAttempts < 1 || r.MaxAttempts > 1000:
		return errors.New("retry.maxAttempts: 1 to 1000 is allowed")
	case !(r.Jitter >= 0.05 && r.Jitter <= 0.9):
		return errors.New("retry.jitter: 0.05 to 0.9 is allowed")
	case h.Timeout != 0 && (h.Timeout < s || h.Timeout > 60*s):
		return errors.New("heartbeat.timeout: 0s (by the measured round trip) or 1s to 1m0s is allowed")
	}
	return nil
}

func (c Config) checkAddresses() error {
	for _, o := range c.AllowPlaintext {
		if u, err := url.Parse(o); err != nil || u.Scheme != "http" || u.Host == "" || u.Path != "" {
			return errors.New("allowPlaintext: only origins such as http://192.168.1.20:3000 are allowed")
		}
	}
	if c.Probe != "auto" && c.Probe != "off" && !isAddress(c.Probe, "http") {
		return errors.New("probe: auto, off or an address that begins with http:// is allowed")
	}
	if c.Proxy != "auto" && c.Proxy != "off" && !isAddress(c.Proxy, "http", "https", "socks5") {
		return errors.New("proxy: auto, off or an address such as http://proxy:8080, without a user or password, is allowed")
	}
	return nil
}

func isAddress(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
