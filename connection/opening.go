package connection

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/gorilla/websocket"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// This file gets a session its socket: the key, the place, the dial and the upgrade.

// prepare finds the key, the place and the journey.
func (s *session) prepare(ctx context.Context) *network.Failure {
	fail := func(err error) *network.Failure {
		f := s.classify(err)
		return &f
	}
	base, err := url.Parse(s.target.Server)
	if err != nil {
		return fail(err)
	}
	key := ""
	if s.opt.Secret != nil {
		if key, err = s.opt.Secret(ctx, s.target.Identity()); err != nil {
			return fail(keychainFailure(err))
		}
	}
	if err := s.mayCarry(key, base); err != nil {
		return fail(err)
	}
	s.place = wire.Place{Base: base, Dialect: s.target.Dialect, Origin: s.target.Identity(), Hello: wire.Hello{Key: key,
		Conversation: s.target.Conversation, Params: s.target.Params, Path: s.target.Path, Namespace: s.target.Namespace}}
	if s.opt.Locate != nil {
		if s.place, err = s.opt.Locate(ctx, s.target, key, s.wake); err != nil {
			return fail(err)
		}
	}
	h := &s.place.Hello
	if err := s.mayCarry(h.Key, s.place.Base); err != nil { // a directory may have named another host
		return fail(err)
	}
	s.journey = s.book(s.target.Identity(), h.Conversation)
	h.Cursor, h.Portion = string(s.journey.cursor), s.journey.portion.kb
	if s.place.Dialect == wire.Session && s.journey.needsEvents() {
		s.place.Dialect = wire.Events
	}
	s.state.agent = s.place.Agent
	if s.codec, err = wire.New(s.place.Dialect, *h); err != nil {
		return fail(network.Failure{Cause: network.NotABackend, Verdict: network.Final, Detail: err.Error()})
	}
	s.tell(ctx, located{session: s.session, dialect: string(s.place.Dialect), conversation: h.Conversation,
		title: s.place.Title, agent: s.place.Agent})
	return nil
}

func (s *session) mayCarry(key string, u *url.URL) error {
	if key == "" || s.opt.MayCarry == nil {
		return nil
	}
	return s.opt.MayCarry(u)
}

func keychainFailure(err error) network.Failure {
	f := network.Failure{Cause: network.KeychainLocked, Detail: err.Error()}
	if errors.Is(err, persistence.ErrDenied) {
		f.Cause, f.Verdict = network.KeychainDenied, network.Final
	}
	return f
}

// classify keeps a failure that was found on the way and classifies any other error.
func (s *session) classify(err error) network.Failure {
	var f network.Failure
	if errors.As(err, &f) {
		return f
	}
	u, _ := url.Parse(s.target.Server)
	return network.Classify(err, u, nil, nil)
}

// open dials and upgrades.
func (s *session) open(ctx context.Context) (*websocket.Conn, *network.Failure) {
	address, header := s.codec.Request(s.place.Base)
	ws, res, err := s.opt.Dialer.Upgrade(ctx, address, header, network.Upgrade{
		Limit: s.connect + upgradeTime, ReadBuffer: readBuffer, Compress: s.opt.Compress != nil && s.opt.Compress(address),
		Wrap: func(conn net.Conn) net.Conn {
			s.line = &line{Conn: brief{conn}}
			return s.line
		},
	})
	if err == nil {
		return ws, nil
	}
	f := network.Classify(err, address, res, body(res))
	if s.opt.Explain != nil && res != nil {
		f = s.opt.Explain(ctx, s.place, f)
	}
	return nil, &f
}

// body is the start of a refusal: gorilla has read at most 1 KiB of it already.
func body(res *http.Response) []byte {
	if res == nil || res.Body == nil {
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return b
}
