package diagnostics

import (
	"context"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"handline/assets"
)

// Pages serves the window's page. It listens on 127.0.0.1, at a port that the system chooses, and only while a window
// is open: from Open until a grace period after the page's watch has ended. guard.go says who is let in.
type Pages struct {
	// API is what the page talks to: Handler's, without a guard of its own.
	API http.Handler
	// Version of Handline, for the page to tell.
	Version string
	// Demo says that the API offers one.
	Demo bool
	// Patience is how long a link waits to be used, and a window whose watch has ended for its page to come back: a
	// reload, a nap of the browser. 0 = 30 s.
	Patience time.Duration
	// Keep is a private file that remembers the open windows, so that they come back when Handline is started again. "" =
	// none: they end with it.
	Keep string
	Log  *slog.Logger

	asks chan chan<- opened
	gone chan struct{} // closed when Run has returned
}

// NewPages makes Pages; nobody listens before Run and Open.
func NewPages(p Pages) *Pages {
	p.asks, p.gone = make(chan chan<- opened), make(chan struct{})
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Patience == 0 {
		p.Patience = 30 * time.Second
	}
	return &p
}

// Panes are the places in the page that a link may lead to: its panes in their order, and the box for a message, which
// stands in activity.
func Panes() []string { return []string{"overview", "diagnostics", "activity", "settings", "message"} }

// Link leads into one new window, once, and not for long. It is a secret: it travels through pipes and private files,
// never through a process's arguments.
type Link struct {
	page  string // "http://127.0.0.1:4711/0f3a…/"
	token string
}

// Private is the link for a window that reads it from a pipe, opened at a pane ("" = the first).
func (l Link) Private(pane string) string {
	return l.page + "enter?" + url.Values{"token": {l.token}, "pane": {pane}}.Encode()
}

// Form is the link as an HTML file for a browser: it posts the token, so that neither arguments nor history have it.
func (l Link) Form(pane string) []byte {
	var b strings.Builder
	// The template is a constant and the data are text: this cannot fail.
	_ = formPage().Execute(&b, map[string]string{"To": l.page + "enter", "Token": l.token, "Pane": pane})
	return []byte(b.String())
}

func formPage() *template.Template {
	return template.Must(template.New("form").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Handline</title>
<form method="post" action="{{.To}}"><input type="hidden" name="token" value="{{.Token}}"><input type="hidden" name="pane" value="{{.Pane}}"><noscript><button>Open Handline</button></noscript></form>
<script>document.forms[0].submit()</script>
</html>
`))
}

type opened struct {
	link Link
	err  error
}

// Open makes a new window's page. Anyone may call it while Run runs.
func (p *Pages) Open(ctx context.Context) (Link, error) {
	answer := make(chan opened, 1)
	select {
	case p.asks <- answer:
		o := <-answer
		return o.link, o.err
	case <-p.gone:
		return Link{}, fmt.Errorf("opening the window: %w", context.Canceled)
	case <-ctx.Done():
		return Link{}, fmt.Errorf("opening the window: %w", ctx.Err())
	}
}

// Run serves the windows that Open makes, until ctx ends. It is called once.
func (p *Pages) Run(ctx context.Context) error {
	defer close(p.gone)
	if ln, g := p.recall(); g != nil {
		p.serve(ctx, ln, g)
	}
	for {
		select {
		case first := <-p.asks:
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				first <- opened{err: fmt.Errorf("opening the window: %w", err)}
				continue
			}
			g := newGuard(ln.Addr().String(), p)
			first <- opened{link: g.open(time.Now())}
			p.serve(ctx, ln, g)
		case <-ctx.Done():
			return nil
		}
	}
}

// serve lets the page in until no window is left.
func (p *Pages) serve(ctx context.Context, ln net.Listener, g *guard) {
	ctx, stop := context.WithCancel(ctx)
	server := &http.Server{
		Handler:           g,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(p.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { ended <- server.Serve(ln) })
	defer serving.Wait()
	p.Log.Info("the window's page is open", "address", g.host)
	if err := p.attend(ctx, g, ended); err != nil {
		p.Log.Warn("the window's page broke off", "error", err)
	}
	stop() // ends the streams
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close()
	}
	p.Log.Info("the window's page is closed")
}

// attend opens more windows and forgets those that were closed, until none is left. Its error is the server's, where
// that was what ended.
func (p *Pages) attend(ctx context.Context, g *guard, ended <-chan error) error {
	for {
		next, any := g.due(time.Now())
		p.keep(g)
		if !any {
			return nil
		}
		var due <-chan time.Time // nil = every window is being looked at
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case ask := <-p.asks:
			ask <- opened{link: g.open(time.Now())}
		case <-g.changed:
		case <-due:
		case err := <-ended:
			return fmt.Errorf("serving the window's page: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// show writes the page itself. Its token is in its text, which no other origin can read.
func (p *Pages) show(w http.ResponseWriter, g *page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err := windowPage().Execute(w, map[string]any{"Token": g.token, "Proof": g.proof, "Version": p.Version, "Demo": p.Demo})
	if err != nil {
		p.Log.Warn("the window's page was not written", "error", err)
	}
}

func windowPage() *template.Template {
	return template.Must(template.ParseFS(assets.Window(), "page.html", "settings.html"))
}
