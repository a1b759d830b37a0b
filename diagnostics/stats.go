package diagnostics

import (
	"math"
	"slices"
	"time"

	"handline/connection"
	"handline/persistence"
)

// What the figures are made of: as much of the timeline as it keeps, and a week of it.
const (
	statsDays    = 7
	statsEntries = 5000
)

// Day is one day's figures. Time in which the machine slept or Handline did not run is nobody's.
type Day struct {
	Date string `json:"date"` // 2026-03-01, in the zone that was asked for
	// Wanted is how long a line was wanted, in seconds, and Connected the share of it in which it was up, 0 to 1.
	Wanted    int     `json:"wanted_s"`
	Connected float64 `json:"connected"`
	// Reconnects counts how often a lost line came back, and the times say how long that took, in milliseconds.
	Reconnects int `json:"reconnects"`
	MedianBack int `json:"median_back_ms"`
	P95Back    int `json:"p95_back_ms"`
	// Failed counts the dials that came to nothing, by cause, and Tries says it in words, "" = none did.
	Failed map[string]int `json:"failed_dials"`
	Tries  string         `json:"failed_words,omitempty"`
}

// Days works out the figures of each day that the entries and the failures tell of, oldest first, with now's day last.
// What was the case at the last entry is taken to hold until now.
func Days(entries []persistence.Entry, failed persistence.Failures, now time.Time) []Day {
	entries = slices.Clone(entries)
	// The saver and others write at the same time, so neighbours may have changed places.
	slices.SortStableFunc(entries, func(a, b persistence.Entry) int { return a.At.Compare(b.At) })
	t := tally{zone: now.Location(), days: map[string]*sums{}}
	for _, e := range entries {
		if e.At.After(now) {
			break // a clock was set back
		}
		if e.Kind == "start" {
			t.forget() // where no stop came before it, nobody knows how long Handline still ran
		}
		t.pass(e.At)
		t.read(e)
	}
	t.pass(now)
	t.day(now)
	for date, causes := range failed {
		if date <= now.Format(time.DateOnly) {
			t.on(date).failed = causes
		}
	}
	return t.result()
}

// tally walks through a timeline.
type tally struct {
	zone   *time.Location
	days   map[string]*sums
	at     time.Time
	status connection.Status // "" = not known, as before the first entry and while Handline did not run
	asleep bool
	out    bool          // the line was lost and is wanted
	away   time.Duration // since it was lost, but for sleep
}

type sums struct {
	wanted, connected time.Duration
	back              []time.Duration
	failed            map[string]int
}

func (t *tally) day(at time.Time) *sums { return t.on(at.In(t.zone).Format(time.DateOnly)) }

func (t *tally) on(date string) *sums {
	if t.days[date] == nil {
		t.days[date] = &sums{failed: map[string]int{}}
	}
	return t.days[date]
}

// pass lets the time up to at go by, day by day.
func (t *tally) pass(at time.Time) {
	for t.at.Before(at) {
		y, m, d := t.at.In(t.zone).Date()
		end := time.Date(y, m, d+1, 0, 0, 0, 0, t.zone)
		if end.After(at) {
			end = at
		}
		span := end.Sub(t.at)
		counts := t.status != "" && t.status != connection.Disconnected && !t.asleep
		if counts {
			t.day(t.at).wanted += span
			if t.status == connection.Connected {
				t.day(t.at).connected += span
			}
		}
		if counts && t.out {
			t.away += span
		}
		if t.status == "" {
			end = at // nothing is known, so there is no need to walk through years of it
		}
		t.at = end
	}
}

func (t *tally) forget() { t.status, t.asleep, t.out = "", false, false }

func (t *tally) read(e persistence.Entry) {
	switch e.Kind {
	case "stop":
		t.forget()
	case "sleep":
		t.asleep = true
	case "wake":
		t.asleep = false
	case "phase":
		t.turn(connection.Status(e.Status), e)
	}
}

// turn is a change of the line.
func (t *tally) turn(to connection.Status, e persistence.Entry) {
	switch {
	case to == connection.Disconnected:
		t.out = false
	case to == connection.Connected && t.out:
		d := t.day(e.At)
		d.back = append(d.back, t.away)
		t.out = false
	case to != connection.Connected && t.status == connection.Connected:
		t.out, t.away = true, 0
	}
	t.status = to
}

func (t *tally) result() []Day {
	var out []Day
	for date, s := range t.days {
		slices.Sort(s.back)
		d := Day{Date: date, Wanted: int(s.wanted.Round(time.Second) / time.Second), Reconnects: len(s.back), Failed: s.failed, Tries: tries(s.failed),
			MedianBack: milliseconds(rank(s.back, 0.5)), P95Back: milliseconds(rank(s.back, 0.95))}
		if s.wanted > 0 {
			d.Connected = float64(s.connected) / float64(s.wanted)
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Day) int {
		if a.Date < b.Date {
			return -1
		}
		return 1
	})
	return out
}

// rank is the nearest-rank percentile of sorted durations: a time that was really met. 0 where there are none.
func rank(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(math.Ceil(share*float64(len(sorted))))-1]
}
