package diagnostics

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// frontDoor is a window's page on a real port, before an API that says what reached it.
type frontDoor struct {
	t     *testing.T
	pages *Pages
	link  Link
	base  string // http://127.0.0.1:port
	keep  string
	run   func() // starts it
	end   func()
}

func newFrontDoor(t *testing.T, patience time.Duration) *frontDoor {
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/watch" {
			_ = newStream(w).send("snapshot", 1)
			<-r.Context().Done()
			return
		}
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	})
	d := &frontDoor{t: t, keep: filepath.Join(t.TempDir(), "windows.json")}
	d.run = func() {
		d.pages = NewPages(Pages{API: api, Version: "9", Patience: patience, Keep: d.keep})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func(p *Pages) { ended <- p.Run(ctx) }(d.pages)
		d.end = sync.OnceFunc(func() { stop(); require.NoError(t, <-ended) })
		t.Cleanup(d.end)
	}
	d.run()
	var err error
	d.link, err = d.pages.Open(t.Context())
	require.NoError(t, err)
	u, err := url.Parse(d.link.page)
	require.NoError(t, err)
	d.base = "http://" + u.Host
	return d
}

// ask sends one request; headers are "Name: value", and Host is one of them.
func (d *frontDoor) ask(method, to, body string, headers ...string) (*http.Response, string) {
	req, err := http.NewRequestWithContext(d.t.Context(), method, to, strings.NewReader(body))
	require.NoError(d.t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(d.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	return res, string(text)
}

// enter goes in as a browser does, and gives the cookie and the page's token.
func (d *frontDoor) enter() (cookie, token string) {
	res, text := d.ask("POST", d.link.page+"enter", "token="+d.link.token, "Content-Type: application/x-www-form-urlencoded",
		"Origin: null", "Sec-Fetch-Site: cross-site")
	require.Equal(d.t, 200, res.StatusCode, text)
	c := res.Cookies()[0]
	require.True(d.t, c.HttpOnly)
	require.Equal(d.t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(d.t, strings.TrimPrefix(d.link.page, d.base), c.Path)
	cookie = "Cookie: " + c.Name + "=" + c.Value
	res, text = d.ask("GET", d.link.page, "", cookie, "Sec-Fetch-Site: same-origin")
	require.Equal(d.t, 200, res.StatusCode, text)
	found := regexp.MustCompile(`name="token" content="([0-9a-f]{32})"`).FindStringSubmatch(text)
	require.NotNil(d.t, found)
	return cookie, "Handline-Token: " + found[1]
}

func TestThePageLetsItsOwnWindowIn(t *testing.T) {
	d := newFrontDoor(t, 0)
	cookie, token := d.enter()
	res, text := d.ask("GET", d.link.page+"v1/status", "", cookie, token, "Sec-Fetch-Site: same-origin")
	require.Equal(t, "GET /v1/status", text)
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	_, text = d.ask("POST", d.link.page+"v1/connect", "{}", cookie, token, "Origin: "+d.base, "Sec-Fetch-Site: same-origin")
	require.Equal(t, "POST /v1/connect", text)
	for file, kind := range map[string]string{"main.js": "javascript", "window.css": "css", "icon.png": "png"} {
		res, _ = d.ask("GET", d.link.page+file, "", cookie)
		require.Equal(t, 200, res.StatusCode, file)
		require.Contains(t, res.Header.Get("Content-Type"), kind)
	}
}

func TestThePageRefusesEverybodyElse(t *testing.T) {
	d := newFrontDoor(t, 0)
	cookie, token := d.enter()
	mine := "Origin: " + d.base
	otherPort := "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		status       int
	}{
		"a rebound name":                      {"GET", "", []string{cookie, token, "Host: evil.example"}, 404},
		"localhost, which is another name":    {"GET", "", []string{cookie, "Host: localhost" + d.base[len("http://127.0.0.1"):]}, 404},
		"a guessed path":                      {"GET", "/" + strings.Repeat("0", 32) + "/", []string{cookie, token}, 404},
		"the page without a cookie":           {"GET", "", nil, 403},
		"the page with another cookie":        {"GET", "", []string{"Cookie: handline=" + random()}, 403},
		"a file without a cookie":             {"GET", "main.js", nil, 403},
		"the page in another port's frame":    {"GET", "", []string{cookie, "Sec-Fetch-Site: same-site"}, 403},
		"another site's link":                 {"GET", "", []string{cookie, "Sec-Fetch-Site: cross-site"}, 403},
		"reading without a token":             {"GET", "v1/status", []string{cookie}, 403},
		"reading with a stale token":          {"GET", "v1/status", []string{cookie, "Handline-Token: " + random()}, 403},
		"reading with the token alone":        {"GET", "v1/status", []string{token}, 403},
		"another port's page with all of it":  {"GET", "v1/status", []string{cookie, token, "Origin: " + otherPort, "Sec-Fetch-Site: same-site"}, 403},
		"an old browser's foreign read":       {"GET", "v1/status", []string{cookie, token, "Origin: " + otherPort}, 403},
		"another port's form with the cookie": {"POST", "v1/disconnect", []string{cookie, "Origin: " + otherPort, "Sec-Fetch-Site: same-site"}, 403},
		"a foreign write with the token":      {"POST", "v1/disconnect", []string{cookie, token, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		"a write from nowhere":                {"POST", "v1/disconnect", []string{cookie, token}, 403},
		"a write from a file":                 {"POST", "v1/disconnect", []string{cookie, token, "Origin: null"}, 403},
		"a write without a token":             {"POST", "v1/disconnect", []string{cookie, mine}, 403},
		"asking whether one may":              {"OPTIONS", "v1/disconnect", []string{"Origin: " + otherPort, "Access-Control-Request-Headers: handline-token"}, 403},
		"the used link":                       {"GET", "enter?token=" + d.link.token, nil, 403},
		"no link":                             {"GET", "enter", nil, 403},
	} {
		t.Run(name, func(t *testing.T) {
			to := d.link.page + c.path
			if strings.HasPrefix(c.path, "/") {
				to = d.base + c.path
			}
			res, text := d.ask(c.method, to, "", c.headers...)
			require.Equal(t, c.status, res.StatusCode, text)
			require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
			require.Empty(t, res.Cookies())
			require.NotContains(t, text, token[len("Handline-Token: "):])
			require.Contains(t, res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		})
	}
}

// While Handline is away, another program may take its port and hear what the page goes on sending: its cookie.
func TestACookieThatWasHeardMeanwhileOpensNothing(t *testing.T) {
	d := newFrontDoor(t, 0)
	cookie, token := d.enter()
	require.Eventually(t, func() bool { // a window is kept once its page watches
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, "GET", d.link.page+"v1/watch", nil)
		require.NoError(t, err)
		for _, h := range []string{cookie, token} {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
		_, err = os.Stat(d.keep)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	d.end()
	d.run()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", d.base[len("http://"):])
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)

	for _, path := range []string{"", "v1/status"} {
		res, text := d.ask("GET", d.link.page+path, "", cookie)
		require.Equal(t, 403, res.StatusCode)
		require.NotContains(t, text, token[len("Handline-Token: "):])
		require.Empty(t, res.Cookies())
	}
	_, text := d.ask("GET", d.link.page, "", cookie)
	require.Contains(t, text, "This window has ended")

	mac := hmac.New(sha256.New, []byte(token[len("Handline-Token: "):]))
	mac.Write([]byte("any nonce"))
	_, text = d.ask("GET", d.link.page+"proof?nonce=any+nonce", "", cookie)
	require.Equal(t, string(mac.Sum(nil)), text, "it is our Handline")

	res, text := d.ask("GET", d.link.page+"v1/status", "", cookie, token)
	require.Equal(t, "GET /v1/status", text)
	require.Len(t, res.Cookies(), 1)
	another := "Cookie: handline=" + res.Cookies()[0].Value
	res, _ = d.ask("GET", d.link.page+"v1/status", "", cookie, token)
	require.Equal(t, 403, res.StatusCode, "the old cookie, even with the token")
	res, _ = d.ask("GET", d.link.page, "", another)
	require.Equal(t, 200, res.StatusCode, "a reload")
}

// One window's cookie and token are worth nothing in another.
func TestWindowsAreStrangers(t *testing.T) {
	d := newFrontDoor(t, 0)
	cookie, token := d.enter()
	second, err := d.pages.Open(t.Context())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(second.page, d.base), "one listener serves all")
	res, _ := d.ask("GET", second.page, "", cookie)
	require.Equal(t, 403, res.StatusCode)
	d.link = second
	other, _ := d.enter()
	res, _ = d.ask("GET", second.page+"v1/status", "", other, token)
	require.Equal(t, 403, res.StatusCode, "the first window's token")
}

func TestALinkIsGoodForThirtySeconds(t *testing.T) {
	now := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	g := newGuard("127.0.0.1:1", NewPages(Pages{}))
	link := g.open(now)
	var p *page
	for _, p = range g.pages {
	}
	require.False(t, g.spend(p, link.token, now.Add(g.patience)), "too late")
	require.True(t, g.spend(p, link.token, now.Add(g.patience-time.Second)))
	require.False(t, g.spend(p, link.token, now.Add(time.Second)), "twice")
}

func TestAPageEndsAGraceAfterItsLastWatch(t *testing.T) {
	g := newGuard("127.0.0.1:1", NewPages(Pages{}))
	start := time.Now()
	link := g.open(start)
	next, any := g.due(start)
	require.True(t, any)
	require.Equal(t, start.Add(g.patience), next)
	var p *page
	for _, p = range g.pages {
	}
	require.True(t, g.spend(p, link.token, start))
	g.watching(p, 1)
	g.watching(p, 1)
	g.watching(p, -1)
	next, any = g.due(start.Add(time.Hour))
	require.True(t, any)
	require.Zero(t, next, "a watched page has no end")
	g.watching(p, -1)
	_, any = g.due(time.Now().Add(g.patience - time.Second))
	require.True(t, any)
	_, any = g.due(time.Now().Add(g.patience))
	require.False(t, any)
}

// A port that nobody uses must not stay open, and one that somebody uses must not close.
func TestTheListenerEndsWithItsLastWindow(t *testing.T) {
	d := newFrontDoor(t, 2*time.Second)
	cookie, token := d.enter()
	req, err := http.NewRequestWithContext(t.Context(), "GET", d.link.page+"v1/watch", nil)
	require.NoError(t, err)
	for _, h := range []string{cookie, token} {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
	listens := func() bool {
		c, err := net.Dial("tcp", d.base[len("http://"):])
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	require.Never(t, func() bool { return !listens() }, 2500*time.Millisecond, 50*time.Millisecond)
	res.Body.Close()
	require.Eventually(t, func() bool { return !listens() }, 30*time.Second, 20*time.Millisecond)

	again, err := d.pages.Open(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, d.link.page, again.page)
}

func TestALinkKeepsItsTokenOutOfAddresses(t *testing.T) {
	l := Link{page: "http://127.0.0.1:1/x/", token: "secret"}
	require.Regexp(t, `action="[^"?]*"`, string(l.Form("settings")))
	require.Contains(t, string(l.Form("settings")), `value="secret"`)
	require.Contains(t, l.Private("settings"), "pane=settings")
}
