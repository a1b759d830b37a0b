package diagnostics

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	"handline/connection"
	"handline/connection/network"
)

// examination is what the checks of one run share. A field that a check fills is read only by checks that come after it.
type examination struct {
	Deps
	server string
	base   *url.URL // nil = not set up
	reach  network.Reach
	routed bool
	slots  map[string]*slot

	conn         net.Conn // filled by proxy or tcp, closed by tls
	secret       string   // filled by key
	conversation error    // filled by upgrade: why the conversation cannot be joined

	suspect   chan struct{} // closed when something looks like a captive portal
	suspected sync.Once
	scouted   chan struct{} // closed when portal is known
	portal    network.Portal
}

func newExamination(server string, d Deps) *examination {
	e := &examination{Deps: d, server: server, slots: map[string]*slot{}, suspect: make(chan struct{}), scouted: make(chan struct{})}
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		e.base, e.reach = u, network.ReachOf(server)
		route := d.Route
		if route == nil {
			route = network.RouteTo
		}
		e.routed = route(u.Hostname())
	}
	return e
}

// proxied says whether a proxy stands between. A setting that cannot be read counts: the dial will say why.
func (e *examination) proxied() bool {
	if e.Dialer.Proxy == nil {
		return false
	}
	proxy, err := e.Dialer.Proxy(e.base)
	return proxy != nil || err != nil
}

// dial opens the way to the server and ends where TLS would begin: at the server's address without TLS, by the proxy
// that the address with TLS has.
func (e *examination) dial(ctx context.Context) (net.Conn, error) {
	plain := &url.URL{Scheme: "http", Host: e.base.Host}
	if e.base.Port() == "" && e.base.Scheme == "https" {
		plain.Host = net.JoinHostPort(e.base.Hostname(), "443")
	}
	over := e.Dialer
	if over.Proxy != nil {
		over.Proxy = func(*url.URL) (*url.URL, error) { return e.Dialer.Proxy(e.base) }
	}
	return over.Dial(ctx, plain)
}

// line is the live line, where it is one to this server.
func (e *examination) line() (connection.Snapshot, bool) {
	if e.Line == nil {
		return connection.Snapshot{}, false
	}
	s, running := e.Line()
	return s, running && s.Server == e.server
}

// settled is the live line once the dial that is under way or about to begin has come to something, or as it stands when
// ctx ends; greeting is how long the server has kept it waiting with its greeting, in which it may replay a long history.
// Who asks has reached the server, so a line that knows of no network is about to hear of one.
func (e *examination) settled(ctx context.Context) (s connection.Snapshot, greeting time.Duration, running bool) {
	s, running = e.line()
	if !running || e.Watch == nil || e.conversation != nil {
		return s, 0, running
	}
	var greets time.Time
	var events uint64
	tried := false
	for s = range e.Watch(ctx) {
		trying := s.Phase == connection.Dialing || s.Phase == connection.Greeting
		about := s.Phase == connection.Offline || s.Phase == connection.Waiting && time.Until(s.RetryAt) < patience
		if s.Server != e.server || !trying && (tried || !about) {
			return s, 0, s.Server == e.server
		}
		if tried = tried || trying; s.Phase == connection.Greeting && (greets.IsZero() || s.Events > events) {
			greets, events = time.Now(), s.Events
		}
	}
	if !greets.IsZero() {
		greeting = time.Since(greets)
	}
	return s, greeting, true
}

func (e *examination) online() bool {
	s, running := e.line()
	return running && s.Status == connection.Connected
}

// failed is the finding for an error on the way to the server. Where this computer has no network, that explains it.
func (e *examination) failed(ctx context.Context, err error) Finding {
	f := network.Classify(err, e.base, nil, nil)
	if e.base != nil && !e.routed && f.Silent {
		return notReached("Network")
	}
	return e.worded(ctx, f)
}

// worded says a failure in the words that every face uses. Where a captive portal may be behind it, that is looked into
// first.
func (e *examination) worded(ctx context.Context, f network.Failure) Finding {
	var open string
	if e.doubtful(f) {
		if p := e.ask(ctx); p.Verdict == network.LogIn {
			f, open = network.Failure{Cause: network.Captive, Host: f.Host, Detail: f.Detail}, p.Open
		}
	}
	why := connection.Explain(f, e.server)
	found := Finding{Outcome: Failed, Code: f.Cause, Saw: why.Text, Means: why.Means, Advice: why.Advice, Detail: why.Detail, Action: action(f.Cause)}
	if f.Cause == network.NotSetUp && e.server != "" {
		found.Action = "choose-conversation"
	}
	if open == "" && found.Action == "open-login" {
		found.Action = "" // there is no page to open
	}
	return found
}

// doubtful says whether a portal may be behind a failure. This computer and its neighbours are reached without one.
func (e *examination) doubtful(f network.Failure) bool {
	return (f.Suspect || f.Silent || f.Cause == network.Captive) && e.Portal != nil && e.base != nil && e.reach == network.Internet
}

// patience is how long a healthy server may take before the way to it, or the server, is doubted.
const patience = time.Second

// scout looks for a captive portal once something is wrong. A way that gives no answer counts as wrong before its own
// check has given up, so that there is time left for the look.
func (e *examination) scout(ctx context.Context) {
	defer close(e.scouted)
	if e.Portal == nil || e.base == nil || e.reach != network.Internet {
		return
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-e.suspect:
	case <-wait.C:
		select {
		case <-e.slots["server"].done:
			return
		default:
		}
	case <-ctx.Done():
		return
	}
	e.portal = e.Portal(ctx)
}

// ask waits for what the scout finds.
func (e *examination) ask(ctx context.Context) network.Portal {
	e.suspected.Do(func() { close(e.suspect) })
	select {
	case <-e.scouted:
		return e.portal
	case <-ctx.Done():
	}
	// Both may be so; what is known counts.
	select {
	case <-e.scouted:
		return e.portal
	default:
		return network.Portal{}
	}
}

// aboutConversation says whether a failure is the conversation's own, given that server and key are in order: what is
// unavailable then is its sandbox.
func aboutConversation(err error) bool {
	var f network.Failure
	if !errors.As(err, &f) {
		return false
	}
	switch f.Cause {
	case network.Gone, network.Asleep, network.Forbidden, network.NotSetUp, network.Unavailable:
		return true
	}
	return false
}

// action is the button that does what the words of a cause advise.
func action(c network.Cause) string {
	switch c {
	case network.Captive:
		return "open-login"
	case network.Auth:
		return "enter-key"
	case network.Forbidden, network.Gone:
		return "choose-conversation"
	case network.Asleep:
		return "resume"
	case network.NotSetUp:
		return "set-up"
	case network.DNS, network.Refused, network.NotABackend, network.Proxy, network.ProxyAuth, network.Plaintext, network.TLSName:
		return "open-settings"
	case network.KeychainLocked, network.KeychainDenied:
		return "connect"
	}
	return ""
}
