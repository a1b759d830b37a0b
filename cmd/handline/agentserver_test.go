//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/network"
	"handline/diagnostics"
)

// The main job on OpenHands of today: two Handlines follow the same conversation of the real agent-server, one by each
// of its sockets, while events are published over REST and the server is killed, stopped, restarted and refuses. What its
// history holds is the truth: each event once, in order. The long series kill 50 times during 5 000 events.
func TestRealPeersOfToday(t *testing.T) {
	if testing.Short() {
		t.Skip("short: a real server takes a minute")
	}
	t.Parallel()
	m := newModel(t)
	p := newAgentPeer(t, planted)
	p.model = m.url + "/v1"
	p.start()
	w := twins{t: t, peer: p, talk: p.converse()}
	for _, dialect := range []string{"session", "events"} {
		a := newTyped(t, nil)
		// The ladder is for servers that stay away. Here it would let most kills meet no line.
		a.must("config", "set", "retry.maxDelay", "1s")
		if dialect == "events" {
			a.must("config", "set", "dialect", "events")
		}
		a.start("HANDLINE_TOKEN=" + planted)
		require.Contains(t, a.must("connect", "--server", p.url), "Connected", "the only conversation is the newest that runs")
		require.Equal(t, dialect, a.snapshot().Dialect)
		require.Equal(t, w.talk, a.snapshot().Conversation)
		w.both = append(w.both, a)
	}
	w.surviveKills()
	w.areBackAfterAStop()
	w.areBackAfterARestart()
	w.comeBackToTheirOwn()
	w.listTheHistory()
	w.showTheAgent(m)
	w.waitForAPlace()
	w.obeyARefusal()
	w.areToldOfADeletion()
	w.goOnAfterALargeEvent()
}

// twins are the two Handlines.
type twins struct {
	t      *testing.T
	peer   *agentPeer
	talk   string
	others []string // conversations that were visited
	lost   []string // events of one that is deleted
	both   []*typed
}

func (w *twins) until(s connection.Status) {
	w.t.Helper()
	for _, a := range w.both {
		a.until(s, patience)
	}
}

// whole holds that both have applied what the server's history has, once and in order.
func (w *twins) whole() {
	w.t.Helper()
	w.until(connection.Connected)
	truth := w.peer.ids(w.talk)
	foreign := slices.Clone(w.lost)
	for _, id := range w.others {
		foreign = append(foreign, w.peer.ids(id)...)
	}
	for _, a := range w.both {
		var got []string
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if got = without(a.all(), foreign); len(got) >= len(truth) {
				break
			}
		}
		require.Equal(w.t, truth, got, "nothing lost, doubled or reordered by %s", a.snapshot().Dialect)
	}
	w.t.Logf("%d events by both sockets, each once and in order", len(truth))
}

func without(ids, foreign []string) []string {
	strange := make(map[string]bool, len(foreign))
	for _, id := range foreign {
		strange[id] = true
	}
	return slices.DeleteFunc(ids, func(id string) bool { return strange[id] })
}

func (w *twins) surviveKills() {
	kills, says := 10, 300
	if soaks() {
		kills, says = 50, 2500 // a message is two events
	}
	stop := w.peer.publishes(w.talk, 15*time.Millisecond, says)
	defer stop()
	dice := rand.New(rand.NewPCG(3, 3))
	for range kills {
		if dice.IntN(2) == 0 {
			w.until(connection.Connected) // else in the midst of it
		}
		time.Sleep(time.Duration(dice.IntN(800)) * time.Millisecond)
		w.peer.kill()
		time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
		w.peer.start()
	}
	w.until(connection.Connected)
	w.t.Logf("%d messages through %d kills", stop(), kills)
	w.whole()
}

func (w *twins) areBackAfterAStop() {
	stop := w.peer.publishes(w.talk, 15*time.Millisecond, 10)
	defer stop()
	w.peer.signal(syscall.SIGSTOP)
	w.until(connection.Reconnecting) // somebody looks, so it does not take long
	w.peer.signal(syscall.SIGCONT)
	w.until(connection.Connected)
	stop()
	w.whole()
}

func (w *twins) areBackAfterARestart() {
	stop := w.peer.publishes(w.talk, 15*time.Millisecond, 10)
	defer stop()
	w.peer.ends(syscall.SIGTERM)
	w.peer.start()
	w.until(connection.Connected)
	stop()
	w.whole()
}

// comeBackToTheirOwn: nobody has named the conversation, and another one is the newest by now.
func (w *twins) comeBackToTheirOwn() {
	require.NoError(w.t, w.peer.say(w.peer.converse(), "something newer", false))
	w.peer.kill()
	w.until(connection.Reconnecting)
	w.peer.start()
	w.whole()
	for _, a := range w.both {
		require.Equal(w.t, w.talk, a.snapshot().Conversation)
	}
}

