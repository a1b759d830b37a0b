package diagnostics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
)

// Deps are what the checks need of the world. Errors of the funcs are network.Failure where one fits; none may wake,
// start or change anything.
type Deps struct {
	// Dialer opens every connection of the checks.
	Dialer network.Dialer
	// PAC says whether the system finds its proxy by a file or by discovery, which nothing here evaluates. nil: it does not.
	PAC func() bool
	// Resolve looks a name up. nil: the system's resolver.
	Resolve func(ctx context.Context, host string) ([]string, error)
	// Route says whether there is a way to a host. nil: network.RouteTo.
	Route func(host string) bool
	// Portal looks for a captive portal. It is called at most once, only for servers on the internet and only when
	// something is wrong. nil: never looked for.
	Portal func(ctx context.Context) network.Portal
	// Identify asks the server what it is, anew, and whether it is well.
	Identify func(ctx context.Context) (backend.Server, error)
	// Secret gives the server's key, "" = none. It may ask the person.
	Secret func(ctx context.Context) (string, error)
	// MayCarry says whether a key may travel to a URL. nil: everywhere.
	MayCarry func(u *url.URL) error
	// Key asks the server whether it takes the key. backend.ErrNoQuestion: it cannot be asked.
	Key func(ctx context.Context, key string) error
	// Locate finds a socket to try, and sees to it that no key in it travels where it must not. Where there is an error
	// and a socket all the same, the error is about the conversation alone.
	Locate func(ctx context.Context, key string) (Socket, error)
	// Line is the live line, false where Handline is not running. nil: it is not.
	Line func() (connection.Snapshot, bool)
	// Watch gives the live line at once and then each change of it, until ctx ends, so that a check can wait for a dial
	// under way. nil: nobody waits.
	Watch func(ctx context.Context) iter.Seq[connection.Snapshot]
}

// checks are all checks in the order of DESIGN 8. A proxy looks the server's name up itself, so it stands in for DNS.
func (e *examination) checks() []Check {
	if e.base == nil {
		return []Check{{Name: "server", Title: "Server", Run: func(ctx context.Context, e *examination) Finding {
			return e.failed(ctx, network.Failure{Cause: network.NotSetUp})
		}}}
	}
	ways := []Check{{Name: "dns", Title: "Name lookup", Run: lookup}}
	switch {
	case e.proxied():
		ways = []Check{{Name: "proxy", Title: "Proxy", Run: throughProxy}}
	case e.reach != network.ThisMachine && e.PAC != nil && e.PAC():
		ways = append([]Check{{Name: "proxy", Title: "Proxy", Run: notEvaluated}}, ways...)
	}
	way := ways[len(ways)-1]
	return slices.Concat([]Check{{Name: "link", Title: "Network", Run: link}}, ways, []Check{
		{Name: "tcp", Title: "Connection", After: []string{way.Name}, Run: reach},
		{Name: "tls", Title: "Encryption", After: []string{"tcp"}, Run: encrypt},
		{Name: "server", Title: "Server", After: []string{"tls"}, Run: identify},
		{Name: "key", Title: "Key", After: []string{"server"}, Run: key},
		{Name: "upgrade", Title: "WebSocket", After: []string{"server", "key"}, Run: upgrade},
		{Name: "ready", Title: "Conversation", After: []string{"upgrade"}, Run: ready},
		{Name: "round-trip", Title: "Round trip", After: []string{"ready"}, Run: roundTrip},
	})
}

// link: a table of routes can be wrong, as with a VPN that leads to one network alone. What was reached has a route.
func link(ctx context.Context, e *examination) Finding {
	switch {
	case e.reach == network.ThisMachine:
		return fine("The server is on this computer", "No network is needed.")
	case e.routed || e.found("tcp").Outcome == OK:
		return fine("There is a route to "+e.base.Hostname(), "This computer is on a network.")
	}
	return e.worded(ctx, network.Failure{Cause: network.NoNetwork, Host: e.base.Host, Silent: true})
}

func lookup(ctx context.Context, e *examination) Finding {
	host := e.base.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return fine(host+" is an address", "There is no name to look up.")
	}
	resolve := e.Resolve
	if resolve == nil {
		resolve = net.DefaultResolver.LookupHost
	}
	found, err := resolve(ctx, host)
	if err != nil {
		return e.failed(ctx, err)
	}
	return fine(fmt.Sprintf("%s has %s", host, counted(len(found), "address", "addresses")), "The server's name is known.")
}

// throughProxy asks the proxy for a tunnel to the server, which is all that a proxy does for Handline.
func throughProxy(ctx context.Context, e *examination) Finding {
	conn, err := e.dial(ctx)
	if err != nil {
		return e.failed(ctx, err)
	}
	e.conn = conn
	return fine("The proxy opened a tunnel to "+e.base.Host, "The proxy lets Handline through.")
}

// notEvaluated says that the system's way out is not taken. Whether that is what is wrong, the next checks show.
func notEvaluated(context.Context, *examination) Finding {
	f := untested("The system finds its proxy by a PAC file or by discovery",
		"Handline evaluates neither, and tries the direct way.", "Enter the proxy in Settings if the server is not reached.")
	f.Action = "open-settings"
	return f
}

// reach opens TCP and keeps the connection for the next check, so that each time is its own stage's.
func reach(ctx context.Context, e *examination) Finding {
	if e.conn == nil {
		conn, err := e.dial(ctx)
		if err != nil {
			return e.failed(ctx, err)
		}
		e.conn = conn
	}
	return fine(e.base.Host+" took the connection", "The computer is on, and its port is open.")
}

