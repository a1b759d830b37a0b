package connection

import (
	"math"
	"time"
)

// Retry is the ladder of spec A 3.1. Zero fields take the defaults.
type Retry struct {
	Initial  time.Duration // 1 s
	Factor   float64       // 1.5
	Max      time.Duration // 30 s
	Attempts int           // 10
	Jitter   float64       // 0.3: ±30 %; negative = none
}

func (r Retry) orDefaults() Retry {
	if r.Initial <= 0 {
		r.Initial = time.Second
	}
	if r.Factor < 1 {
		r.Factor = 1.5
	}
	if r.Max <= 0 {
		r.Max = 30 * time.Second
	}
	if r.Attempts <= 0 {
		r.Attempts = 10
	}
	if r.Jitter == 0 {
		r.Jitter = 0.3
	}
	r.Jitter = min(max(r.Jitter, 0), 0.9)
	return r
}

// rung is the delay before the nth retry (n from 1), chance in [0, 1).
//
// The cap comes before the jitter: jitter that is clamped away puts every client of a fleet into the same instant once
// they all reached the cap, which is the storm that jitter is there to prevent.
func (r Retry) rung(n int, chance float64) time.Duration {
	grown := float64(r.Initial) * math.Pow(r.Factor, float64(max(n, 1)-1))
	return r.spread(time.Duration(min(grown, float64(r.Max))), chance)
}

// spread is d ± Jitter.
func (r Retry) spread(d time.Duration, chance float64) time.Duration {
	return time.Duration(float64(d) * (1 - r.Jitter + 2*r.Jitter*chance))
}

// within is the nth rung, except that it never exceeds most, jitter included.
func (r Retry) within(n int, most time.Duration, chance float64) time.Duration {
	r.Max = min(r.Max, time.Duration(float64(most)/(1+r.Jitter)))
	return r.rung(n, chance)
}
