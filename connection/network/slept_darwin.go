package network

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock_gettime(3): CLOCK_UPTIME_RAW counts like CLOCK_MONOTONIC_RAW, but "does not increment while the system is
// asleep".
func clocks() (going, standing func() time.Duration) {
	return func() time.Duration { return clock(unix.CLOCK_MONOTONIC_RAW) },
		func() time.Duration { return clock(unix.CLOCK_UPTIME_RAW) }
}

func clock(id int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
