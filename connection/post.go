package connection

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// flushTime is how long a quit, or a sleep, waits for messages that are on their way (spec B 28). It leaves half a second,
// of the two that either may take, for hanging up and storing.
const flushTime = 1500 * time.Millisecond

// Why a message is not taken, besides persistence.ErrOutboxFull and what the disk says.
var (
	ErrNoText         = errors.New("there is nothing to send")
	ErrNotText        = errors.New("only text in UTF-8 can be sent")
	ErrNoConversation = errors.New("no conversation is chosen")
	ErrTooLong        = fmt.Errorf("the message has more than %d KB of text", persistence.MostTextBytes/1000)
)

// Message is a message as the faces see it.
type Message struct {
	persistence.Message
	// Verbs are what a person may say about it now.
	Verbs []Verb `json:"verbs,omitempty"`
}

// Send takes a message for the conversation of the line: it is on disk when Send returns, and goes out when its turn
// comes. With an error it is nowhere. Anyone may call it while Run runs.
func (m *Manager) Send(ctx context.Context, text string) (Message, error) {
	s := m.Snapshot()
	p := persistence.Message{Identity: wire.Target{Server: s.Server}.Identity(), Conversation: s.Conversation, Text: text,
		At: time.Now(), State: Queued}
	switch {
	case strings.TrimSpace(text) == "":
		return Message{}, ErrNoText
	case !utf8.ValidString(text):
		return Message{}, ErrNotText
	case len(text) > persistence.MostTextBytes:
		return Message{}, ErrTooLong
	case p.Identity == "":
		return Message{}, network.Failure{Cause: network.NotSetUp}
	case s.Conversation == "" && s.Dialect != string(wire.SocketIO): // a plain Socket.IO server has no conversations
		return Message{}, ErrNoConversation
	}
	p, err := m.opt.Enqueue(p)
	if err != nil {
		return Message{}, fmt.Errorf("storing the message: %w", err)
	}
	// It is stored, so it is sent, even if the one who asked has gone. A line that has just ended finds it when it starts.
	_ = m.Do(context.WithoutCancel(ctx), Send{p})
	return Message{Message: p, Verbs: []Verb{VerbDiscard}}, nil
}

// Outbox is the messages that are not confirmed, and the latest that are, in the order of sending. The slice is shared.
func (m *Manager) Outbox() []Message { all, _ := m.mail.read(); return all }

// WatchOutbox gives the outbox at once and then whenever it has changed; a slow reader skips, and never blocks anyone.
// It ends with ctx or with Run.
func (m *Manager) WatchOutbox(ctx context.Context) iter.Seq[[]Message] { return m.mail.watch(ctx) }

// Flush waits until what can be sent now has arrived, at most flushTime. Anyone may call it while Run runs.
func (m *Manager) Flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	for all := range m.mail.watch(ctx) {
		if s := m.Snapshot(); s.Status != Connected || !slices.ContainsFunc(all, s.carries) {
			return
		}
	}
}

// carries says whether a message is on its way over the line, and needs nothing but a moment.
func (s Snapshot) carries(m Message) bool {
	here := m.Conversation == s.Conversation && m.Identity == (wire.Target{Server: s.Server}).Identity()
	inFlight := len(m.Verbs) == 0
	return here && (m.State == Queued && !m.Tried || inFlight && m.State != Confirmed)
}

// messages reads the outbox from the disk. Without it Handline still runs; what is stored is kept for the next start.
func (m *Manager) messages(w *works) []persistence.Message {
	if m.opt.Outbox == nil {
		return nil
	}
	all, err := m.opt.Outbox()
	if err != nil {
		m.opt.Log.Error("could not read the outbox", "error", err)
	}
	for _, p := range all {
		if p.State == Sending {
			w.saver.pin(p)
		}
	}
	return all
}

// messages is what the faces see.
func (b *outbox) messages() []Message {
	all := make([]Message, len(b.letters))
	for i := range b.letters {
		all[i] = Message{b.letters[i].Message, b.verbs(&b.letters[i])}
	}
	return all
}
