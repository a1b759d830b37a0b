package backend

import (
	"context"
	"io"
	"net/http"

	"handline/connection/network"
	"handline/connection/wire"
)

// Health asks a server that Identify knows whether it is well, without a key. nil: it is, or it has no such question.
// A server whose kind was not asked for but told (voice-code) must answer in HTTP at least, and not by a login page.
func (c *Client) Health(ctx context.Context, t wire.Target, s Server) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	base, err := parseServer(t)
	if err != nil {
		return err
	}
	path := "health"
	if s.Kind == AgentServer {
		path = "ready" // since 1.11.2: 503 until it is initialised
	}
	u := base.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return network.Classify(err, u, nil, nil)
	}
	res, err := c.Dialer.Client().Do(req)
	if err != nil {
		return network.Classify(err, u, nil, nil)
	}
	defer res.Body.Close()
	start, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	f := network.Classify(nil, u, res, start)
	switch {
	case f.Cause == network.Unavailable, f.Cause == network.Throttled, f.Cause == network.Captive,
		s.Kind == VoiceServer && f.Suspect:
		return f
	}
	return nil
}
