package main

import "handline/persistence"

// remember writes an entry into the timeline. The line's own go through its saver.
func (a *app) remember(e persistence.Entry) {
	if err := a.state.Write(persistence.Batch{Notes: []persistence.Entry{e}}); err != nil {
		a.log.Warn("the timeline misses an entry", "kind", e.Kind, "error", err)
	}
}
