package diagnostics_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/diagnostics"
	"handline/persistence"
)

// day tells a day's timeline in lines of "15:04:05 kind status cause".
func day(t *testing.T, lines ...[4]string) (all []persistence.Entry) {
	for _, l := range lines {
		at, err := time.Parse(time.DateTime, "2026-03-"+l[0])
		require.NoError(t, err)
		all = append(all, persistence.Entry{At: at, Kind: l[1], Status: l[2], Cause: l[3]})
	}
	return all
}

func at(t *testing.T, text string) time.Time {
	v, err := time.Parse(time.DateTime, "2026-03-"+text)
	require.NoError(t, err)
	return v
}

func TestADayInFigures(t *testing.T) {
	entries := day(t,
		[4]string{"01 09:00:00", "start"},
		[4]string{"01 09:00:00", "phase", "connecting"},
		[4]string{"01 09:00:10", "phase", "connected"},
		[4]string{"01 10:00:00", "phase", "reconnecting", "reset"}, // 10 s
		[4]string{"01 10:00:10", "phase", "connected"},
		[4]string{"01 11:00:00", "phase", "reconnecting", "timeout"}, // 40 s, of them 30 in error
		[4]string{"01 11:00:10", "phase", "error", "refused"},
		[4]string{"01 11:00:40", "phase", "connected"},
		[4]string{"01 11:30:00", "diagnosis", "", "auth"},
		[4]string{"01 12:00:00", "phase", "disconnected"},
		[4]string{"01 13:00:00", "phase", "connecting"},
		[4]string{"01 13:00:00", "phase", "connected"},
		[4]string{"01 14:00:00", "sleep"},
		[4]string{"01 18:00:00", "phase", "reconnecting", "timeout"}, // written at the wake, before it was noticed: 2 s
		[4]string{"01 18:00:00", "wake"},
		[4]string{"01 18:00:02", "phase", "connected"},
		[4]string{"01 19:00:00", "stop"},
	)
	failed := persistence.Failures{"2026-03-01": {"timeout": 2, "refused": 9}, "2026-03-02": {"refused": 1}}
	days := diagnostics.Days(entries, failed, at(t, "01 23:00:00"))
	require.Len(t, days, 1)
	d := days[0]
	require.Equal(t, "2026-03-01", d.Date)
	require.Equal(t, 3, d.Reconnects)
	require.Equal(t, 10_000, d.MedianBack)
	require.Equal(t, 40_000, d.P95Back)
	// 09:00–12:00, 13:00–14:00 and 18:00–19:00 a line was wanted, and 62 seconds of it there was none.
	require.Equal(t, 5*3600, d.Wanted)
	require.InDelta(t, 1-62.0/(5*3600), d.Connected, 1e-9)
	require.Equal(t, map[string]int{"timeout": 2, "refused": 9}, d.Failed)
	require.Equal(t, "11 tries failed: nothing listening 9, no answer 2", d.Tries)
}

func TestFiguresOfMoreThanADay(t *testing.T) {
	for _, row := range []struct {
		name    string
		entries [][4]string
		want    []diagnostics.Day
	}{
		{"nothing is known", nil, []diagnostics.Day{{Date: "2026-03-03"}}},
		{"a line over midnight", [][4]string{{"01 23:00:00", "phase", "connected"}, {"02 01:00:00", "stop"}}, []diagnostics.Day{
			{Date: "2026-03-01", Wanted: 3600, Connected: 1}, {Date: "2026-03-02", Wanted: 3600, Connected: 1}, {Date: "2026-03-03"}}},
		{"a crash: nobody knows what came after the last entry", [][4]string{
			{"03 08:00:00", "phase", "reconnecting", "reset"}, {"03 09:00:00", "phase", "connected"}, {"03 10:00:00", "start"},
			{"03 10:00:00", "phase", "connecting"}, {"03 10:30:00", "phase", "connected"},
		}, []diagnostics.Day{{Date: "2026-03-03", Wanted: 3 * 3600, Connected: 0.5}}},
		{"a clock that was ahead", [][4]string{{"04 12:00:00", "phase", "connected"}}, []diagnostics.Day{{Date: "2026-03-03"}}},
		{"out of order", [][4]string{{"03 11:00:00", "stop"}, {"03 10:00:00", "phase", "connected"}},
			[]diagnostics.Day{{Date: "2026-03-03", Wanted: 3600, Connected: 1}}},
	} {
		for i := range row.want {
			if row.want[i].Failed == nil {
				row.want[i].Failed = map[string]int{}
			}
		}
		require.Equal(t, row.want, diagnostics.Days(day(t, row.entries...), nil, at(t, "03 12:00:00")), row.name)
	}
}

// A line that holds writes nothing, so its last news may be older than the week that is shown.
func TestALineThatHoldsForWeeks(t *testing.T) {
	stored := day(t, [4]string{"01 12:00:00", "phase", "connected"})
	ring := func(limit int, since time.Time) []persistence.Entry {
		return slices.DeleteFunc(slices.Clone(stored), func(e persistence.Entry) bool { return e.At.Before(since) })
	}
	days := diagnostics.RecentDays(ring, nil, at(t, "20 12:00:00"))
	require.Len(t, days, 7)
	require.Equal(t, diagnostics.Day{Date: "2026-03-14", Wanted: 24 * 3600, Connected: 1, Failed: map[string]int{}}, days[0])
	require.Equal(t, diagnostics.Day{Date: "2026-03-20", Wanted: 12 * 3600, Connected: 1, Failed: map[string]int{}}, days[6])
}
