package diagnostics

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"handline/assets"
)

// guard lets the page in and nobody else. Every program and every web page on this machine can reach 127.0.0.1, so the
// rules are:
//   - the Host must be ours, so that a name that was pointed at 127.0.0.1 (DNS rebinding) leads nowhere;
//   - a window's page lives under its own 128-bit random path, and ends with the window;
//   - who comes in through a link, once, gets a cookie for that path alone: cookies ignore ports, so it must not be
//     worth anything elsewhere. HttpOnly, SameSite=Strict;
//   - the API asks besides for a token that only the page's own text holds, in a header that no other origin may send;
//   - the answers of the API carry a proof that only the page's text holds, because another program may get our port;
//   - while Handline is away, that program hears the cookie of a page that goes on asking. So the page has who comes back
//     prove that it knows the token, before it sends that, and gets another cookie then: the old one opens nothing more;
//   - the browser's word on where a request comes from (Sec-Fetch-Site, Origin) must not speak against it, and whatever
//     changes something needs our own Origin.
type guard struct {
	host     string // 127.0.0.1:port
	api      http.Handler
	files    fs.FS
	show     func(http.ResponseWriter, *page)
	version  string
	patience time.Duration
	changed  chan struct{} // told when a watch begins or ends

	mu    sync.Mutex
	pages map[string]*page // by id
}

// page is one window's page. Its id, token and proof are fixed, and the cookie where it was not recalled.
type page struct {
	id, cookie, token, proof string
	recalled                 bool      // from before a restart: others may know the cookie
	entry                    string    // opens the page once, "" = used
	streams                  int       // watches that are open
	until                    time.Time // when the page ends unless a watch is open
}

func newGuard(host string, p *Pages) *guard {
	return &guard{
		host: host, api: p.API, files: assets.Window(), show: p.show, version: p.Version, patience: p.Patience,
		changed: make(chan struct{}, 1), pages: map[string]*page{},
	}
}

// random is 128 bits: more than can be tried.
func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}

// open makes a page and the link into it.
func (g *guard) open(now time.Time) Link {
	p := &page{id: random(), cookie: random(), token: random(), proof: random(), entry: random(), until: now.Add(g.patience)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pages[p.id] = p
	return Link{page: "http://" + g.host + "/" + p.id + "/", token: p.entry}
}

// due forgets the pages whose time is over. It says when to look again, zero = when something changes, and whether any
// page is left.
func (g *guard) due(now time.Time) (next time.Time, any bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, p := range g.pages {
		switch {
		case p.streams > 0:
		case !now.Before(p.until):
			delete(g.pages, id)
		case next.IsZero() || p.until.Before(next):
			next = p.until
		}
	}
	return next, len(g.pages) > 0
}

func (g *guard) find(id string) *page {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pages[id]
}

// spend uses the page's entry token. It fits once and in time.
func (g *guard) spend(p *page, token string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.entry == "" || !same(p.entry, token) || !now.Before(p.until) {
		return false
	}
	p.entry, p.until = "", now.Add(g.patience)
	return true
}

// watching counts the page's open watches; the last one to end starts the grace period.
func (g *guard) watching(p *page, by int) {
	g.mu.Lock()
	p.streams += by
	p.until = time.Now().Add(g.patience)
	g.mu.Unlock()
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// policy lets the page use its own files and talk to its own origin. It holds for every answer, refusals too.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy,
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cache-Control":                "no-store",
	} {
		w.Header().Set(name, value)
	}
	id, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p := g.find(id)
	switch {
	case r.Host == g.host && r.URL.Path == "/favicon.ico":
		w.WriteHeader(http.StatusNoContent) // browsers ask for it unasked, and complain where it is not found
	case r.Host != g.host, p == nil:
		refuse(w, &Problem{Status: http.StatusNotFound, Code: "not-found", Text: "There is no such window"})
	case rest == "enter":
		g.enter(w, r, p)
	case !g.knows(p, r) || !g.fits(r):
		refuse(w, &Problem{Status: http.StatusForbidden, Code: "not-allowed", Text: "Only Handline's own window may ask"})
	default:
		g.serve(w, r, p, rest)
	}
}

