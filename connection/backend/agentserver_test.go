package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
)

func TestRealAgentServerIsFoundWithNothingButItsAddress(t *testing.T) {
	p := agentServer(t)
	c := &Client{}
	s, err := c.Identify(t.Context(), p.target(""))
	require.NoError(t, err)
	require.Equal(t, Server{Kind: AgentServer, Version: "1.58.0"}, s)

	id := p.conversation(t)
	p.say(t, id, "the newest")
	place, err := c.Locate(t.Context(), p.target(""), sesame, false)
	require.NoError(t, err)
	require.Equal(t, wire.Session, place.Dialect)
	require.Equal(t, id, place.Hello.Conversation)
	require.Equal(t, wire.AgentWaiting, place.Agent)
	require.Equal(t, p.url, place.Origin)
	require.Equal(t, "1.58.0", place.Hello.Version)

	found, err := c.Conversations(t.Context(), p.target(""), sesame, 3)
	require.NoError(t, err)
	require.Equal(t, id, found[0].ID)
	require.True(t, found[0].Running)
	require.WithinDuration(t, time.Now(), found[0].Updated, 24*time.Hour) // its zone is not told
}

func TestRealAgentServerChecksTheKey(t *testing.T) {
	p := agentServer(t)
	c := &Client{}
	require.NoError(t, c.Key(t.Context(), p.target(""), sesame))
	for _, key := range []string{"", "wrong"} {
		f := asFailure(c.Key(t.Context(), p.target(""), key))
		require.Equal(t, network.Auth, f.Cause)
		require.Equal(t, network.Final, f.Verdict)
		_, err := c.Locate(t.Context(), p.target(p.conversation(t)), key, false)
		require.Equal(t, network.Auth, asFailure(err).Cause)
	}
}

func TestRealAgentServerMakesNoConversationOfATypo(t *testing.T) {
	p := agentServer(t)
	var before, after int
	p.call(t, http.MethodGet, "/api/conversations/count", nil, &before)
	for _, id := range []string{"00000000-0000-0000-0000-000000000001", "no-uuid", "../settings"} {
		_, err := (&Client{}).Locate(t.Context(), p.target(id), sesame, true)
		f := asFailure(err)
		require.Equal(t, network.Gone, f.Cause, id)
		require.Equal(t, network.Final, f.Verdict, id)
	}
	p.call(t, http.MethodGet, "/api/conversations/count", nil, &after)
	require.Equal(t, before, after)
}

// line is a plain WebSocket with a codec: a session without its machine.
type line struct {
	*websocket.Conn
	codec wire.Codec
}

func open(t *testing.T, place wire.Place) line {
	t.Helper()
	codec, err := wire.New(place.Dialect, place.Hello)
	require.NoError(t, err)
	address, header := codec.Request(place.Base)
	ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), address.String(), header)
	require.NoError(t, err)
	t.Cleanup(func() { ws.Close() })
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(20*time.Second)))
	if hello := codec.Greet(); hello != nil {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, hello))
	}
	return line{ws, codec}
}

// heard is an event with its slices copied.
type heard struct {
	wire.Event
	id, cursor, name string
}

func (l line) next(t *testing.T) heard {
	t.Helper()
	_, frame, err := l.ReadMessage()
	require.NoError(t, err)
	e, err := l.codec.Decode(frame, false)
	require.NoError(t, err, "%s", frame)
	return heard{e, string(e.ID), string(e.Cursor), string(e.Name)}
}

// until reads up to and with the first event that ok accepts.
func (l line) until(t *testing.T, ok func(heard) bool) []heard {
	t.Helper()
	var all []heard
	for {
		e := l.next(t)
		if all = append(all, e); ok(e) {
			return all
		}
	}
}

func is(kind wire.Kind) func(heard) bool { return func(e heard) bool { return e.Kind == kind } }

func ids(all []heard) []string {
	var out []string
	for _, e := range all {
		if e.Kind == wire.Message {
			out = append(out, e.id)
		}
	}
	return out
}

