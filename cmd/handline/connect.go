package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"handline/connection"
	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

// connectPatience is how long connect and reconnect wait for a line or a reason.
const connectPatience = 15 * time.Second

type connectCmd struct {
	Conversation string            `arg:"" optional:"" help:"Id of the conversation. Without it: the one set up, or the newest that runs."`
	Server       string            `help:"Address of the server, such as http://localhost:3000." placeholder:"URL"`
	Param        map[string]string `help:"Further query parameter of the connection; may be repeated." placeholder:"NAME=VALUE" mapsep:"none"`
	Wake         bool              `help:"Resume the conversation's sandbox where it is asleep."`
	NoWait       bool              `help:"Return at once."`
}

func (k connectCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	server, err := persistence.ParseServer(k.Server)
	if err != nil {
		return usage{text: "--server: " + err.Error()}
	}
	taken, err := client.Connect(c.ctx, diagnostics.Target{Server: server, Conversation: k.Conversation, Params: k.Param, Wake: k.Wake})
	if err != nil || k.NoWait {
		return err
	}
	return c.await(client, func(s connection.Snapshot) bool {
		moved := server != "" && s.Server != server || k.Conversation != "" && bare(s.Conversation) != bare(k.Conversation)
		// A line that was up before is what was asked for; every other end must be news.
		return !moved && (s.Status == connection.Connected || ended(s, taken.At))
	})
}

// bare is a conversation's id without its dashes: an agent-server takes one so, and gives it back with them.
func bare(id string) string { return strings.ToLower(strings.ReplaceAll(id, "-", "")) }

type reconnectCmd struct {
	NoWait bool `help:"Return at once."`
}

func (k reconnectCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	taken, err := client.Reconnect(c.ctx)
	if err != nil || k.NoWait {
		return err
	}
	return c.await(client, func(s connection.Snapshot) bool { return ended(s, taken.At) })
}

// ended says whether a dial asked for at a time has come to its end: a line, a reason, or somebody who hung up. Where
// nothing is set up there is none.
func ended(s connection.Snapshot, at time.Time) bool {
	trying := s.Status == connection.Connecting || s.Status == connection.Reconnecting
	return s.Since.After(at) && !trying || s.Server == ""
}

// await shows what happens until done, at most connectPatience long, then prints the state of the line. What stands in the
// way is told as soon as it is known: the rest of the time is only for it to go away.
func (c *console) await(client *diagnostics.Client, done func(connection.Snapshot) bool) error {
	ctx, stop := context.WithTimeout(c.ctx, connectPatience)
	defer stop()
	var last connection.Snapshot
	var told network.Cause
	for s, err := range client.Watch(ctx) {
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return err
		}
		if last = s; done(s) {
			break
		}
		text := s.Text
		if s.Status == connection.Reconnecting {
			text += " — " + s.Cause.Text // 80 columns hold both: a line that wraps could not be overwritten
		}
		switch {
		case c.tty:
			fmt.Fprintf(c.out, "\r\x1b[K%s %s", c.dot(s), clean(text))
		case s.Status == connection.Reconnecting && s.Cause.Code != told:
			told = s.Cause.Code
			fmt.Fprintf(c.err, "%s. Still trying.\n", clean(s.Cause.Text))
		}
	}
	if c.tty {
		fmt.Fprint(c.out, "\r\x1b[K")
	}
	c.show(last)
	if last.Cause.Code == network.NotSetUp && last.Server != "" {
		c.offer(client)
	}
	return stands(last)
}

// offer lists the conversations there are, where one has to be chosen.
func (c *console) offer(client *diagnostics.Client) {
	list, err := client.Conversations(c.ctx)
	if err != nil {
		return // the line has said what is wrong
	}
	for _, v := range list {
		c.conversation(v)
	}
}

type disconnectCmd struct{}

func (disconnectCmd) Run(c *console) error {
	_, client, err := c.open()
	if err != nil {
		return err
	}
	_, err = client.Disconnect(c.ctx)
	return err
}
