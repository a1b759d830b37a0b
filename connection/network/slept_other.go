//go:build !linux && !darwin

package network

import "time"

// clocks sets the wall clock against Go's monotonic one: setting the time forward looks like sleep here.
func clocks() (going, standing func() time.Duration) {
	start := time.Now()
	return func() time.Duration { return time.Now().Round(0).Sub(start.Round(0)) }, func() time.Duration { return time.Since(start) }
}