func TestRealSessionSocketResumesWithoutAHole(t *testing.T) {
	p := agentServer(t)
	id := p.conversation(t)
	for i := range 60 {
		p.say(t, id, fmt.Sprint(i))
	}
	place, err := (&Client{}).Locate(t.Context(), p.target(id), sesame, false)
	require.NoError(t, err)

	l := open(t, place)
	first := l.until(t, is(wire.Synced))
	require.Equal(t, wire.Ready, first[0].Kind)
	require.Equal(t, wire.AgentWaiting, first[len(first)-1].Agent)
	for _, e := range first[1 : len(first)-1] {
		require.True(t, e.Replay)
		require.Equal(t, wire.AgentUnknown, e.Agent)
	}
	got := ids(first)
	require.Equal(t, p.log(t, id), got)

	// Cut in the middle; the rest is what comes after the cursor.
	middle := first[len(first)/2]
	place.Hello.Cursor = middle.cursor
	l.Close()
	p.say(t, id, "while away")
	l = open(t, place)
	rest := ids(l.until(t, is(wire.Synced)))
	at := slices.Index(got, middle.id)
	require.Equal(t, p.log(t, id), append(slices.Clone(got[:at+1]), rest...))

	// The history over HTTP begins at the same cursors, and counts on from them.
	c := &Client{}
	place.Hello.Cursor = middle.cursor
	rest, cursors := history(t, c, place, fresh(t, place, middle.cursor), middle.cursor)
	require.Equal(t, p.log(t, id)[at+1:], rest)
	last := len(cursors) - 1
	require.Equal(t, fmt.Sprintf("%d %s", at+1+last, rest[last]), cursors[last])
	more, _ := history(t, c, place, fresh(t, place, ""), strconv.Itoa(at))
	require.Equal(t, rest, more)

	// Live: two events, not replayed.
	p.say(t, id, "live")
	live := []heard{l.next(t), l.next(t)}
	require.False(t, live[0].Replay)
	require.Equal(t, "MessageEvent", live[0].name)
	log := p.log(t, id)
	require.Equal(t, log[len(log)-2:], ids(live))
}

func TestRealEventsSocketIsLiveAndTheHistoryFillsTheGap(t *testing.T) {
	p := agentServer(t)
	id := p.conversation(t)
	for i := range 120 { // more than two pages
		p.say(t, id, fmt.Sprint(i))
	}
	target := p.target(id)
	target.Dialect = wire.Events
	c := &Client{}
	place, err := c.Locate(t.Context(), target, sesame, false)
	require.NoError(t, err)
	require.Equal(t, wire.Events, place.Dialect)

	l := open(t, place)
	ready := l.next(t)
	require.Equal(t, wire.Ready, ready.Kind)
	require.True(t, ready.Gap)
	require.Equal(t, wire.AgentWaiting, ready.Agent)
	p.say(t, id, "while the gap is being filled")
	got, cursors := history(t, c, place, l.codec, "")
	live := []heard{l.next(t), l.next(t)}
	log := p.log(t, id)
	require.Equal(t, log, got)
	require.Equal(t, log[len(log)-2:], ids(live))

	for _, at := range []int{0, 1, 99, 100, 101, len(log) - 3} {
		cursor := cursors[at]
		if cursor == "" {
			continue // a state: it moves no cursor
		}
		again, _ := history(t, c, place, fresh(t, place, cursor), cursor)
		require.Equal(t, log[at+1:], again, "after event %d", at)
	}
	// An event that the server does not know: the time decides, and repeats are for the receiver to drop.
	stamp, _ := wire.EventsCursor(cursors[199])
	again, _ := history(t, c, place, l.codec, stamp+" 00000000-0000-0000-0000-000000000001")
	require.Subset(t, again, log[200:])
	require.Less(t, len(again), len(log), "the overlap is short")
	// The session socket's cursors do here too. One that makes no sense: all of it.
	for cursor, from := range map[string]int{"41": 42, "41 " + log[40]: 41, "41 unknown": 42, "yesterday": 0} {
		again, _ = history(t, c, place, l.codec, cursor)
		require.Equal(t, log[from:], again, cursor)
	}
}

func fresh(t *testing.T, place wire.Place, cursor string) wire.Codec {
	place.Hello.Cursor = cursor
	codec, err := wire.New(place.Dialect, place.Hello)
	require.NoError(t, err)
	return codec
}

// history reads the gap after a cursor: the ids, and the cursor after each.
func history(t *testing.T, c *Client, place wire.Place, codec wire.Codec, after string) (got, cursors []string) {
	t.Helper()
	require.NoError(t, c.History(t.Context(), place, after, func(item []byte) error {
		e, err := codec.Item(item)
		require.NoError(t, err)
		require.True(t, e.Replay)
		got, cursors = append(got, string(e.ID)), append(cursors, string(e.Cursor))
		return nil
	}))
	return got, cursors
}