// listTheHistory asks for what came after a place, as a user types it: by the cursor of an event, and by its number.
func (w *twins) listTheHistory() {
	truth := w.peer.ids(w.talk)
	last := len(truth) - 2 // a message, and the state that names it
	for _, a := range w.both {
		all := listed(a.must("events", "--json"))
		require.Equal(w.t, truth, idsOf(all))
		own := func(i int) int { // the latest place that is an event's own: a state has none, nor has what was stamped late
			for i > 0 && all[i].Cursor == all[i-1].Cursor {
				i--
			}
			return i
		}
		for _, i := range []int{own(7), own(last)} {
			require.NotEmpty(w.t, all[i].Cursor)
			require.Equal(w.t, truth[i+1:], idsOf(listed(a.must("events", "--json", "--since", all[i].Cursor))))
		}
		require.Equal(w.t, truth[8:], idsOf(listed(a.must("events", "--json", "--since", "7"))))
		require.Empty(w.t, a.must("events", "--since", fmt.Sprint(last+1)))
	}
	require.Equal(w.t, fmt.Sprintf("%d %s", last+1, truth[last+1]), w.both[0].snapshot().LastEventID)
}

// showTheAgent follows what the agent does, on a server where it really does it.
func (w *twins) showTheAgent(m *model) {
	id := w.visit()
	w.show("waiting")
	require.NoError(w.t, w.peer.say(id, "work", true))
	m.isAsked()
	w.show("working")
	m.answers("Done.")
	require.Eventually(w.t, func() bool { return w.peer.status(id) == "finished" }, patience, tick)
	w.show("finished")

	// In the middle of its work the server dies. What the next one says of the agent is right, whatever was before.
	require.NoError(w.t, w.peer.say(id, "work", true))
	m.isAsked()
	w.show("working")
	w.peer.kill()
	w.peer.start()
	w.until(connection.Connected)
	word := map[string]string{"idle": "waiting", "running": "working", "paused": "paused", "finished": "finished", "error": "error", "stuck": "error"}
	w.show(word[w.peer.status(id)])
	w.t.Logf("killed while the agent ran, the server says %q", w.peer.status(id))

	// It fails: the model is not there.
	m.server.CloseClientConnections()
	m.server.Close()
	require.NoError(w.t, w.peer.say(id, "work", true))
	require.Eventually(w.t, func() bool { return w.peer.status(id) == "error" }, patience, tick)
	w.show("error")
	w.back()
}

// show holds that the agent's state is known a second after it has changed.
func (w *twins) show(agent string) {
	w.t.Helper()
	for _, a := range w.both {
		require.Eventually(w.t, func() bool { return a.snapshot().Agent == agent }, promised(time.Second), 10*time.Millisecond, "%s by %s", agent, a.snapshot().Dialect)
	}
}

// visit makes another conversation and goes there.
func (w *twins) visit() string {
	id := w.peer.converse()
	w.others = append(w.others, id)
	for _, a := range w.both {
		require.Contains(w.t, a.must("connect", id), "Connected")
	}
	return id
}

// back returns to where events were missed meanwhile.
func (w *twins) back() {
	w.t.Helper()
	for n := range 5 {
		require.NoError(w.t, w.peer.say(w.talk, fmt.Sprintf("missed %d", n), false))
	}
	for _, a := range w.both {
		require.Contains(w.t, a.must("connect", w.talk), "Connected")
	}
	w.whole()
}

// waitForAPlace: a conversation takes fifty clients, and is not stormed by the next.
func (w *twins) waitForAPlace() {
	id := w.peer.converse()
	w.others = append(w.others, id)
	crowd, full := []*websocket.Conn{}, false
	for !full {
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(w.peer.url, "http")+"/sockets/events/"+id,
			http.Header{"X-Session-API-Key": {planted}})
		require.NoError(w.t, err)
		defer ws.Close()
		crowd = append(crowd, ws)
		_, _, err = ws.ReadMessage() // the first frame says that there was a place
		full = websocket.IsCloseError(err, websocket.CloseTryAgainLater)
		require.True(w.t, err == nil || full, err)
	}
	w.t.Logf("place number %d was not to be had", len(crowd))
	for _, a := range w.both {
		a.must("connect", "--no-wait", id)
		require.Eventually(w.t, func() bool { return a.snapshot().Cause.Code == network.Throttled }, patience, tick)
		s := a.snapshot()
		require.Equal(w.t, "Too many follow this conversation", s.Cause.Text)
		require.Equal(w.t, connection.Reconnecting, s.Status)
		require.WithinRange(w.t, s.RetryAt, time.Now().Add(20*time.Second), time.Now().Add(40*time.Second))
	}
	for _, ws := range crowd {
		ws.Close()
	}
	for _, a := range w.both {
		require.Contains(w.t, a.must("reconnect"), "Connected")
	}
	w.back()
}

