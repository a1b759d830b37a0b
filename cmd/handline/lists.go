package main

import (
	"context"
	"fmt"
	"sync"

	"handline/connection/backend"
	"handline/connection/wire"
)

// lists lets those who want the same list at the same time, as the menu and a window do when the line has come up, have it
// with one question to the server. Its zero value is ready, and anyone may use it at any time.
type lists struct {
	mu    sync.Mutex
	asked map[question]*answers
}

// question is all that an answer depends on.
type question struct {
	target wire.Target
	key    string
}

// answers is what comes of one question. The rest is read once done is closed.
type answers struct {
	done  chan struct{}
	left  bool // who asked did not wait for the answer, so there is none
	found []backend.Conversation
	err   error
}

// get asks, or waits for the answer to the same question. What it gives is shared and not to be changed.
func (l *lists) get(ctx context.Context, q question, ask func(context.Context) ([]backend.Conversation, error)) ([]backend.Conversation, error) {
	for {
		a, first := l.join(q)
		if first {
			a.found, a.err = ask(ctx)
			a.left = ctx.Err() != nil
			l.end(q, a)
			return a.found, a.err
		}
		select {
		case <-a.done:
			if !a.left {
				return a.found, a.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("listing conversations: %w", ctx.Err())
		}
	}
}

// join gives the answers that are waited for; first says that nobody has asked yet.
func (l *lists) join(q question) (a *answers, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := l.asked[q]; ok {
		return a, false
	}
	if l.asked == nil {
		l.asked = make(map[question]*answers)
	}
	a = &answers{done: make(chan struct{})}
	l.asked[q] = a
	return a, true
}

func (l *lists) end(q question, a *answers) {
	l.mu.Lock()
	delete(l.asked, q)
	l.mu.Unlock()
	close(a.done)
}
