package main

import (
	"context"
	"time"

	"handline/persistence"
)

// remember writes an entry into the timeline. The line's own go through its saver.
func (a *app) remember(e persistence.Entry) {
	if err := a.state.Write(persistence.Batch{Notes: []persistence.Entry{e}}); err != nil {
		a.log.Warn("the timeline misses an entry", "kind", e.Kind, "error", err)
	}
}

// nap is a sleep of the machine, as it was noticed.
type nap struct {
	woke   time.Time
	lasted time.Duration
}

// noticing passes a measure of sleep on, and notes what it measured. The line's loop asks it, so nothing is written here.
func (a *app) noticing(measure func() time.Duration) func() time.Duration {
	return func() time.Duration {
		slept := measure()
		if slept > 0 {
			select {
			case a.naps <- nap{time.Now(), slept}:
			default: // nobody writes any more
			}
		}
		return slept
	}
}

// rememberNaps marks both ends of each sleep, so that the day's figures can leave it out.
func (a *app) rememberNaps(ctx context.Context) error {
	for {
		select {
		case n := <-a.naps:
			a.remember(persistence.Entry{At: n.woke.Add(-n.lasted), Kind: "sleep", Text: "The computer fell asleep"})
			a.remember(persistence.Entry{At: n.woke, Kind: "wake", Text: "The computer woke after " + n.lasted.Round(time.Second).String()})
		case <-ctx.Done():
			return nil
		}
	}
}
