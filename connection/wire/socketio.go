package wire

import (
	"net/http"
	"net/url"
)

type socketIO struct{ hello Hello }

func newSocketIO(h Hello) *socketIO { return &socketIO{hello: h} }

func (c *socketIO) Request(base *url.URL) (*url.URL, http.Header)   { return base, nil }
func (c *socketIO) Greet() []byte                                   { return nil }
func (c *socketIO) Decode(frame []byte, binary bool) (Event, error) { return Event{}, nil }
func (c *socketIO) Item(body []byte) (Event, error)                 { return Event{}, nil }
func (c *socketIO) Encode(id, text string) ([]byte, error)          { return nil, nil }
func (c *socketIO) Ping() []byte                                    { return nil }
func (c *socketIO) Bye() []byte                                     { return []byte("41") }
