// Package wire turns bytes into events and back: one codec a dialect, no I/O, no clock, no dice.
package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Dialect is how a server speaks.
type Dialect string

const (
	Auto      Dialect = "auto"      // ask the server over HTTP, then pick
	SocketIO  Dialect = "socketio"  // Engine.IO 4 and Socket.IO 5 over WebSocket: OpenHands V0, plain Socket.IO servers
	Events    Dialect = "events"    // OpenHands agent-server, /sockets/events/{id}
	Session   Dialect = "session"   // OpenHands agent-server from 1.45, /sockets/session/{id}
	VoiceCode Dialect = "voicecode" // the voice-code backend of spec B
)

// Agent is the agent's state, the same words for every dialect.
type Agent string

const (
	AgentUnknown  Agent = ""
	AgentWorking  Agent = "working"
	AgentWaiting  Agent = "waiting" // for you
	AgentFinished Agent = "finished"
	AgentPaused   Agent = "paused"
	AgentError    Agent = "error"
)

// Target is what the user asked to be connected with. It is comparable.
type Target struct {
	Server       string // "http://host:port/prefix", no user, no query; "" = not set up
	Conversation string // "" where the server has none, or the newest running one is wanted
	Dialect      Dialect
	Params       string // further query parameters, in url.Values.Encode form (spec A 1.1 connectionParams)
	Path         string // Socket.IO path, "" = /socket.io
	Namespace    string // Socket.IO namespace, "" = /
}

// Identity is the server's identity: scheme, host and port of the configured server. Cursors, outbox and keys hang on
// it. It is "" for an empty or unusable server.
func (t Target) Identity() string {
	u, err := url.Parse(t.Server)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Place is where the target's socket is, found by asking the server. It lives in memory only: a directory hands out
// another one at each look.
type Place struct {
	Base    *url.URL // http(s) or ws(s) origin, with the path prefix before the dialect's own path
	Dialect Dialect  // never Auto
	Hello   Hello
	Title   string // the conversation's title, "" where unknown
	Agent   Agent  // the agent's state as REST gave it, AgentUnknown where it did not
	Origin  string // the configured server's identity: the key's home
}

// Hello is what a codec must know to greet.
type Hello struct {
	Key          string // the secret, "" = none
	Conversation string
	Cursor       string // where to resume, exclusive; "" = from the start
	Params       string // url.Values.Encode form
	Path         string
	Namespace    string
	Version      string // the server's version, "" = unknown
	Portion      int    // KB of history to ask for at once, where the dialect lets a client say; 0 = the dialect's own
}

// Kind says what an Event tells.
type Kind uint8

const (
	Nothing  Kind = iota // understood, with nothing to tell (a Reply may still be due)
	Beat                 // the peer lives: its own ping or pong
	Pong                 // the answer to Codec.Ping
	Ready                // the dialect's handshake is done; the line is up
	Message              // one event of the conversation
	Ack                  // the peer took the message named by ID, or the one in flight; Final: nothing else will confirm it
	Rejected             // the peer did not take the message named by ID, or the one in flight, with Reason
	Refused              // the peer will not serve this session; hang up
	Draining             // the peer is about to go; come back after After
	Synced               // everything missed has been received
)

// Event is what one frame tells, or the first of several such things. Its slices alias the frame and the codec's
// buffers: they are good until the next call of Decode.
type Event struct {
	Kind Kind
	// ID names a message: two messages with the same non-empty ID are the same one. IDs made of digits only are
	// compared as numbers.
	ID []byte
	// Cursor is the place to resume from once this event is applied, empty = it does not move. Codecs only ever move it
	// forward.
	Cursor []byte
	// Agent is the agent's state that this frame tells, AgentUnknown = it tells none. Any Kind may tell one.
	Agent Agent
	// Replay says that the message is older than this session (sent to fill a gap), so that nobody is alerted by it.
	Replay bool
	// Name and Body are the message: the event's name or kind, and its JSON.
	Name []byte
	Body []byte
	// Reply must be written before anything else. nil = none.
	Reply []byte
	// Gap belongs to Ready: events may have been published that this socket will not bring. The session asks
	// Options.History for everything after the cursor of that moment, holds live messages back meanwhile, and so keeps
	// the order whole.
	Gap bool
	// More belongs to Ready and to replayed messages: this socket has yet to bring messages that were missed.
	More bool
	// MaxFrame is the largest frame the peer accepts, told by Ready or the open packet. 0 = not told.
	MaxFrame int
	// Reason belongs to Refused, Rejected and Draining. That of another Kind is worth a line in the log: something was odd,
	// and nothing is to be done.
	Reason   string
	Final    bool          // Refused for good; of an Ack, see there
	Auth     bool          // Refused because of the key
	Barred   bool          // Refused because this key may not join this conversation
	Nowhere  bool          // Refused because the server does not know the namespace
	Busy     bool          // Rejected for now alone: the peer is busy with another message
	Vague    bool          // Rejected, and nothing says for certain that the message in flight did not arrive
	Outdated bool          // Refused because of the protocol's version
	After    time.Duration // of Draining, 0 = not told
	// Then is what else the frame tells, in order, where it tells several things: each is to be taken as if it had come in
	// a frame of its own. An event in it has no Then.
	Then []Event
}

// Codec speaks one dialect for one session. New, Request and Greet are called once, before the first Decode. Decode and
// Item are never called at the same time as each other. Ping and Bye are called by the writer, at the same time as those
// two, and so is Encode, after Ready alone: what both sides use must not change any more by then. Nothing is called after
// the session has ended.
type Codec interface {
	// Request gives the WebSocket address (ws or wss) and the header to dial with.
	Request(base *url.URL) (*url.URL, http.Header)
	// Greet is the first frame to send, nil where the peer speaks first.
	Greet() []byte
	// Decode reads one frame. The error is about this frame alone: the session may go on.
	Decode(frame []byte, binary bool) (Event, error)
	// Item reads one event as the server's history lists it, oldest first. Its Cursor moves forward from where the
	// socket was at Ready, whatever the socket brought since. It tells an agent's state only where the socket has not told
	// a later one.
	Item(body []byte) (Event, error)
	// Encode makes the frame for an outgoing message with a client id: decimal digits, at most 16 of them. A dialect with
	// acks answers with an Ack of that id.
	Encode(id, text string) ([]byte, error)
	// Said gives the text of a message's body that a user said, and whether it is one. It may be called at any time.
	Said(body []byte) (text string, ok bool)
	// Ping is an application ping that is answered by a Pong, nil where the dialect has none. It shows that the server's
	// own loop lives; round trips are timed by WebSocket pings alone.
	Ping() []byte
	// Bye is the polite last frame before the WebSocket is closed, nil = none.
	Bye() []byte
}

// New gives the codec of a dialect.
func New(d Dialect, h Hello) (Codec, error) {
	switch d {
	case SocketIO:
		return newSocketIO(h), nil
	case Events:
		return newEvents(h), nil
	case Session:
		return newSession(h), nil
	case VoiceCode:
		return newVoiceCode(h), nil
	}
	return nil, fmt.Errorf("speaking dialect %q: not known", d)
}
