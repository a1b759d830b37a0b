package connection

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestGradesAreSpecA(t *testing.T) {
	for _, c := range []struct {
		rtt  time.Duration
		want Quality
	}{{0, Excellent}, {ms(99), Excellent}, {ms(100), Good}, {ms(299), Good}, {ms(300), Fair}, {ms(499), Fair}, {ms(500), Poor},
		{ms(999), Poor}, {time.Second, Unusable}, {time.Minute, Unusable}} {
		require.Equal(t, c.want, grade(c.rtt), c.rtt)
	}
}

func TestOneSpikeDoesNotFlipTheGrade(t *testing.T) {
	var p pulse
	for range 10 {
		p = p.sample(ms(50))
	}
	require.Equal(t, Excellent, p.sample(ms(3000)).quality)
	for range 4 {
		p = p.sample(ms(1200))
	}
	require.Equal(t, Fair, p.quality, "several are a trend")
}

func TestALineOnABorderDoesNotFlicker(t *testing.T) {
	var p pulse
	changes, was := 0, Quality("")
	for i := range 100 {
		p = p.sample(ms(96 + i%9))
		if p.quality != was {
			changes, was = changes+1, p.quality
		}
	}
	require.Equal(t, 1, changes)
}

func TestDeadlinesFollowTheRoundTrip(t *testing.T) {
	var p pulse
	require.Equal(t, 10*time.Second, p.timeout(0), "before the first sample")
	require.Equal(t, 2*time.Second, p.sample(ms(20)).timeout(0))
	require.Equal(t, 4*time.Second, p.sample(ms(500)).timeout(0))
	require.Equal(t, 10*time.Second, p.sample(ms(3000)).timeout(0))
	require.Equal(t, 7*time.Second, p.sample(ms(3000)).timeout(7*time.Second), "a fixed one is obeyed")
}

// A line whose round trip jumps from 20 ms to a second or three, and stays there, is slow and not dead.
func TestALateLineIsNeverGivenUp(t *testing.T) {
	for _, late := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
		p, now := pulse{}.sample(ms(20)), morning
		p.last = now
		var pongs []time.Time
		for end := now.Add(10 * time.Minute); now.Before(end); now = now.Add(ms(50)) {
			for len(pongs) > 0 && !pongs[0].After(now) {
				p, pongs = p.sample(late).hear(now), pongs[1:]
			}
			var v verdict
			if p, v = p.tick(now, 5*time.Second, 0); v == pingNow {
				pongs = append(pongs, now.Add(late))
			}
			require.NotEqual(t, dead, v, "late by %v, after %v", late, now.Sub(morning))
		}
	}
}

func TestJitterSurvivesTheCap(t *testing.T) {
	r := Retry{}.orDefaults()
	for n := 1; n < 40; n++ {
		low, high := r.rung(n, 0), r.rung(n, 0.999999)
		require.InDelta(t, 0.7/1.3, float64(low)/float64(high), 0.001, "rung %d", n)
		require.LessOrEqual(t, high, 39*time.Second)
	}
	require.LessOrEqual(t, r.within(30, 2*time.Second, 0.999999), 2*time.Second)
	require.Equal(t, 30*time.Second, Retry{Jitter: -1}.orDefaults().rung(99, 0.9), "no jitter, and no overflow")
	patient := Retry{Initial: time.Second, Factor: 2, Max: 30 * time.Second, Jitter: 0.25, Attempts: 20} // spec B 1
	require.Equal(t, 37500*time.Millisecond, patient.rung(20, 1))
}
