package diagnostics

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"time"
)

// kept is what a window needs to come back when Handline is started again: the same port, path, cookie and token. Who
// can read the file can reach the API's socket too, so it gives nothing away. Who listens at the port meanwhile hears the
// cookie, and nothing comes of that: see guard.
type kept struct {
	Host  string     `json:"host"`
	Pages []keptPage `json:"pages"`
}

type keptPage struct {
	ID     string `json:"id"`
	Cookie string `json:"cookie"`
	Token  string `json:"token"`
	Proof  string `json:"proof"`
}

// keep writes down which windows are open. Those whose link waits to be used are not: the link would outlive its time.
func (p *Pages) keep(g *guard) {
	if p.Keep == "" {
		return
	}
	k := g.kept()
	err := os.Remove(p.Keep)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if len(k.Pages) > 0 && err == nil {
		var b []byte
		if b, err = json.Marshal(k); err == nil {
			err = os.WriteFile(p.Keep, b, 0o600)
		}
	}
	if err != nil {
		p.Log.Warn("open windows will not come back after a restart", "error", err)
	}
}

func (g *guard) kept() kept {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := kept{Host: g.host}
	for _, p := range g.pages {
		if p.entry == "" {
			k.Pages = append(k.Pages, keptPage{p.id, p.cookie, p.token, p.proof})
		}
	}
	return k
}

// recall listens again for the windows that were open when Handline last ended, nil = there are none. They have as long
// to come back as after a reload. Where another program has the port they are forgotten for good.
func (p *Pages) recall() (net.Listener, *guard) {
	b, err := os.ReadFile(p.Keep)
	if err != nil {
		return nil, nil
	}
	_ = os.Remove(p.Keep)
	var k kept
	if json.Unmarshal(b, &k) != nil || len(k.Pages) == 0 {
		return nil, nil
	}
	if host, _, err := net.SplitHostPort(k.Host); err != nil || host != "127.0.0.1" {
		return nil, nil
	}
	ln, err := net.Listen("tcp4", k.Host)
	if err != nil {
		return nil, nil
	}
	g := newGuard(k.Host, p)
	for _, w := range k.Pages {
		g.pages[w.ID] = &page{id: w.ID, cookie: w.Cookie, token: w.Token, proof: w.Proof, recalled: true, until: time.Now().Add(p.Patience)}
	}
	return ln, g
}
