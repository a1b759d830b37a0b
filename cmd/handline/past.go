package main

import (
	"context"

	"handline/persistence"
)

// remember writes an entry into the timeline. The line's own go through its saver.
func (a *app) remember(e persistence.Entry) {
	if err := a.state.Write(persistence.Batch{Notes: []persistence.Entry{e}}); err != nil {
		a.log.Warn("the timeline misses an entry", "kind", e.Kind, "error", err)
	}
}

// rememberAll does so for those who must not wait for the disk, until ctx ends.
func (a *app) rememberAll(ctx context.Context, all <-chan persistence.Entry) {
	for {
		select {
		case e := <-all:
			a.remember(e)
		case <-ctx.Done():
			return
		}
	}
}
