package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"handline/connection/wire"
)

const (
	pageSize = 100
	// frameLimit bounds what a page holds beside its events.
	frameLimit = 1 << 20
	// pageTime bounds one page of history: a hundred events may be large, and the line slow.
	pageTime = time.Minute
	// overlap is how far back a question by time reaches beyond the cursor, because events are stamped before they are
	// stored, and so may be stored in another order. Repeats are dropped by id.
	overlap = 250 * time.Millisecond
)

// errMoved ends a page that does not begin where it was asked to.
var errMoved = errors.New("the history does not know this event")

// History gives the events after a cursor, oldest first, each once. It ends with each's error, or with a
// network.Failure. It is made for connection.Options.History.
func (c *Client) History(ctx context.Context, p wire.Place, after string, each func(item []byte) error) error {
	switch {
	case p.Hello.Conversation == "":
		return nil
	case p.Dialect == wire.SocketIO:
		return c.v0History(ctx, p, after, each)
	case p.Dialect == wire.Events, p.Dialect == wire.Session:
		return c.eventHistory(ctx, p, after, each)
	}
	return nil // voice-code's socket brings everything itself
}

// v0History pages by id: start_id is inclusive, and ids have holes.
func (c *Client) v0History(ctx context.Context, p wire.Place, after string, each func([]byte) error) error {
	next := int64(0)
	if n, err := strconv.ParseInt(after, 10, 64); err == nil {
		next = n + 1
	}
	for {
		start := next
		more, err := c.page(ctx, p.Base, v0Events(p), url.Values{"start_id": {fmt.Sprint(start)}, "limit": {fmt.Sprint(pageSize)}},
			v0Key(p.Hello.Key), func(item []byte) error {
				if id, ok := v0ID(item); ok {
					next = max(next, id+1)
				}
				return each(item)
			})
		if err != nil || more == "" || next == start {
			return err
		}
	}
}

// v0ID is an event's id, where it has a whole number for one.
func v0ID(item []byte) (int64, bool) {
	var event struct{ ID json.Number }
	err := json.Unmarshal(item, &event)
	id, noNumber := event.ID.Int64()
	return id, err == nil && noNumber == nil
}

func v0Events(p wire.Place) string {
	return "api/conversations/" + url.PathEscape(p.Hello.Conversation) + "/events"
}

// eventHistory pages by event: page_id is the first event of the page. The server knows where an event is in its log,
// whatever its clock did, so the cursor's own event is asked for and left out. Only where it does not know it (it was
// never kept) the time decides, or else the count. Either socket's cursor will do.
func (c *Client) eventHistory(ctx context.Context, p wire.Place, after string, each func([]byte) error) error {
	path := "api/conversations/" + url.PathEscape(p.Hello.Conversation) + "/events/search"
	q := url.Values{"limit": {fmt.Sprint(pageSize)}}
	stamp, id := wire.EventsCursor(after)
	first, skip := id != "", int64(0)
	byOtherMeans := func() {
		q.Del("page_id")
		since(q, stamp)
		seq, _ := wire.SessionCursor(after)
		first, skip = false, seq+1
	}
	if first {
		q.Set("page_id", id)
	} else {
		byOtherMeans()
	}
	for {
		next, err := c.page(ctx, p.Base, path, q, sessionKey(p.Hello.Key), func(item []byte) error {
			switch {
			case first:
				first = false
				var event struct{ ID string }
				if json.Unmarshal(item, &event) != nil || event.ID != id {
					return errMoved
				}
				return nil
			case skip > 0:
				skip--
				return nil
			}
			return each(item)
		})
		switch {
		case errors.Is(err, errMoved):
			byOtherMeans()
			continue
		case status(err) == http.StatusNotFound:
			return gone(p.Base.Host, "no such conversation")
		case err != nil || next == "" || next == q.Get("page_id"):
			return err
		}
		first = false
		q.Set("page_id", next)
	}
}

// since asks for what is not older than the cursor's time, less the overlap. A time that cannot be read asks for all.
func since(q url.Values, stamp string) {
	for _, layout := range []string{naive, time.RFC3339Nano} {
		if at, err := time.Parse(layout, stamp); err == nil {
			q.Set("timestamp__gte", at.Add(-overlap).Format(layout))
			return
		}
	}
}

// page reads one page of events as it comes in, so that no more than one event is held. next is not empty when there is
// another page: the agent-server's next_page_id, or "more" for V0's has_more.
func (c *Client) page(ctx context.Context, base *url.URL, path string, q url.Values, key credential, each func([]byte) error) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	res, u, err := c.ask(ctx, http.MethodGet, base, path, q, key)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	s := stream{left: &io.LimitedReader{R: res.Body, N: frameLimit}, each: each}
	s.Decoder = json.NewDecoder(s.left)
	if err := s.read(); err != nil {
		return "", unreadable(err, s.left.N, u)
	}
	return s.next, s.refused
}

// stream reads {"items" or "events": […], …}.
type stream struct {
	*json.Decoder
	left    *io.LimitedReader
	each    func([]byte) error
	next    string
	refused error // by each
}

func (s *stream) read() error {
	if err := s.begin('{'); err != nil {
		return err
	}
	for s.More() && s.refused == nil {
		name, err := s.Token()
		if err != nil {
			return err
		}
		switch name {
		case "items", "events":
			err = s.items()
		case "next_page_id":
			var id *string
			if err = s.Decode(&id); id != nil {
				s.next = *id
			}
		case "has_more":
			var more bool
			if err = s.Decode(&more); more {
				s.next = "more"
			}
		default:
			err = s.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	return s.end()
}

func (s *stream) items() error {
	list, err := s.Token()
	switch {
	case err != nil:
		return err
	case list == nil: // null
		return nil
	case list != json.Delim('['):
		return errShape
	}
	for s.More() && s.refused == nil {
		s.left.N = itemLimit
		var item json.RawMessage
		if err := s.Decode(&item); err != nil {
			return err
		}
		s.refused = s.each(item)
		s.left.N = frameLimit
	}
	return s.end()
}

// begin takes the opening bracket.
func (s *stream) begin(bracket json.Delim) error {
	token, err := s.Token()
	if err == nil && token != bracket {
		err = errShape
	}
	return err
}

// end takes the closing bracket; a page that broke off has none.
func (s *stream) end() error {
	if s.refused != nil {
		return nil
	}
	_, err := s.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
