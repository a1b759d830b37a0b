package network

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock_gettime(2): CLOCK_BOOTTIME is CLOCK_MONOTONIC "except that it also includes any time that the system is
// suspended".
func clocks() (going, standing func() time.Duration) {
	return func() time.Duration { return clock(unix.CLOCK_BOOTTIME) },
		func() time.Duration { return clock(unix.CLOCK_MONOTONIC) }
}

func clock(id int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
