package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"handline/connection"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
)

// sendPatience is how long send waits for a message to be confirmed.
const sendPatience = 15 * time.Second

type sendCmd struct {
	Text   string `arg:"" help:"What to say; - reads it from the standard input."`
	NoWait bool   `help:"Return when it is stored."`
}

// Run stores the message and tells what becomes of it. A line that is down is no failure: the message goes out later.
func (k sendCmd) Run(c *console) error {
	text, err := k.text(c.in)
	if err != nil {
		return err
	}
	if !utf8.ValidString(text) {
		return connection.ErrNotText // JSON would carry other characters instead
	}
	_, client, err := c.open()
	if err != nil {
		return err
	}
	m, err := client.Send(c.ctx, text)
	if err != nil {
		return err
	}
	if st, err := client.Status(c.ctx); err != nil || st.Snapshot.Status != connection.Connected {
		fmt.Fprintln(c.out, became(m, false))
		return nil
	}
	if k.NoWait {
		fmt.Fprintln(c.out, became(m, true))
		return nil
	}
	return c.follow(client, m)
}

// text is what is to be said. The line end that echo adds to its output is no part of it.
func (k sendCmd) text(in io.Reader) (string, error) {
	if k.Text != "-" {
		return k.Text, nil
	}
	b, err := io.ReadAll(io.LimitReader(in, persistence.MostTextBytes+2))
	if err != nil {
		return "", fmt.Errorf("reading the standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// follow waits until it is known what became of a message, and says it.
func (c *console) follow(client *diagnostics.Client, m connection.Message) error {
	ctx, stop := context.WithTimeout(c.ctx, sendPatience)
	defer stop()
	for all, err := range client.WatchOutbox(ctx) {
		if err != nil {
			break // it is stored, whatever became of the app, or of our patience
		}
		// The list may be older than the message; one that was there and is gone was discarded.
		i := slices.IndexFunc(all, func(o connection.Message) bool { return o.ID == m.ID })
		if i < 0 {
			continue
		}
		if m = all[i]; !slices.Contains([]string{connection.Queued, connection.Sending, connection.Accepted}, m.State) {
			break
		}
	}
	fmt.Fprintln(c.out, outcome(m))
	if m.State == connection.Failed || m.State == connection.Unknown {
		return standing(exitFailed)
	}
	return nil
}

// outcome says what became of a message, and what to do where that is the reader's.
func outcome(m connection.Message) string {
	said := became(m, true)
	switch m.State {
	case connection.Sending, connection.Accepted:
		return said + " See: handline outbox"
	case connection.Failed, connection.Held, connection.Unknown:
		return said + " Decide with: handline outbox " + string(m.Verbs[0]) + " " + m.ID
	}
	return said
}

// became is a message's state and what that means; a reason that is known says it better. The window says the same.
func became(m connection.Message, connected bool) string {
	means := clean(m.Why)
	if means == "" {
		means = map[string]string{
			connection.Queued:    "It will be sent when the line returns.",
			connection.Sending:   "It is on its way.",
			connection.Accepted:  "The server has taken it and has not shown it yet.",
			connection.Confirmed: "It is in the conversation.",
			connection.Failed:    "The server did not take it.",
			connection.Held:      "It waited for more than an hour.",
			connection.Unknown:   "It may have arrived.",
		}[m.State]
		if m.State == connection.Queued && connected {
			means = "It goes out when its turn comes."
		}
	}
	return strings.ToUpper(m.State[:1]) + m.State[1:] + ". " + means
}

type outboxCmd struct {
	List    outboxListCmd    `cmd:"" default:"withargs" help:"List the messages that are not confirmed."`
	Retry   outboxRetryCmd   `cmd:"" help:"Send a message again that failed, or that may have arrived."`
	Send    outboxSendCmd    `cmd:"" help:"Send a message that was held because it had waited for more than an hour."`
	Discard outboxDiscardCmd `cmd:"" help:"Give a message up."`
	Check   outboxCheckCmd   `cmd:"" help:"Look whether a message has arrived."`
}

type outboxListCmd struct {
	JSON bool `help:"Print each message as one JSON object, the latest confirmed ones too."`
}

func (k outboxListCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	all, err := client.Outbox(c.ctx)
	if err != nil {
		return err
	}
	st, err := client.Status(c.ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if k.JSON {
			if err := json.NewEncoder(c.out).Encode(m); err != nil {
				return err
			}
			continue
		}
		if m.State != connection.Confirmed {
			row(c.out, m.ID, m.State, m.At.Local().Format("2006-01-02 15:04"), firstLine(m.Text), remark(m, st.Snapshot))
		}
	}
	return nil
}

// remark is why a message is in its state, and where it belongs if the line is elsewhere. The window says the same.
func remark(m connection.Message, s connection.Snapshot) string {
	if m.Identity == (wire.Target{Server: s.Server}).Identity() && m.Conversation == s.Conversation {
		return m.Why
	}
	to := cmp.Or(m.Conversation, m.Identity)
	return strings.TrimSpace(m.Why + " For " + to + ".")
}

// firstLine is the beginning of a text, for a list.
func firstLine(text string) string {
	line, _, more := strings.Cut(strings.TrimSpace(text), "\n")
	r := []rune(line)
	if len(r) > 60 {
		r, more = r[:60], true
	}
	if more {
		return string(r) + "…"
	}
	return string(r)
}

// message names one message of the outbox.
type message struct {
	ID string `arg:"" help:"The message, as the list names it; its last digits are enough."`
}

type (
	outboxRetryCmd   struct{ message }
	outboxSendCmd    struct{ message }
	outboxDiscardCmd struct{ message }
	outboxCheckCmd   struct{ message }
)

func (k outboxRetryCmd) Run(c *console) error   { return k.decide(c, connection.VerbRetry) }
func (k outboxSendCmd) Run(c *console) error    { return k.decide(c, connection.VerbSend) }
func (k outboxDiscardCmd) Run(c *console) error { return k.decide(c, connection.VerbDiscard) }
func (k outboxCheckCmd) Run(c *console) error   { return k.decide(c, connection.VerbCheck) }

func (k message) decide(c *console, verb connection.Verb) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	all, err := client.Outbox(c.ctx)
	if err != nil {
		return err
	}
	var found []string
	for _, m := range all {
		if m.ID == k.ID || strings.HasSuffix(m.ID, k.ID) && m.State != connection.Confirmed {
			found = append(found, m.ID)
		}
	}
	switch len(found) {
	case 0:
		return errors.New("there is no such message in the outbox")
	case 1:
		return client.Decide(c.ctx, found[0], verb)
	}
	return usage{fmt.Sprintf("%d messages end with %s", len(found), k.ID), "Give more of its digits."}
}
