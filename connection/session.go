package connection

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// This file talks: one session is one WebSocket from dial to close. Two goroutines live in it. run dials, writes and
// publishes; read reads and decodes. Nothing is decided here beyond what the protocol decides: every end is a Failure
// for the machine.

const (
	upgradeTime = 10 * time.Second       // once TCP is up
	readyTime   = 15 * time.Second       // each event received while greeting starts it anew
	greetPing   = 5 * time.Second        // between pings while greeting
	lockTime    = 90 * time.Second       // of an agent-server that answers nothing but pings
	writeTime   = 10 * time.Second       // a peer that takes no byte for this long is dead
	byeTime     = 50 * time.Millisecond  // of politeness
	publishEach = 250 * time.Millisecond // counters go to the machine at most this often
	readLimit   = 16 << 20               // bytes of one message, after inflation
	writeBuffer = 4 << 10                // bytes given to the system at once
	readBuffer  = 256 << 10              // bytes taken from the system at once: a quarter of it costs 7–45 % more in a flood
	keepBuffer  = 1 << 20                // a larger read buffer is given back
	heldLimit   = 8 << 20                // bytes of live messages held back while a gap is filled
)

// hands are what a session needs of its manager.
type hands struct {
	tell    func(context.Context, input)
	keep    func(identity, conversation string, c persistence.Cursor, behind bool)
	book    func(identity, conversation string) *journey
	applied *atomic.Uint64  // events, since the app started
	always  context.Context // ends with the manager: for what must be told even by a session that was hung up on
}

// session is one life of a socket.
type session struct {
	dial
	opt *Options
	log *slog.Logger
	hands

	pings   chan struct{} // the loop asks for a ping
	out     chan []byte   // replies of the reader: they go first
	mail    chan transmit // messages, one at a time
	looks   chan string   // ids of messages to be looked for, one at a time
	listens atomic.Bool   // what users say matters
	telling sync.Mutex    // one report at a time
	dirty   chan struct{} // counters changed
	marked  atomic.Bool   // and the writer knows it: a stream must not wake it at each event
	sent    sentPings

	place wire.Place
	codec wire.Codec
	line  *line
	ws    *websocket.Conn
	end   context.CancelCauseFunc // says why the session ends; the first word counts

	mu        sync.Mutex // guards what follows, and codec.Decode and Item; never held across I/O
	journey   *journey
	state     news
	isReady   bool
	began     time.Time // of the greeting
	lastly    time.Time // of the latest progress in it
	readyAt   time.Time // zero = never
	syncedAt  time.Time // when what was missed had come, by the dialect's own word; zero = never
	largest   int       // bytes of a frame
	holding   bool
	held      []wire.Event
	heldLen   int
	bad       badFrames
	maxFrame  int // bytes that the peer takes, 0 = not told
	overheard []said
	over      bool // the journey belongs to the next session
}

func newSession(d dial, o *Options, h hands) *session {
	s := &session{
		dial: d, opt: o, hands: h, log: o.Log.With("session", d.session),
		pings: make(chan struct{}, 1), out: make(chan []byte, 16), dirty: make(chan struct{}, 1),
		mail: make(chan transmit, 1), looks: make(chan string, 1),
		state: news{session: d.session},
	}
	s.listens.Store(d.listen)
	return s
}

// run lives the whole session. It returns why it ended, after its reader has ended too. A cancelled ctx hangs up.
func (s *session) run(ctx context.Context) network.Failure {
	ctx = network.Within(ctx, s.connect)
	if f := s.prepare(ctx); f != nil {
		return *f
	}
	ws, f := s.open(ctx)
	if f != nil {
		return *f
	}
	s.ws = ws
	life, end := context.WithCancelCause(ctx)
	s.end = end
	var kids sync.WaitGroup
	s.tell(ctx, opened{s.session, s.line.from()})
	s.began = time.Now()
	s.lastly, s.state.heard = s.began, s.began
	kids.Go(func() { end(s.read(life, &kids)) })
	end(s.talk(life, &kids))
	s.bye()
	kids.Wait()
	s.publish(ctx)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	why := s.classify(context.Cause(life)) // the first end is the reason; what follows it is only the falling apart
	switch {
	case ctx.Err() != nil: // the journey may be the next session's already
	case why.Cause == network.TooBig && why.Status == websocket.CloseTryAgainLater:
		s.journey.tooBig = true
	case s.place.Dialect == wire.VoiceCode:
		s.journey.portion = s.journey.portion.after(why.Cause, s.readyAt, s.syncedAt, time.Now(), s.largest)
	}
	if why.Verdict == network.Final && s.place.Origin != (wire.Target{Server: s.place.Base.String()}).Identity() {
		why.Verdict = network.Thrice // a directory hands out another address and key each time: look there again
	}
	return why
}

