// Package persistence keeps what must outlive the app: config file, secrets, state store.
package persistence

import "time"

// Cursor is the place in a conversation: everything up to At was applied.
type Cursor struct {
	At     string   `json:"at"`               // the dialect's own cursor, "" = none
	Recent []string `json:"recent,omitempty"` // ids applied at or near At, newest last: repeats are dropped by them
	// Since is the ids applied after At, while a message in flight holds At in its place: they come again, and are dropped,
	// but for looking whether the message is among them.
	Since []string `json:"since,omitempty"`
}

// Entry is one line of the timeline.
type Entry struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // phase, alert, diagnosis, sleep, wake, start, stop
	// Text is what a person reads; it holds no key and no text of a conversation.
	Text   string `json:"text"`
	Phase  string `json:"phase,omitempty"`
	Status string `json:"status,omitempty"`
	Cause  string `json:"cause,omitempty"`
	Server string `json:"server,omitempty"`
}

// Failures counts the dials that came to nothing: day (2026-03-01, in the zone of its time) → cause → how many.
type Failures map[string]map[string]int

// Add counts n more.
func (f Failures) Add(day, cause string, n int) {
	if f[day] == nil {
		f[day] = make(map[string]int)
	}
	f[day][cause] += n
}

// Merge counts what other has counted.
func (f Failures) Merge(other Failures) {
	for day, causes := range other {
		for cause, n := range causes {
			f.Add(day, cause, n)
		}
	}
}

// Batch is what changed since the last save, written in one transaction.
type Batch struct {
	Identity, Conversation string    // of the cursor
	Cursor                 *Cursor   // nil: unchanged
	Wanted                 *bool     // nil: unchanged
	Notes                  []Entry   // appended in order
	Failures               Failures  // counted to those that are stored
	Put, Drop              []Message // of the outbox: stored as they are now, and removed
}
