package backend

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"handline/connection/network"
)

// Cloud is OpenHands' own app server.
const Cloud = "https://app.all-hands.dev"

// A key without copying one: the server shows a code, a person says yes to it in a browser, and the key is handed out.
// https://www.rfc-editor.org/rfc/rfc8628

// Login is one on its way. Code and URL are for a person; what redeems them is kept inside.
type Login struct {
	Code string    // what the page asks for
	URL  string    // where to say yes, with the code in it where the server gives such an address
	Ends time.Time // when the code is worth nothing any more

	server *url.URL
	device string
	every  time.Duration
}

// The ends of a login that was not granted.
var (
	ErrLoginDenied  = errors.New("the login was declined in the browser")
	ErrLoginExpired = errors.New("the code was not used in time")
)

// StartLogin asks an app server for a code. A server that has no such login gives NotABackend.
func (c *Client) StartLogin(ctx context.Context, server string) (Login, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	base, err := url.Parse(server)
	if err != nil || base.Host == "" {
		return Login{}, network.Failure{Cause: network.NotSetUp, Verdict: network.Final, Detail: "the server's address cannot be read"}
	}
	if c.MayCarry != nil { // the key would come back the same way
		if err := c.MayCarry(base); err != nil {
			return Login{}, err
		}
	}
	var told struct {
		Device   string `json:"device_code"`
		User     string `json:"user_code"`
		Verify   string `json:"verification_uri"`
		Complete string `json:"verification_uri_complete"`
		Expires  int    `json:"expires_in"`
		Interval int    `json:"interval"`
	}
	if err := c.submit(ctx, base.JoinPath("oauth/device/authorize"), nil, &told); err != nil {
		if f := asFailure(err); f.Status == http.StatusMethodNotAllowed || f.Status == http.StatusNotFound || f.Status/100 == 2 {
			return Login{}, network.Failure{Cause: network.NotABackend, Verdict: network.Final, Host: base.Host, Status: f.Status,
				Detail: "it has no login by code"}
		}
		return Login{}, err
	}
	l := Login{Code: told.User, URL: cmp.Or(told.Complete, told.Verify), server: base, device: told.Device,
		every: time.Duration(min(max(told.Interval, 1), 60)) * time.Second,
		Ends:  time.Now().Add(time.Duration(min(max(cmp.Or(told.Expires, 600), 1), 3600)) * time.Second)}
	if told.Interval == 0 {
		l.every = 5 * time.Second // "If no value is provided, clients MUST use 5 as the default": RFC 8628 section 3.2
	}
	odd := l.Code == "" || l.device == "" || strings.ContainsFunc(l.Code, unicode.IsControl)
	if page, err := url.Parse(l.URL); odd || err != nil || page.Scheme != "https" && page.Scheme != "http" {
		return Login{}, network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Host: base.Host, Detail: "a login without a code or a page"}
	}
	return l, nil
}

// AwaitKey waits until the person has said yes, and gives the key. It asks no more often than the server allows, and
// goes on over a line that fails now and then. Its errors are ErrLoginDenied, ErrLoginExpired, ctx's, or a
// network.Failure.
func (c *Client) AwaitKey(ctx context.Context, l Login) (string, error) {
	every := l.every
	for {
		pause := time.NewTimer(every)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return "", ctx.Err()
		}
		if time.Now().After(l.Ends) {
			return "", ErrLoginExpired
		}
		key, fault, err := c.redeem(ctx, l)
		switch {
		case err != nil && ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil && asFailure(err).Verdict == network.Final:
			return "", err
		case err != nil:
			// "On encountering a connection timeout, clients MUST unilaterally reduce their polling frequency": section 3.5.
			every = min(max(2*every, asFailure(err).After), time.Minute)
		case key != "":
			return key, nil
		case fault.Error == "access_denied":
			return "", ErrLoginDenied
		case fault.Error == "expired_token", fault.Error == "invalid_grant": // used up, or another login took its place
			return "", ErrLoginExpired
		case fault.Error == "slow_down":
			// "the interval MUST be increased by 5 seconds for this and all subsequent requests": section 3.5.
			every = min(max(every+5*time.Second, time.Duration(fault.Interval)*time.Second), time.Minute)
		}
	}
}

// loginFault is an answer that is no key. authorization_pending and server_error only ask to wait on.
type loginFault struct {
	Error    string `json:"error"`
	Interval int    `json:"interval"`
}

// redeem asks for the key once.
func (c *Client) redeem(ctx context.Context, l Login) (key string, fault loginFault, err error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	var told struct {
		loginFault
		Key string `json:"access_token"`
	}
	form := url.Values{"device_code": {l.device}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}}
	err = c.submit(ctx, l.server.JoinPath("oauth/device/token"), form, &told)
	if err == nil && told.Key == "" && told.Error == "" {
		err = network.Failure{Cause: network.Protocol, Verdict: network.Thrice, Host: l.server.Host, Detail: "neither a key nor a reason"}
	}
	return told.Key, told.loginFault, err
}

// submit posts a form and reads the JSON that comes back, with 2xx or with 400, which is how OAuth says no.
func (c *Client) submit(ctx context.Context, u *url.URL, form url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return network.Classify(err, u, nil, nil)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.Dialer.Client().Do(req)
	if err != nil {
		return network.Classify(err, u, nil, nil)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return network.Classify(err, u, nil, nil)
	}
	if (res.StatusCode/100 == 2 || res.StatusCode == http.StatusBadRequest) && isJSON(res) && json.Unmarshal(answer, into) == nil {
		return nil
	}
	return network.Classify(nil, u, res, answer[:min(len(answer), 1<<10)])
}
