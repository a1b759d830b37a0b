//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"handline/persistence"
)

// receiver is a client that receives the stream once, as a whole process.
type receiver struct {
	name  string
	start func(conversation string, deflate bool) (*child, error)
	// check sees, after its end, that the client got everything.
	check func(c *child, conversation string, s stream) error
	asks  bool // it asks for the history before it takes what comes: the stream waits for that
}

// received is what one run cost.
type received struct {
	cpu  time.Duration // of the whole life
	peak int64         // bytes
}

// receivers are all clients, Handline first. python-socketio is left out where it takes longest and says least.
func (l *lab) receivers(deflate bool) []receiver {
	var home *persistence.Home
	all := []receiver{{
		name: "handline", asks: true,
		start: func(conversation string, deflate bool) (c *child, err error) {
			var change func(*persistence.Config)
			if deflate {
				change = l.encrypted
			}
			if home, err = l.home(conversation, change); err != nil {
				return nil, err
			}
			return l.handline(home, nil, "--headless")
		},
		check: func(_ *child, conversation string, s stream) error { return stored(home, conversation, s) },
	}}
	if l.node != "" {
		all = append(all, receiver{name: "node", check: told, start: func(conversation string, deflate bool) (*child, error) {
			return l.stock(l.url(deflate), conversation, 0, false)
		}})
	}
	if l.python != "" && !deflate {
		all = append(all, receiver{name: "python", check: told, start: func(conversation string, _ bool) (*child, error) {
			return start(nil, l.python, l.program("client.py"), l.plainURL(), conversation)
		}})
	}
	return append(all, receiver{name: "loop", check: told, start: func(conversation string, deflate bool) (*child, error) {
		url := "ws" + strings.TrimPrefix(l.url(deflate), "http")
		return start([]string{"SSL_CERT_FILE=" + l.server.authority}, l.program("loop"), url, conversation)
	}})
}

func (l *lab) url(deflate bool) string {
	if deflate {
		return l.secureURL()
	}
	return l.plainURL()
}

// told reads what a client says at its end.
func told(c *child, _ string, s stream) error {
	var got struct {
		Count int
		Last  *int
	}
	if err := json.Unmarshal([]byte(c.output.String()), &got); err != nil {
		return fmt.Errorf("%w: %s", err, c.output.String())
	}
	if got.Count != s.count || got.Last != nil && *got.Last != s.last() {
		return fmt.Errorf("got %s of %d events up to %d", c.output.String(), s.count, s.last())
	}
	return nil
}

// stored reads the place that Handline left on disk.
func stored(home *persistence.Home, conversation string, s stream) error {
	loaded, err := persistence.LoadConfig(home.Config())
	if err != nil {
		return err
	}
	state, _, err := persistence.OpenState(home.State())
	if err != nil {
		return err
	}
	defer state.Close()
	place, err := state.Cursor(loaded.Config.Server, conversation)
	if err == nil && place.At != fmt.Sprint(s.last()) {
		err = fmt.Errorf("the place on disk is %q, not %d", place.At, s.last())
	}
	return err
}

// receive runs one client on one stream.
func (l *lab) receive(r receiver, s stream, deflate bool) (received, error) {
	var c *child
	var got received
	running := make(chan struct{})
	conversation, play := l.server.expect(func(so *socket) error {
		<-running
		if r.asks {
			select {
			case <-so.play.asked:
			case <-time.After(10 * time.Second):
				return errors.New("the history was not asked for")
			}
		}
		time.Sleep(50 * time.Millisecond) // every client gets this long to settle
		err := so.flood(s)
		if err == nil {
			got.peak, err = c.peak()
		}
		if r.asks { // the others end when the socket does
			c.Process.Signal(syscall.SIGTERM)
			so.hear("nothing more", 5*time.Second)
		}
		return err
	})
	c, err := r.start(conversation, deflate)
	if err != nil {
		return got, err
	}
	close(running)
	select {
	case err = <-play.done:
	case <-time.After(2 * time.Minute):
		err = errors.New("it took too long")
		c.Process.Kill()
	}
	cpu, ended := c.wait(10 * time.Second)
	got.cpu = cpu
	if err = errors.Join(err, ended); err == nil {
		err = r.check(c, conversation, s)
	}
	if err != nil {
		return got, fmt.Errorf("%s: %w: %s", r.name, err, c.output.String())
	}
	return got, nil
}

// flood sends the stream and returns when the client has taken all of it: its pong comes after everything before.
func (s *socket) flood(what stream) error {
	if err := what.write(s.ws.NetConn()); err != nil {
		return err
	}
	if err := s.say("2"); err != nil {
		return err
	}
	return s.hear("3", 2*time.Minute)
}