func TestRealSocketsTakeAMessageAndRejectNonsense(t *testing.T) {
	p := agentServer(t)
	for _, dialect := range []wire.Dialect{wire.Events, wire.Session} {
		t.Run(string(dialect), func(t *testing.T) {
			target := p.target(p.conversation(t))
			target.Dialect = dialect
			place, err := (&Client{}).Locate(t.Context(), target, sesame, false)
			require.NoError(t, err)
			l := open(t, place)
			l.next(t)
			require.NoError(t, l.WriteMessage(websocket.TextMessage, []byte(`{"rol":1}`)))
			no := l.until(t, is(wire.Rejected))
			require.Equal(t, "ValidationError: 1 validation error for Message", no[len(no)-1].Reason)

			frame, err := l.codec.Encode("1", `Grüße, "you" & <me>`)
			require.NoError(t, err)
			require.NoError(t, l.WriteMessage(websocket.TextMessage, frame))
			l.until(t, func(e heard) bool {
				return e.name == "MessageEvent" && strings.Contains(string(e.Body), `"text":"Grüße, \"you\" & <me>"`)
			})
		})
	}
}

// dial upgrades and gives the refusal.
func refusal(t *testing.T, place wire.Place) network.Failure {
	t.Helper()
	codec, err := wire.New(place.Dialect, place.Hello)
	require.NoError(t, err)
	address, header := codec.Request(place.Base)
	ws, res, err := websocket.DefaultDialer.DialContext(t.Context(), address.String(), header)
	if ws != nil {
		ws.Close()
	}
	require.Error(t, err)
	require.NotNil(t, res)
	return network.Classify(err, address, res, nil)
}

func TestRealRefusalsAreToldApart(t *testing.T) {
	p := agentServer(t)
	id := p.conversation(t)
	base, err := url.Parse(p.url)
	require.NoError(t, err)
	place := func(dialect wire.Dialect, key, conversation string) wire.Place {
		return wire.Place{Base: base, Origin: p.url, Dialect: dialect, Hello: wire.Hello{Key: key, Conversation: conversation}}
	}
	c := &Client{}
	for _, dialect := range []wire.Dialect{wire.Events, wire.Session} {
		for _, row := range []struct {
			key, id string
			cause   network.Cause
		}{
			{"wrong", id, network.Auth},
			{"wrong", "no-uuid", network.Auth},
			{sesame, "no-uuid", network.Gone},
		} {
			at := place(dialect, row.key, row.id)
			f := refusal(t, at)
			require.Equal(t, http.StatusForbidden, f.Status, "the server says the same to all")
			require.Equal(t, row.cause, c.Explain(t.Context(), at, f).Cause, "%s %v", dialect, row)
		}
	}
	// A server that has no session socket says 403 as well: the next look picks the other one.
	at := place(wire.Session, sesame, id)
	f := c.Explain(t.Context(), at, network.Failure{Cause: network.Forbidden, Verdict: network.Final, Status: http.StatusForbidden})
	require.Equal(t, network.Unavailable, f.Cause)
	require.Equal(t, network.Retry, f.Verdict)
	next, err := c.Locate(t.Context(), p.target(id), sesame, false)
	require.NoError(t, err)
	require.Equal(t, wire.Events, next.Dialect)
	// With no other one left, something between blocks WebSockets.
	f = c.Explain(t.Context(), place(wire.Events, sesame, id), network.Failure{Cause: network.Forbidden, Status: http.StatusForbidden})
	require.Equal(t, network.Protocol, f.Cause)
	require.Contains(t, f.Detail, "a proxy")
	// When the server cannot be asked, the refusal stands.
	f = network.Failure{Cause: network.Forbidden, Status: http.StatusForbidden}
	require.Equal(t, f, c.Explain(cancelled(), place(wire.Events, sesame, id), f))
}

func TestHistoryEndsWithItsReader(t *testing.T) {
	p := agentServer(t)
	id := p.conversation(t)
	for i := range 5 {
		p.say(t, id, fmt.Sprint(i))
	}
	c := &Client{}
	base, err := url.Parse(p.url)
	require.NoError(t, err)
	place := wire.Place{Base: base, Dialect: wire.Events, Hello: wire.Hello{Key: sesame, Conversation: id}}
	n := 0
	err = c.History(t.Context(), place, "", func(item []byte) error {
		require.True(t, json.Valid(item))
		if n++; n == 3 {
			return context.Canceled
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 3, n)
	place.Hello.Conversation = "00000000-0000-0000-0000-000000000001"
	err = c.History(t.Context(), place, "", func([]byte) error { t.Fatal("no event"); return nil })
	require.Equal(t, network.Gone, asFailure(err).Cause)
}