// talk writes until the session ends.
func (s *session) talk(ctx context.Context, kids *sync.WaitGroup) error {
	if hello := s.codec.Greet(); hello != nil {
		if err := s.write(ctx, hello); err != nil {
			return err
		}
	}
	patience := time.NewTimer(greetPing)
	defer patience.Stop()
	later := time.NewTimer(time.Hour)
	later.Stop()
	defer later.Stop()
	var published time.Time
	for {
		var err error
		mail := s.mail
		if len(s.out) > 0 || len(s.pings) > 0 {
			mail = nil // pongs, acks and the pulse go before messages (spec B 17)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b := <-s.out:
			err = s.write(ctx, b)
		case t := <-mail:
			err = s.carry(ctx, t)
		case id := <-s.looks:
			kids.Go(func() { s.seek(ctx, id) })
		case <-s.pings:
			err = s.ping(ctx)
		case <-patience.C:
			if left := s.patience(); left > 0 {
				patience.Reset(left)
				err = s.ping(ctx)
			} else if left == 0 {
				err = network.Failure{Cause: network.Timeout, Host: s.place.Base.Host, Detail: "the server never finished its greeting"}
			}
		case <-s.dirty:
			if wait := publishEach - time.Since(published); wait > 0 {
				later.Reset(wait)
				break
			}
			published = time.Now()
			s.publish(ctx)
		case published = <-later.C:
			s.publish(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// patience is how much longer the peer may take to become ready: 0 = no longer, negative = it is ready.
func (s *session) patience() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isReady {
		return -1
	}
	if left := readyTime - time.Since(s.lastly); left > 0 {
		return min(left, greetPing)
	}
	// An agent-server may hold a conversation's lock for a minute before it says a word. It answers pings meanwhile.
	agentServer := s.place.Dialect == wire.Events || s.place.Dialect == wire.Session
	if agentServer && time.Since(s.began) < lockTime && time.Since(s.state.heard) <= greetPing {
		return greetPing
	}
	return 0
}

// write sends one message. A hang-up does not wait for a peer that takes nothing.
func (s *session) write(ctx context.Context, frame []byte) error {
	defer context.AfterFunc(ctx, func() { s.line.Close() })()
	w, err := s.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(frame, writeBuffer) {
		s.ws.SetWriteDeadline(time.Now().Add(writeTime)) // anew: a slow line is not a dead one
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

// ping times a round trip by a WebSocket ping frame. The dialect's own ping, where there is one, shows that the server
// itself lives, and not only what stands before it.
func (s *session) ping(ctx context.Context) error {
	id := s.sent.next(time.Now())
	if err := s.ws.WriteControl(websocket.PingMessage, strconv.AppendUint(nil, id, 10), time.Now().Add(writeTime)); err != nil {
		return err
	}
	if own := s.codec.Ping(); own != nil {
		return s.write(ctx, own)
	}
	return nil
}

// bye closes politely within byeTime; a peer that is not there costs no more than that.
func (s *session) bye() {
	by := time.Now().Add(byeTime)
	if last := s.codec.Bye(); last != nil {
		s.ws.SetWriteDeadline(by)
		s.ws.WriteMessage(websocket.TextMessage, last)
	}
	s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), by)
	s.ws.Close()
}

// publish gives the counters to the machine and the cursor to the saver.
func (s *session) publish(ctx context.Context) {
	s.marked.Store(false) // what changes from here on may not be in it
	s.mu.Lock()
	caughtUp := s.isReady && !s.state.syncing
	if caughtUp && !s.listens.Load() {
		s.journey.unmark()
	}
	n, c := s.state, s.journey.save()
	s.mu.Unlock()
	n.cursor, n.events = c.At, s.applied.Load()
	s.keep(s.target.Identity(), s.place.Hello.Conversation, c, !caughtUp)
	s.tell(ctx, n)
}

// mark has the counters published soon.
func (s *session) mark() {
	if !s.marked.Swap(true) {
		s.dirty <- struct{}{}
	}
}

// sentPings remembers when the latest pings went out: one slot is enough for a late pong of the one before.
type sentPings struct {
	mu sync.Mutex
	id uint64
	at [4]time.Time
}

func (p *sentPings) next(now time.Time) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id++
	p.at[p.id%4] = now
	return p.id
}

// took is the round trip that the pong with this payload ends.
func (p *sentPings) took(payload string, now time.Time) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, err := strconv.ParseUint(payload, 10, 64)
	if err != nil || id > p.id || id+4 <= p.id || p.at[id%4].IsZero() {
		return 0, false
	}
	at := p.at[id%4]
	p.at[id%4] = time.Time{}
	return now.Sub(at), true
}
