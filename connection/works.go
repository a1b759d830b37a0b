package connection

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"handline/persistence"
)

// works does what the machine decided: it owns the session's goroutine, the saver's and the look for a portal.
// do and stop are called by the loop only.
type works struct {
	m       *Manager
	life    context.Context // ends all work
	end     context.CancelFunc
	kids    sync.WaitGroup
	applied atomic.Uint64
	saver   *saver

	hangUp   context.CancelFunc // of the latest session
	session  *session
	finished chan struct{} // closed when the latest session's goroutine has ended
	books    map[bookKey]*journey
}

// mostBooks are kept open: each may hold 4096 names.
const mostBooks = 8

type bookKey struct{ identity, conversation string }

func newWorks(m *Manager) *works {
	w := &works{m: m, saver: m.saver, books: make(map[bookKey]*journey), hangUp: func() {}}
	w.life, w.end = context.WithCancel(context.Background())
	w.finished = make(chan struct{})
	close(w.finished)
	w.kids.Go(func() { w.saver.run(w.life) })
	return w
}

func (w *works) do(e effect) {
	switch e := e.(type) {
	case dial:
		w.dial(e)
	case hangUp:
		w.hangUp()
	case ping:
		select {
		case w.session.pings <- struct{}{}:
		default: // one is waiting to be written already
		}
	case look:
		w.kids.Go(w.look)
	case settle:
		finished := w.finished
		w.kids.Go(func() { w.settle(finished, e.stored) })
	case intend:
		w.saver.add(persistence.Batch{Wanted: &e.wanted})
	case note:
		w.m.opt.Log.Info(e.entry.Text, "phase", e.entry.Phase, "cause", e.entry.Cause)
		w.saver.add(persistence.Batch{Notes: []persistence.Entry{e.entry}})
	case missed:
		w.saver.miss(e.at, string(e.cause))
	default:
		w.mail(e)
	}
}

// mail does what the outbox asks for. Nothing of it waits: a session has one message and one look to take at a time.
func (w *works) mail(e effect) {
	s := w.session
	switch e := e.(type) {
	case store:
		w.saver.post(mailing{put: e.message, bookmark: s.bookmark, told: func(after string, err error) {
			w.tell(w.life, written{e.session, e.message.ID, after, e.first, diskWords(err)})
		}})
	case keep:
		w.saver.post(mailing{put: e.message})
	case drop:
		w.saver.post(mailing{drop: e.message})
	case move:
		w.saver.post(mailing{put: e.to, drop: e.from})
	case transmit:
		select {
		case s.mail <- e:
		default:
		}
	case check:
		select {
		case s.looks <- e.id:
		default:
		}
	case listen:
		s.listens.Store(e.on)
	}
}

// diskWords is why a message waits, "" for no error. The path is left out: it says nothing to the reader.
func diskWords(err error) string {
	if err == nil {
		return ""
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return "It waits for the disk: " + err.Error() + "."
}

// dial starts a session. It waits, in its own goroutine, for the one before to end: two sessions must never dial or
// apply events at the same time, and the journey passes from one to the next.
func (w *works) dial(d dial) {
	w.hangUp()
	ctx, cancel := context.WithCancel(w.life)
	before, finished := w.finished, make(chan struct{})
	w.hangUp, w.finished = cancel, finished
	s := newSession(d, &w.m.opt, hands{tell: w.tell, keep: w.saver.keep, book: w.book, applied: &w.applied, always: w.life})
	w.session = s
	w.kids.Go(func() {
		defer close(finished)
		defer cancel()
		<-before
		if ctx.Err() != nil {
			return
		}
		f := s.run(ctx)
		w.tell(ctx, ended{d.session, f})
	})
}

// tell gives news to the loop, unless its teller was hung up on.
func (w *works) tell(ctx context.Context, in input) {
	select {
	case w.m.inbox <- in:
	case <-ctx.Done():
	}
}

// book opens the journey of a conversation. Only the one running session calls it.
func (w *works) book(identity, conversation string) *journey {
	k := bookKey{identity, conversation}
	j := w.books[k]
	if j == nil {
		w.shelve()
		c, err := w.m.opt.Load(identity, conversation)
		if err != nil {
			w.m.opt.Log.Error("could not read where the conversation was left; starting it over", "error", err)
		}
		j = newJourney(c)
		w.books[k] = j
	}
	return j
}

// shelve lets go of a journey that can be read from the disk again, once there are some.
func (w *works) shelve() {
	for k, j := range w.books {
		if len(w.books) >= mostBooks && w.saver.has(k, j.save()) {
			delete(w.books, k)
		}
	}
}

// settle waits for the session that was hung up on, and then for all that it left to be stored.
func (w *works) settle(finished <-chan struct{}, stored chan<- error) {
	<-finished
	select {
	case w.saver.asked <- stored:
	case <-w.life.Done():
	}
}

func (w *works) look() {
	if w.m.opt.Portal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.life, 5*time.Second)
	defer cancel()
	w.tell(w.life, looked{w.m.opt.Portal(ctx)})
}

// stop hangs up and waits for everybody, the saver last, so that the last cursor is stored.
func (w *works) stop() error {
	w.hangUp()
	for over := false; !over; {
		select {
		case <-w.finished:
			over = true
		case <-w.m.inbox: // nobody decides any more, and nobody may wait for it
		}
	}
	w.end()
	w.kids.Wait()
	return w.saver.flush()
}