// serve answers who was let in.
func (g *guard) serve(w http.ResponseWriter, r *http.Request, p *page, rest string) {
	if strings.HasPrefix(rest, "v1/") {
		if !same(p.token, r.Header.Get("Handline-Token")) {
			refuse(w, &Problem{Status: http.StatusForbidden, Code: "not-allowed", Text: "The window's token is missing or stale"})
			return
		}
		g.renew(w, p)
		w.Header().Set("Handline-Proof", p.proof)
		w.Header().Set("Handline-Version", g.version)
		if rest == "v1/watch" {
			g.watching(p, 1)
			defer g.watching(p, -1)
		}
		http.StripPrefix("/"+p.id, g.api).ServeHTTP(w, r)
		return
	}
	switch {
	case r.Method != http.MethodGet:
		refuse(w, &Problem{Status: http.StatusMethodNotAllowed, Code: "method", Text: "Only GET works here"})
	case rest == "proof":
		_, _ = w.Write(p.prove(r.FormValue("nonce")))
	case rest == "" && g.stale(p):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, doorPage, "<p>This window has ended. Open it again from Handline’s menu.</p>")
	case rest == "":
		g.show(w, p)
	case rest == "icon.png":
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(assets.AppIcon())
	case path.Ext(rest) == ".js" || path.Ext(rest) == ".css":
		http.ServeFileFS(w, r, g.files, rest)
	default:
		http.NotFound(w, r)
	}
}

// knows checks the page's cookie.
func (g *guard) knows(p *page, r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	g.mu.Lock()
	defer g.mu.Unlock()
	return err == nil && same(p.cookie, c.Value)
}

// prove answers a nonce as only who knows the page's token can: HMAC-SHA256(token, nonce).
func (p *page) prove(nonce string) []byte {
	mac := hmac.New(sha256.New, []byte(p.token))
	mac.Write([]byte(nonce))
	return mac.Sum(nil)
}

// stale says whether the page's cookie is all that came back of it so far.
func (g *guard) stale(p *page) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return p.recalled
}

// renew gives a recalled page, which has just shown its token, a cookie that nobody else has heard.
func (g *guard) renew(w http.ResponseWriter, p *page) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.recalled {
		p.recalled, p.cookie = false, random()
		p.giveCookie(w)
	}
}

func (p *page) giveCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: p.cookie, Path: "/" + p.id + "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// fits checks what the browser says of where the request comes from. Another port of this machine is "same-site".
// Browsers before 2023 say nothing; the cookie and the token bind them.
func (g *guard) fits(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Method != http.MethodGet {
		return origin == "http://"+g.host && (site == "" || site == "same-origin")
	}
	return (origin == "" || origin == "http://"+g.host) && (site == "" || site == "same-origin" || site == "none")
}

const cookieName = "handline"

// maxEntry is more than the form posts, in bytes.
const maxEntry = 1 << 10

// enter takes the link's token and gives the cookie. A redirect from here would still count as coming from the file
// that posted the form, and the browser would keep a Strict cookie back; a page of ours that goes on by itself is ours.
func (g *guard) enter(w http.ResponseWriter, r *http.Request, p *page) {
	r.Body = http.MaxBytesReader(w, r.Body, maxEntry)
	token, pane := r.FormValue("token"), r.FormValue("pane")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if !g.spend(p, token, time.Now()) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, doorPage, "<p>This link was used already, or is too old. Open the window again from Handline’s menu.</p>")
		return
	}
	p.giveCookie(w)
	to := "./"
	if slices.Contains(Panes(), pane) {
		to += "#" + pane
	}
	fmt.Fprintf(w, doorPage, `<meta http-equiv="refresh" content="0;url=`+to+`">`)
}

const doorPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Handline</title>%s</html>`
