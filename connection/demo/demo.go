// Package demo plays backends: the demo, the simulator and the tests' peer in one.
//
// A Server speaks one dialect and behaves as its mood says. Its frames are written by hand from the protocols'
// documents, without a look at connection/wire, so that neither side hides the other's mistakes. It runs on real
// sockets, and in a testing/synctest bubble over a Pipe: it waits on timers and channels only, and Close joins every
// goroutine.
package demo

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Dialect is the kind of backend that is played.
type Dialect string

const (
	V0          Dialect = "v0"          // OpenHands up to 1.6: Socket.IO and REST
	Plain       Dialect = "plain"       // a Socket.IO server that knows nothing of OpenHands
	AgentServer Dialect = "agentserver" // OpenHands agent-server: the events and the session socket, and REST
	AppServer   Dialect = "appserver"   // OpenHands app server or Cloud: a directory, with its runtimes under /runtime/
	VoiceCode   Dialect = "voicecode"   // the backend of spec B
)

// Options say what to play. The zero value of each field is useful but for Dialect.
type Options struct {
	Dialect Dialect
	// Key is what the server asks for, "" = it is open to everybody. The app server hands out other keys for its
	// runtimes.
	Key string
	// Conversations that exist from the start; things happen in the first, which is running, the others are stopped.
	// nil: one, with a fixed id.
	Conversations []string
	// Titles of the conversations, in their order. Where there is none, it is "Demo 1" and so on.
	Titles []string
	// Version of the server; it decides what a client may use. "" = 1.6.0, 1.46.0 (agent-server) or 0.2.0 (voice-code).
	Version string
	// Mood to begin with.
	Mood Mood
	// Seed of everything random: ids and their gaps.
	Seed uint64
	// TLS makes Serve speak TLS, nil = plain.
	TLS *tls.Config
	// Compress accepts permessage-deflate where the client offers it.
	Compress bool
	// Runtime is the origin at which the app server says its runtimes are, "" = where it was asked.
	Runtime string
	// Rotating gives the app server's runtime another address and key whenever its socket has ended.
	Rotating bool
	// Frame is how many bytes a frame of the agent-server's session socket may have, 0 = 4 MiB.
	Frame int
	// Proposed makes the voice-code server speak what was documented or proposed and no release ever spoke: replay with
	// message_ack, and a heartbeat.
	Proposed bool
}

// Server is one backend. All methods may be called by anyone at any time.
type Server struct {
	opt   Options
	speak http.Handler // the dialect
	http  *http.Server
	up    websocket.Upgrader
	done  chan struct{} // closed by Close
	work  sync.WaitGroup

	turn sync.Mutex // one change of mood at a time
	door *door      // nil before Serve; guarded by turn

	mu      sync.Mutex
	closed  bool
	mood    Mood
	since   time.Time     // of the mood
	changed chan struct{} // closed and replaced when the mood changes
	news    chan struct{} // closed and replaced when an event is published
	dice    *rand.Rand
	main    *conversation // the first, where things happen; set once
	talks   []*conversation
	sockets map[*socket]struct{}
	seen    Seen
	runtime int // which address and key the app server's runtime has now
	device  device
}

// DefaultConversation is the one that exists where Options name none.
const DefaultConversation = "0c9ba9d9-6a46-4d39-8a6a-2f4e35e0a1d7"

// New makes a server; the conversation begins at once. It panics if the dialect is not known.
func New(o Options) *Server {
	if len(o.Conversations) == 0 {
		o.Conversations = []string{DefaultConversation}
	}
	s := &Server{
		opt:     o,
		done:    make(chan struct{}),
		mood:    o.Mood,
		since:   time.Now(),
		changed: make(chan struct{}),
		news:    make(chan struct{}),
		dice:    rand.New(rand.NewPCG(o.Seed, 0)),
		sockets: make(map[*socket]struct{}),
	}
	s.up = websocket.Upgrader{
		CheckOrigin:       func(*http.Request) bool { return true },
		EnableCompression: o.Compress,
		Error:             func(w http.ResponseWriter, _ *http.Request, status int, why error) { detail(w, status, why.Error()) },
	}
	s.speak = s.dialect()
	for i, id := range o.Conversations {
		title := fmt.Sprintf("Demo %d", i+1)
		if i < len(o.Titles) {
			title = o.Titles[i]
		}
		s.talks = append(s.talks, &conversation{id: id, title: title, running: i == 0, state: waiting})
	}
	s.main = s.talks[0]
	s.http = &http.Server{
		Handler: s, ConnState: s.connState, TLSConfig: o.TLS, Protocols: new(http.Protocols),
		ErrorLog: log.New(io.Discard, "", 0), // broken handshakes are what is being played
	}
	s.http.Protocols.SetHTTP1(true)
	s.work.Go(s.author)
	return s
}

// dialect gives the handler, and fills in the version where none was asked for.
func (s *Server) dialect() http.Handler {
	version := "1.6.0"
	var h http.Handler
	switch s.opt.Dialect {
	case V0:
		h = s.v0()
	case Plain:
		h = s.plain()
	case AgentServer:
		version, h = "1.46.0", s.agentServer(func() string { return s.opt.Key })
	case AppServer:
		version, h = "1.46.0", s.appServer()
	case VoiceCode:
		version, h = "0.2.0", s.voiceCode()
	default:
		panic(fmt.Sprintf("demo: dialect %q is not known", s.opt.Dialect))
	}
	if s.opt.Version == "" {
		s.opt.Version = version
	}
	return h
}

// Serve answers on a listener until Close, and then returns nil. A server serves one listener.
func (s *Server) Serve(ln net.Listener) error {
	s.turn.Lock()
	if s.door != nil {
		s.turn.Unlock()
		return errors.New("serving the demo: it already serves a listener")
	}
	s.door = newDoor(ln)
	if mood, _ := s.now(); mood == Down {
		s.door.shut()
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.work.Add(1)
	}
	s.mu.Unlock()
	s.turn.Unlock()
	if closed {
		s.door.close()
		return nil
	}
	defer s.work.Done()
	var err error
	if s.opt.TLS != nil {
		err = s.http.ServeTLS(s.door, "", "")
	} else {
		err = s.http.Serve(s.door)
	}
	select {
	case <-s.done:
		return nil
	default:
		return fmt.Errorf("serving the demo: %w", err)
	}
}

// Close resets what is open, stops listening, and returns when every goroutine has ended.
func (s *Server) Close() {
	s.turn.Lock()
	s.mu.Lock()
	again := s.closed
	if !again {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	if s.door != nil {
		s.door.close()
	}
	s.turn.Unlock()
	s.cut()
	if !again {
		_ = s.http.Close() // what it could tell, the door has done already
	}
	s.work.Wait()
}

// connState counts the goroutines that net/http starts for connections. One that was hijacked ends with its handler,
// which ServeHTTP counts.
func (s *Server) connState(_ net.Conn, to http.ConnState) {
	switch to {
	case http.StateNew:
		s.work.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.work.Done()
	}
}

// ServeHTTP implements http.Handler: the mood first, then the dialect.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.work.Add(1)
	s.seen.Requests++
	if websocket.IsWebSocketUpgrade(r) {
		s.seen.Dials++
	}
	s.mu.Unlock()
	defer s.work.Done()
	if s.front(w, r) {
		s.speak.ServeHTTP(w, r)
	}
}
