package main

import (
	"encoding/json"
	"fmt"
	"iter"

	"handline/diagnostics"
)

type eventsCmd struct {
	Follow bool    `short:"f" help:"Print what comes from now on, until interrupted."`
	Since  *string `help:"Begin after this cursor of the server's history; with --follow go on with what comes." placeholder:"CURSOR"`
	JSON   bool    `help:"Print each event as one JSON object."`
}

// Run prints the whole history where nothing else was asked for.
func (e eventsCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	for event, err := range e.source(c, client) {
		if e.Follow && c.ctx.Err() != nil {
			return nil // the user has seen enough
		}
		if err != nil {
			return err
		}
		if err := e.print(c, event); err != nil {
			return err
		}
	}
	return nil
}

func (e eventsCmd) source(c *console, client *diagnostics.Client) iter.Seq2[diagnostics.Event, error] {
	if e.Since == nil && e.Follow {
		return client.Follow(c.ctx)
	}
	after := ""
	if e.Since != nil {
		after = *e.Since
	}
	return client.History(c.ctx, after, e.Follow)
}

func (e eventsCmd) print(c *console, event diagnostics.Event) error {
	if e.JSON {
		return json.NewEncoder(c.out).Encode(event)
	}
	if event.Missed > 0 {
		fmt.Fprintf(c.err, "handline: %d events came faster than they were printed\n", event.Missed)
		return nil
	}
	row(c.out, event.Cursor, event.Name, string(event.Body))
	return nil
}

type conversationsCmd struct {
	JSON bool `help:"Print each conversation as one JSON object."`
}

// Run asks through the running app: only it has a key that came by HANDLINE_TOKEN.
func (k conversationsCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	list, err := client.Conversations(c.ctx)
	if err != nil {
		return err
	}
	for _, v := range list {
		if k.JSON {
			if err := json.NewEncoder(c.out).Encode(v); err != nil {
				return err
			}
			continue
		}
		c.conversation(v)
	}
	return nil
}

func (c *console) conversation(v diagnostics.Conversation) {
	row(c.out, v.ID, standingOf(v.Running, v.Asleep), v.Title)
}

// standingOf is what lists say of a conversation; the window's (conversations.js) says the same.
func standingOf(running, asleep bool) string {
	switch {
	case running:
		return "running"
	case asleep:
		return "asleep"
	}
	return ""
}
