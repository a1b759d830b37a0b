package diagnostics

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"handline/connection"
	"handline/connection/network"
	"handline/persistence"
)

// Outgoing is the body of POST /v1/send, for the conversation of the line.
type Outgoing struct {
	Text string `json:"text"`
}

// Outbox is the answer of GET /v1/outbox, and what it streams with ?follow: the messages that are not confirmed and the
// latest that are, in the order of sending.
type Outbox struct {
	Messages []connection.Message `json:"messages"`
}

// maxOutgoing has room for the longest message the outbox takes, with every character of it escaped.
const maxOutgoing = 6*persistence.MostTextBytes + maxBody

// send answers when the message is on disk.
func (a API) send(w http.ResponseWriter, r *http.Request) error {
	var o Outgoing
	if err := readUpTo(w, r, &o, maxOutgoing); err != nil {
		return err
	}
	m, err := a.Line.Send(r.Context(), o.Text)
	if err != nil {
		return notTaken(err)
	}
	answer(w, http.StatusAccepted, m)
	return nil
}

// notTaken says why a message was not taken.
func notTaken(err error) error {
	var f network.Failure
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, connection.ErrNoText), errors.Is(err, connection.ErrNotText):
		return badRequest("%s", sentence(err.Error()))
	case errors.Is(err, connection.ErrTooLong):
		return &Problem{http.StatusRequestEntityTooLarge, "too-large", "The message is too long",
			fmt.Sprintf("It has more than %d KB of text.", persistence.MostTextBytes/1000),
			"Shorten it, or name a file that the agent can read."}
	case errors.Is(err, connection.ErrNoConversation):
		return &Problem{http.StatusConflict, "no-conversation", "No conversation is chosen",
			"A message is sent to one conversation.", "Connect to a conversation, then send it again."}
	case errors.Is(err, persistence.ErrOutboxFull):
		return &Problem{http.StatusInsufficientStorage, "outbox-full", "The outbox is full",
			fmt.Sprintf("It holds %d messages, or %d KB of text.", persistence.MostMessages, persistence.MostTextBytes/1000),
			"Connect so that they can go out, or discard some."}
	case errors.Is(err, persistence.ErrNewer):
		return &Problem{http.StatusConflict, "not-stored", "The message could not be stored",
			"A newer Handline wrote what is kept here, so this one only reads it.", "Update Handline, then send it again."}
	}
	return &Problem{http.StatusInsufficientStorage, "not-stored", "The message could not be stored",
		fmt.Sprintf("It was not sent: %v.", err), "Make room on the disk, then send it again."}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// outbox gives all messages, and with follow gives them again whenever one has changed.
func (a API) outbox(w http.ResponseWriter, r *http.Request) error {
	if !r.URL.Query().Has("follow") {
		answer(w, http.StatusOK, Outbox{listed(a.Line.Outbox())})
		return nil
	}
	s := newStream(w)
	for all := range a.Line.WatchOutbox(r.Context()) {
		if s.send("outbox", Outbox{listed(all)}) != nil {
			break // the reader has gone
		}
	}
	return nil
}

// listed is never null on the wire.
func listed(all []connection.Message) []connection.Message {
	if all == nil {
		return []connection.Message{}
	}
	return all
}

// decide does what a person says about one message: POST /v1/outbox/{id}/{verb}.
func (a API) decide(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r, &struct{}{}); err != nil {
		return err
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, outboxPath), "/")
	all := a.Line.Outbox()
	i := slices.IndexFunc(all, func(m connection.Message) bool { return m.ID == id })
	switch {
	case i < 0:
		return &Problem{Status: http.StatusNotFound, Code: "not-found", Text: "There is no such message in the outbox"}
	case !slices.Contains(all[i].Verbs, connection.Verb(verb)):
		return &Problem{Status: http.StatusConflict, Code: "not-now", Text: fmt.Sprintf("The message is %s, so it cannot be done: %s", all[i].State, verb),
			Advice: possible(all[i].Verbs)}
	}
	return a.do(w, r, time.Now(), connection.Decide{ID: id, Verb: connection.Verb(verb)})
}

func possible(verbs []connection.Verb) string {
	if len(verbs) == 0 {
		return "Wait until it is known what became of it."
	}
	var words []string
	for _, v := range verbs {
		words = append(words, string(v))
	}
	return "Possible now: " + strings.Join(words, ", ") + "."
}

// Draft is a message that is being written, so that a page that is loaded anew, or another window, goes on with it. It
// lives as long as Handline does and is on no disk. Its zero value is ready, and anyone may use it at any time.
type Draft struct {
	mu   sync.Mutex
	text string
}

func (a API) draft(w http.ResponseWriter, _ *http.Request) error {
	a.Draft.mu.Lock()
	o := Outgoing{a.Draft.text}
	a.Draft.mu.Unlock()
	answer(w, http.StatusOK, o)
	return nil
}

func (a API) putDraft(w http.ResponseWriter, r *http.Request) error {
	var o Outgoing
	if err := readUpTo(w, r, &o, maxOutgoing); err != nil {
		return err
	}
	a.Draft.mu.Lock()
	a.Draft.text = o.Text
	a.Draft.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Send stores a message for the conversation of the line. It goes out when its turn comes.
func (c *Client) Send(ctx context.Context, text string) (m connection.Message, err error) {
	return m, c.call(ctx, http.MethodPost, "/v1/send", Outgoing{text}, &m)
}

// Outbox is the messages that are not confirmed and the latest that are, in the order of sending.
func (c *Client) Outbox(ctx context.Context) ([]connection.Message, error) {
	var o Outbox
	return o.Messages, c.call(ctx, http.MethodGet, "/v1/outbox", nil, &o)
}

// WatchOutbox gives the outbox at once and then whenever it has changed. It ends with an error: the app's end is
// ErrNotRunning.
func (c *Client) WatchOutbox(ctx context.Context) iter.Seq2[[]connection.Message, error] {
	return func(yield func([]connection.Message, error) bool) {
		for o, err := range follow[Outbox](ctx, c, "/v1/outbox?follow", "outbox") {
			if !yield(o.Messages, err) {
				return
			}
		}
	}
}

// Decide does what a person says about one message.
func (c *Client) Decide(ctx context.Context, id string, verb connection.Verb) error {
	return c.call(ctx, http.MethodPost, outboxPath+id+"/"+string(verb), nil, nil)
}
