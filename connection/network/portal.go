package network

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// AppleProbe is where a Mac itself looks for a portal when it joins a network.
const AppleProbe = "http://captive.apple.com/hotspot-detect.html"

// Portal is what a look for a captive portal found.
type Portal struct {
	Verdict PortalVerdict
	// Open is the address to open in a browser to log in: the probe's own, never the portal's Location.
	Open string
}

// PortalVerdict is one of three: a wrong answer is a portal, the right one is a way out, none is neither.
type PortalVerdict uint8

const (
	NoAnswer PortalVerdict = iota
	WayOut
	LogIn
)

// FindPortal asks the probe ("" = AppleProbe) once, within 3 s: without proxy, credentials or redirects, because a
// portal stands on the direct way out. Whether to ask at all, and how often, is the caller's decision.
func FindPortal(ctx context.Context, d Dialer, probe string) Portal {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if probe == "" {
		probe = AppleProbe
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, probe, nil)
	if err != nil {
		return Portal{}
	}
	req.URL.User = nil
	req.Header.Set("User-Agent", "Handline")
	req.Header.Set("Cache-Control", "no-cache")
	d.Proxy = nil
	res, err := d.Client().Do(req)
	if err != nil {
		return Portal{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return Portal{}
	}
	p := Portal{Verdict: wayOut(res.StatusCode, string(body))}
	if p.Verdict == LogIn {
		p.Open = req.URL.String()
	}
	return p
}

// wayOut judges the probe's answer. 4xx and 5xx are a probe out of order and no portal, 511 apart (RFC 6585 section 6).
func wayOut(status int, body string) PortalVerdict {
	switch {
	case status == http.StatusNoContent, status == http.StatusOK && expected(body):
		return WayOut
	case status == http.StatusNetworkAuthenticationRequired, status/100 == 2, status/100 == 3:
		return LogIn
	}
	return NoAnswer
}

// expected knows the bodies of the probes in use: Apple's page, Firefox's and other plain words, NetworkManager's line,
// and the empty one that some proxies make of a 204.
func expected(body string) bool {
	body = strings.ToLower(strings.TrimSpace(body))
	switch body {
	case "", "success", "networkmanager is online":
		return true
	}
	return strings.Contains(body, "<title>success</title>") && strings.Contains(body, "<body>success</body>")
}