// obeyARefusal: an id that is not known makes no conversation, and a key that is not known no second try.
func (w *twins) obeyARefusal() {
	var before, after int
	w.peer.call(http.MethodGet, "/api/conversations/count", nil, &before)
	for _, a := range w.both {
		code, out := a.types("", "connect", "00000000-0000-0000-0000-000000000001")
		require.Equal(w.t, exitNotConnected, code, out)
		require.Contains(w.t, out, "Error: This conversation does not exist")
		require.Equal(w.t, connection.Stuck, a.snapshot().Phase)
	}
	w.peer.call(http.MethodGet, "/api/conversations/count", nil, &after)
	require.Equal(w.t, before, after)
	w.back()

	stranger := newTyped(w.t, nil)
	stranger.run("HANDLINE_TOKEN=wrong")
	code, out := stranger.types("", "connect", "--server", w.peer.url, w.talk)
	require.Equal(w.t, exitAuth, code, out)
	require.Contains(w.t, out, "Error: The server did not accept your key")
	first := stranger.snapshot()
	time.Sleep(3 * time.Second)
	require.Equal(w.t, first, stranger.snapshot(), "nothing is dialled until there is another key")
	stranger.kill()
}

// areToldOfADeletion: the server keeps the sockets of a conversation that somebody deletes, and says nothing. Who says
// something there is told.
func (w *twins) areToldOfADeletion() {
	id := w.peer.converse()
	for _, a := range w.both {
		require.Contains(w.t, a.must("connect", id), "Connected")
	}
	w.lost = w.peer.ids(id)
	w.peer.call(http.MethodDelete, "/api/conversations/"+id, nil, nil)
	for _, a := range w.both {
		a.must("send", "--no-wait", "anybody there?")
		a.until(connection.Error, patience)
		require.Equal(w.t, "This conversation does not exist", a.snapshot().Cause.Text)
		number, rest, _ := strings.Cut(a.must("outbox"), "\t")
		require.True(w.t, strings.HasPrefix(rest, "sending"), "it is not said to have failed, nor to have arrived: %s", rest)
		a.must("outbox", "discard", number)
	}
	w.back()
}

// goOnAfterALargeEvent: the session socket ends at an event of more than 4 MiB, each time. That costs one reconnect.
func (w *twins) goOnAfterALargeEvent() {
	require.NoError(w.t, w.peer.say(w.talk, "before", false))
	w.whole()
	from := time.Now()
	require.NoError(w.t, w.peer.say(w.talk, strings.Repeat("large ", 900_000), false))
	require.NoError(w.t, w.peer.say(w.talk, "after", false))
	w.whole()
	w.t.Logf("a large event was there after %v", time.Since(from).Round(time.Millisecond))
	first := w.both[0]
	require.Equal(w.t, "events", first.snapshot().Dialect)
	lost := 0
	for _, e := range first.timeline() {
		if e.At.After(from) && e.Status == string(connection.Reconnecting) {
			lost++
		}
	}
	require.Equal(w.t, 1, lost)
	require.NoError(w.t, w.peer.say(w.talk, strings.Repeat("large ", 900_000), false))
	w.peer.kill()
	w.peer.start()
	require.NoError(w.t, w.peer.say(w.talk, "at last", false))
	w.whole()
}

// must types a command that ends well, and gives what it says.
func (a *typed) must(args ...string) string {
	a.t.Helper()
	code, out := a.types("", args...)
	require.Zero(a.t, code, out)
	return out
}

func (a *typed) snapshot() connection.Snapshot {
	a.t.Helper()
	s, err := a.client.Status(context.Background())
	require.NoError(a.t, err)
	return s.Snapshot
}

// all is what was applied so far.
func (a *typed) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.applied)
}

func listed(out string) (all []diagnostics.Event) {
	for line := range strings.Lines(out) {
		var e diagnostics.Event
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

func idsOf(all []diagnostics.Event) (ids []string) {
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

// model plays the endpoint of a language model. It answers when the test says so.
type model struct {
	t      *testing.T
	url    string
	server *httptest.Server
	asked  chan struct{}
	answer chan string
}

func newModel(t *testing.T) *model {
	m := &model{t: t, asked: make(chan struct{}, 16), answer: make(chan string)}
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		m.asked <- struct{}{}
		select {
		case text := <-m.answer:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"1","object":"chat.completion","created":1,"model":"none","choices":[{"index":0,
				"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, text)
		case <-r.Context().Done():
		}
	}))
	m.url = m.server.URL
	t.Cleanup(m.server.Close)
	return m
}

func (m *model) isAsked() {
	m.t.Helper()
	select {
	case <-m.asked:
	case <-time.After(patience):
		m.t.Fatal("the agent never asked its model")
	}
}

func (m *model) answers(text string) { m.answer <- text }