func encrypt(ctx context.Context, e *examination) Finding {
	defer e.conn.Close()
	if e.base.Scheme != "https" {
		if e.reach == network.ThisMachine {
			return untested("The address begins with http", "Nothing leaves this computer, so nothing needs encryption.", "")
		}
		return untested("The address begins with http", "What is sent and received can be read on the way.", "Use https where the server offers it.")
	}
	over := e.Dialer
	over.Proxy = nil
	over.Raw = func(context.Context, string, string) (net.Conn, error) { return e.conn, nil }
	conn, err := over.Dial(ctx, e.base)
	if err != nil {
		return e.failed(ctx, err)
	}
	defer conn.Close()
	secure, ok := conn.(*tls.Conn)
	if !ok || len(secure.ConnectionState().PeerCertificates) == 0 {
		return fine("The connection is encrypted", "Nobody on the way can read it.")
	}
	until := secure.ConnectionState().PeerCertificates[0].NotAfter
	return fine("The certificate is good until "+until.Local().Format("2 January 2006"), "Nobody on the way can read what is sent.")
}

func identify(ctx context.Context, e *examination) Finding {
	s, err := e.Identify(ctx)
	if err != nil {
		return e.failed(ctx, err)
	}
	name := string(s.Kind)
	if s.Version != "" {
		name += " " + s.Version
	}
	return fine(name+" answers", "The server is one that Handline can talk with.")
}

// key asks the keychain only now, since it may ask the person, who would wonder why while nothing else works.
func key(ctx context.Context, e *examination) Finding {
	secret, err := e.Secret(ctx)
	switch {
	case ctx.Err() != nil:
		return Finding{Outcome: Failed, Code: network.KeychainLocked, Saw: "The keychain has not answered yet",
			Means: "It may be waiting for you to unlock it.", Advice: "Unlock the keychain, then run the diagnostics again."}
	case err != nil:
		return e.failed(ctx, err)
	}
	e.secret = secret
	if secret != "" && e.MayCarry != nil {
		if err := e.MayCarry(e.base); err != nil {
			return e.failed(ctx, err)
		}
	}
	err = e.Key(ctx, secret)
	switch {
	case errors.Is(err, backend.ErrNoQuestion) && e.online():
		return fine("The line is up", "So the server has accepted Handline.")
	case errors.Is(err, backend.ErrNoQuestion):
		return untested("This kind of server cannot be asked", "Whether it takes the key is seen when Handline connects.", "")
	case err != nil:
		return e.failed(ctx, err)
	case secret == "":
		return fine("The server asks for no key", "Whoever reaches it may use it.")
	}
	return fine("The server accepted your key", "It knows you.")
}

func upgrade(ctx context.Context, e *examination) Finding {
	at, err := e.Locate(ctx, e.secret)
	switch {
	case at.URL == nil && aboutConversation(err):
		e.conversation = err
		return untested("There is no socket to try", "The server names one only for a conversation that can be joined.", "")
	case at.URL == nil:
		return e.failed(ctx, err)
	}
	e.conversation = err
	err = at.try(ctx, e.Dialer)
	if err != nil {
		// A refusal may have shown that the server has another socket, as an agent-server does whose proxy hides one.
		if other, _ := e.Locate(ctx, e.secret); other.URL != nil && other.URL.Path != at.URL.Path {
			err = other.try(ctx, e.Dialer)
		}
	}
	if err != nil {
		return e.failed(ctx, err)
	}
	return fine("A WebSocket opens", "Nothing on the way holds it back.")
}

// ready and the round trip are the live line's to tell: trying them out would start an agent.
func ready(ctx context.Context, e *examination) Finding {
	snap, greeting, running := e.settled(ctx)
	switch {
	case running && snap.Status == connection.Connected:
		return fine("Connected since "+snap.Since.Local().Format("15:04"), "The conversation is on the line.")
	case e.conversation != nil:
		return e.failed(ctx, e.conversation)
	case !running:
		return untested("Handline is not running", "Whether the conversation can be joined is seen when it runs.", "Start it with: handline run")
	case !snap.Wanted:
		f := untested("Handline is disconnected", "Nobody asked for a line, so none was tried.", "Connect to see whether the conversation can be joined.")
		f.Action = "connect"
		return f
	case greeting >= patience:
		return e.worded(ctx, network.Failure{Cause: network.Timeout, Host: e.base.Host, Detail: "the server has not finished its greeting"})
	// What kept the last try from the server is no news where the server has just been reached.
	case snap.Cause.Code == "", snap.Cause.Code == network.NoNetwork, snap.Phase == connection.Dialing, snap.Phase == connection.Greeting:
		return untested(snap.Text, "The line is being made just now.", "Run the diagnostics again in a moment.")
	}
	return Finding{Outcome: Failed, Code: snap.Cause.Code, Saw: snap.Cause.Text, Means: snap.Cause.Means, Advice: snap.Cause.Advice,
		Detail: snap.Cause.Detail, Action: action(snap.Cause.Code)}
}

func roundTrip(_ context.Context, e *examination) Finding {
	snap, running := e.line()
	if !running || snap.Status != connection.Connected || snap.RoundTrip() == "" {
		return untested("There is no measure yet", "The round trip is measured while Handline is connected.", "")
	}
	switch snap.Quality {
	case connection.Poor, connection.Unusable:
		f := fine(snap.RoundTrip(), "The line is up and slow.")
		f.Advice = "Move closer to the access point, or pause what loads this network."
		return f
	}
	return fine(snap.RoundTrip(), "The line is quick enough to work on.")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
