package network

import "time"

// Sleep measures how long the machine slept, by two clocks of which one stands still in sleep. Unlike a jump of the
// wall clock, their difference does not change when somebody sets the time. One goroutine uses it.
type Sleep struct {
	// Going runs on in sleep, Standing does not. Each counts from a fixed moment of its own.
	Going, Standing func() time.Duration
	gap             time.Duration
}

// NewSleep starts to measure by the system's clocks.
func NewSleep() *Sleep {
	s := &Sleep{}
	s.Going, s.Standing = clocks()
	s.Since()
	return s
}

// Since is how long the machine slept since the last call. Under 3 s it is 0: the clocks are not read at one moment,
// and a nap that short harms no connection.
func (s *Sleep) Since() time.Duration {
	gap := s.Going() - s.Standing()
	slept := gap - s.gap
	s.gap = gap
	if slept < 3*time.Second {
		return 0
	}
	return slept
}
