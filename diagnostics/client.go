package diagnostics

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"handline/connection"
	"handline/persistence"
)

// ErrNotRunning says that nobody listens on the socket.
var ErrNotRunning = errors.New("Handline is not running")

// ErrStuck says that a Handline runs and does not answer what it always has the answer to.
var ErrStuck = &Problem{Code: "stuck", Text: "Handline does not answer", Means: "It runs, and something holds it up.",
	Advice: "Wait a moment. If it stays so, end it with the system's own means and start it again."}

// Client speaks to the running app over its unix socket. Its errors are ErrNotRunning, *Problem, or those of ctx.
type Client struct {
	http *http.Client
	// prompt bounds the answers that wait for nobody: neither for a server nor for somebody at the keychain.
	prompt time.Duration
}

// NewClient makes a client for the socket at path; nothing is dialled before the first call.
func NewClient(path string) *Client {
	return &Client{prompt: 10 * time.Second, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		// One process, few calls: a kept connection would only delay the app's end.
		DisableKeepAlives: true,
	}}}
}

// Status is the latest snapshot, with who tells it.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.promptly(ctx, "GET", "/v1/status", &s)
}

// Watch gives the latest snapshot at once and then each newer one. It ends with an error: the app's end is
// ErrNotRunning.
func (c *Client) Watch(ctx context.Context) iter.Seq2[connection.Snapshot, error] {
	return follow[connection.Snapshot](ctx, c, "/v1/watch", "snapshot")
}

// Connect changes the target where t says so, and connects.
func (c *Client) Connect(ctx context.Context, t Target) (k Taken, err error) {
	return k, c.call(ctx, "POST", "/v1/connect", t, &k)
}

// Disconnect hangs up.
func (c *Client) Disconnect(ctx context.Context) (k Taken, err error) {
	return k, c.call(ctx, "POST", "/v1/disconnect", nil, &k)
}

// Reconnect hangs up and dials anew.
func (c *Client) Reconnect(ctx context.Context) (k Taken, err error) {
	return k, c.call(ctx, "POST", "/v1/reconnect", nil, &k)
}

// Conversations lists the server's conversations.
func (c *Client) Conversations(ctx context.Context) ([]Conversation, error) {
	var list struct{ Conversations []Conversation }
	return list.Conversations, c.call(ctx, "GET", "/v1/conversations", nil, &list)
}

// History gives the conversation's events after a cursor, "" = all. With live it goes on with what comes, until ctx
// ends or the app does.
func (c *Client) History(ctx context.Context, after string, live bool) iter.Seq2[Event, error] {
	path := "/v1/events?since=" + url.QueryEscape(after)
	if live {
		path += "&follow"
	}
	return follow[Event](ctx, c, path, "event")
}

// Follow gives the events that come from now on, until ctx ends or the app does.
func (c *Client) Follow(ctx context.Context) iter.Seq2[Event, error] {
	return follow[Event](ctx, c, "/v1/events?follow", "event")
}

// Config is the configuration as it is stored.
func (c *Client) Config(ctx context.Context) (persistence.Config, error) {
	var raw json.RawMessage
	if err := c.call(ctx, "GET", "/v1/config", nil, &raw); err != nil {
		return persistence.Config{}, err
	}
	return persistence.DecodeConfig(raw)
}

// PutConfig puts another configuration in force.
func (c *Client) PutConfig(ctx context.Context, v persistence.Config) error {
	return c.call(ctx, "PUT", "/v1/config", v, nil)
}

// SetKey stores the key of a server; an empty one forgets it.
func (c *Client) SetKey(ctx context.Context, k Key) error {
	return c.call(ctx, "POST", "/v1/key", k, nil)
}

// Window shows the diagnostics window at one of Panes, "" = the first.
func (c *Client) Window(ctx context.Context, pane string) error {
	return c.call(ctx, "POST", "/v1/window", Pane{pane}, nil)
}

// Quit ends the app.
func (c *Client) Quit(ctx context.Context) error { return c.promptly(ctx, "POST", "/v1/quit", nil) }

// promptly calls for what is answered at once, or not at all.
func (c *Client) promptly(ctx context.Context, method, path string, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.prompt, ErrStuck)
	defer cancel()
	err := c.call(ctx, method, path, nil, out)
	if err != nil && context.Cause(ctx) == ErrStuck {
		return ErrStuck
	}
	return err
}

// call does one request. in and out are JSON, nil = none.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	res, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// do sends a request and gives an answer that is no error. The caller closes its body.
func (c *Client) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://handline"+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking Handline: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNotRunning
	case err != nil:
		return nil, fmt.Errorf("asking Handline: %w", err)
	case res.StatusCode >= 400:
		defer res.Body.Close()
		return nil, refusal(res)
	}
	return res, nil
}

func refusal(res *http.Response) error {
	var e struct{ Error *Problem }
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || e.Error == nil {
		return fmt.Errorf("asking Handline: HTTP %d", res.StatusCode)
	}
	e.Error.Status = res.StatusCode
	return e.Error
}

// follow reads a stream of events called name, up to the one called end. A stream that breaks off before is the end of
// the app.
func follow[T any](ctx context.Context, c *Client, path, name string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		res, err := c.do(ctx, "GET", path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer res.Body.Close()
		for f := range frames(res.Body) {
			if f.name == "end" {
				return
			}
			v, err := decode[T](f, name)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(none, err)
			return
		}
		yield(none, ErrNotRunning)
	}
}

type frame struct {
	name string
	data []byte
}

// decode reads one frame: the value that was asked for, or the error that ended the stream on the other side.
func decode[T any](f frame, name string) (v T, _ error) {
	if f.name != name {
		var p Problem
		if err := json.Unmarshal(f.data, &p); err != nil {
			return v, fmt.Errorf("reading the stream: %w", err)
		}
		return v, &p
	}
	if err := json.Unmarshal(f.data, &v); err != nil {
		return v, fmt.Errorf("reading the stream: %w", err)
	}
	return v, nil
}

// frames splits what stream.send wrote: an event line, a data line, an empty line. A connection that breaks is an end
// like any other, since the app may be killed.
func frames(r io.Reader) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		in := bufio.NewReader(r)
		var f frame
		for {
			line, err := in.ReadBytes('\n')
			if err != nil {
				return
			}
			line = bytes.TrimRight(line, "\n")
			switch {
			case len(line) == 0:
				if !yield(f) {
					return
				}
				f = frame{}
			case bytes.HasPrefix(line, []byte("event: ")):
				f.name = strings.TrimPrefix(string(line), "event: ")
			case bytes.HasPrefix(line, []byte("data: ")):
				f.data = line[len("data: "):]
			}
		}
	}
}
