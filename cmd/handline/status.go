package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"handline/connection"
	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

type statusCmd struct {
	JSON  bool `help:"Print the snapshot, with today's figures, as one JSON object."`
	Watch bool `short:"w" help:"Go on, with a line for each change."`
}

func (s statusCmd) Run(c *console) error {
	home, client, err := c.open()
	if err != nil {
		return err
	}
	if s.Watch {
		return s.watch(c, client)
	}
	st, err := client.Status(c.ctx)
	if errors.Is(err, diagnostics.ErrNotRunning) && !s.JSON {
		c.notRunning(home)
		return standing(exitNotRunning)
	}
	if err != nil {
		return err
	}
	if !s.JSON {
		c.show(st.Snapshot)
		return stands(st.Snapshot)
	}
	days, err := client.Stats(c.ctx)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(c.out).Encode(withToday{st.Snapshot, days[len(days)-1]}); err != nil {
		return err
	}
	return stands(st.Snapshot)
}

// withToday is the snapshot, and beside its fields the day's figures.
type withToday struct {
	connection.Snapshot
	Today diagnostics.Day `json:"today"`
}

// watch prints a line whenever something changed that a person or a script acts on, until the app or the user ends it.
func (s statusCmd) watch(c *console, client *diagnostics.Client) error {
	var last change
	for snap, err := range client.Watch(c.ctx) {
		if c.ctx.Err() != nil {
			return nil // the user has seen enough
		}
		if err != nil {
			return err
		}
		if changeOf(snap) == last {
			continue
		}
		last = changeOf(snap)
		if s.JSON {
			if err := json.NewEncoder(c.out).Encode(snap); err != nil {
				return err
			}
			continue
		}
		now := time.Now()
		c.line(now.Format("15:04:05 ")+c.dot(snap), snap.Headline(now))
	}
	return nil
}

// change is what makes a snapshot worth another line; counters and round trips move all the time.
type change struct {
	status  connection.Status
	phase   connection.Phase
	cause   network.Cause
	attempt int
	quality connection.Quality
	agent   string
}

func changeOf(s connection.Snapshot) change {
	return change{s.Status, s.Phase, s.Cause.Code, s.Attempt, s.Quality, s.Agent}
}

// stands turns the state of the line into an exit code.
func stands(s connection.Snapshot) error {
	switch {
	case s.Status == connection.Connected:
		return nil
	case s.Status == connection.Error && s.Cause.Code == network.Auth:
		return standing(exitAuth)
	}
	return standing(exitNotConnected)
}

// show prints the dot, the headline and two lines of detail.
func (c *console) show(s connection.Snapshot) {
	now := time.Now()
	c.tell(c.dot(s), "", s.Headline(now))
	for _, d := range details(s, now) {
		if d != "" {
			c.tell(" ", "", d)
		}
	}
}

// notRunning is what status says of a home where nothing runs.
func (c *console) notRunning(home *persistence.Home) {
	c.line(c.paint("90", "●"), "Handline is not running")
	if v, err := persistence.ReadConfig(home.Config()); err == nil && v.Server != "" {
		c.tell(" ", "", "Set up for "+place(v.Server, v.Conversation, ""))
	}
	c.line(" ", "Start it with: handline run")
}

// line prints a mark and a text, cut to the terminal's width.
func (c *console) line(mark, text string) {
	text = clean(text)
	// The last column stays free: some terminals wrap when it is written.
	room := c.width() - columns(mark) - 2
	if r := []rune(text); c.tty && room > 1 && len(r) > room {
		text = string(r[:room-1]) + "…"
	}
	fmt.Fprintf(c.out, "%s %s\n", mark, text)
}

// tell prints a mark and, after what heads it, a text. What does not fit a terminal's line goes on under the text's
// beginning: advice that is cut helps nobody.
func (c *console) tell(mark, head, text string) {
	text = clean(text)
	lines := []string{text}
	if w := c.width(); w > 0 {
		lines = folded(text, max(w-columns(mark)-2-utf8.RuneCountInString(head), 16))
	}
	blank := strings.Repeat(" ", utf8.RuneCountInString(head))
	for _, l := range lines {
		fmt.Fprintf(c.out, "%s %s%s\n", mark, head, l)
		mark, head = strings.Repeat(" ", columns(mark)), blank
	}
}

// folded breaks a text between words into lines of at most so many columns. A longer word has a line of its own.
func folded(text string, room int) (lines []string) {
	for _, word := range strings.Fields(text) {
		n := len(lines)
		if n > 0 && utf8.RuneCountInString(lines[n-1]+" "+word) <= room {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// columns is how wide a mark is; what colours it takes no room.
func columns(mark string) int {
	if _, colored, ok := strings.Cut(mark, "\x1b["); ok {
		before, _, _ := strings.Cut(mark, "\x1b[")
		_, rest, _ := strings.Cut(colored, "m")
		inside, _, _ := strings.Cut(rest, "\x1b[")
		return utf8.RuneCountInString(before + inside)
	}
	return utf8.RuneCountInString(mark)
}

// dot is the state's one coloured sign. The words beside it say the same, so nobody depends on the colour.
func (c *console) dot(s connection.Snapshot) string {
	color := map[connection.Status]string{
		connection.Connected:    "32", // green
		connection.Connecting:   "33", // yellow
		connection.Reconnecting: "33",
		connection.Error:        "31", // red
	}[s.Status]
	if color == "" {
		color = "90" // grey
	}
	return c.paint(color, "●")
}

func (c *console) paint(color, text string) string {
	if !c.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// details are the two lines under the headline: in trouble what it means and what to do, otherwise where the line
// leads and since when.
func details(s connection.Snapshot, now time.Time) [2]string {
	trouble := s.Status == connection.Error || s.Status == connection.Reconnecting
	where := place(s.Server, s.Conversation, s.Title)
	switch {
	case s.Cause.Code == network.NotSetUp, trouble && s.Cause.Code != "":
		return [2]string{s.Cause.Means, byHand(s.Cause.Code, s.Server != "", s.Cause.Advice)}
	case s.Status == connection.Disconnected:
		return [2]string{where, "Connect with: handline connect"}
	case s.Status == connection.Connected && s.Events > 0:
		return [2]string{where, fmt.Sprintf("%s · %d events", since(s.Since, now), s.Events)}
	}
	return [2]string{where, since(s.Since, now)}
}

// byHand is what to do about a cause where it is typed and not clicked.
func byHand(code network.Cause, setUp bool, advice string) string {
	switch {
	case code == network.NotSetUp && !setUp:
		return "Set it up with: handline connect --server URL"
	case code == network.NotSetUp:
		return "Choose one of: handline conversations"
	case code == network.Auth:
		return "Enter a new key with: handline login"
	case code == network.Asleep:
		return "Resume it with: handline connect --wake"
	}
	return advice
}

// place is "localhost:3000 · Fix the flaky test".
func place(server, conversation, title string) string {
	host := server
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		host = u.Host + u.Path
	}
	if title == "" {
		title = conversation
	}
	if title == "" {
		return host
	}
	return host + " · " + title
}

// since is "since 14:02", with the date where that was not today.
func since(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(now.Location())
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return "since " + t.Format("2 January 15:04")
	}
	return "since " + t.Format("15:04")
}

// row prints tab-separated columns for scripts and people alike.
func row(w io.Writer, columns ...string) {
	for i := range columns {
		columns[i] = clean(columns[i])
	}
	fmt.Fprintln(w, strings.Join(columns, "\t"))
}
