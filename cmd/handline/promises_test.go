package main

import (
	"os"
	"time"
)

// patience is how long a test waits for what takes a moment. It asserts nothing, so it is ample for a machine that is slow
// and does other things too.
const patience = 30 * time.Second

// promised is the most that something may take which is promised to take at most d. The long series, on a machine that
// does nothing else, hold it to the letter. Everywhere else a machine may be half as fast and busy besides, and only what
// is broken breaks it.
func promised(d time.Duration) time.Duration {
	if soaks() {
		return d
	}
	return 2*d + time.Second
}

// soaks says whether the long series run: HANDLINE_SOAK=1, as `make soak` sets it.
func soaks() bool { return os.Getenv("HANDLINE_SOAK") == "1" }
