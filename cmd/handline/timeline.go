package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"handline/diagnostics"
	"handline/persistence"
)

// timeline prints what happened and then what that makes of today. Where the app does not run, its state is read here.
func (c *console) timeline(home *persistence.Home, client *diagnostics.Client, limit int) error {
	entries, err := client.Timeline(c.ctx, limit)
	var days []diagnostics.Day
	if err == nil {
		days, err = client.Stats(c.ctx)
	}
	if errors.Is(err, diagnostics.ErrNotRunning) {
		entries, days, err = storedTimeline(home, limit)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		text := clean(e.Text)
		if e.Kind == "alert" {
			text = "Notification: " + text
		}
		fmt.Fprintln(c.out, e.At.Local().Format("2006-01-02 15:04:05"), text)
	}
	if n := len(days); n > 0 {
		fmt.Fprintln(c.out, "Today: "+figures(days[n-1]))
	}
	return nil
}

// storedTimeline reads the state of an app that does not run. The lock keeps one from starting meanwhile.
func storedTimeline(home *persistence.Home, limit int) ([]persistence.Entry, []diagnostics.Day, error) {
	release, err := home.Lock()
	if err != nil {
		return nil, nil, err
	}
	defer release()
	state, _, err := persistence.OpenState(home.State())
	if err != nil {
		return nil, nil, err
	}
	defer state.Close()
	entries := state.Timeline(limit, time.Time{})
	return entries, diagnostics.RecentDays(state.Timeline, state.Failures(), time.Now()), nil
}

// figures are a day's in words.
func figures(d diagnostics.Day) string {
	if d.Wanted == 0 {
		return "no line was wanted"
	}
	words := []string{fmt.Sprintf("%.1f %% connected", 100*d.Connected)}
	switch d.Reconnects {
	case 0:
		words = append(words, "no reconnects")
	case 1:
		words = append(words, "1 reconnect")
	default:
		words = append(words, fmt.Sprintf("%d reconnects", d.Reconnects))
	}
	if d.Reconnects > 0 {
		back := func(ms int) time.Duration {
			return (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond)
		}
		words = append(words, fmt.Sprintf("back after %s (median), %s (95 of 100)", back(d.MedianBack), back(d.P95Back)))
	}
	if d.Tries != "" {
		words = append(words, d.Tries)
	}
	return strings.Join(words, " · ")
}
