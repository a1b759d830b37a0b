package native

import (
	"context"
	"time"
)

// Machine is told what the computer does with itself. The funcs are called one at a time and may be nil.
type Machine struct {
	// Sleeps is called before the computer sleeps, which waits for it: 2 s at most, and its context ends then.
	Sleeps func(context.Context)
	// Wakes is called when it has woken, and somebody is there: not for the moments in which a Mac wakes by itself. It
	// also comes after a sleep that was called off.
	Wakes func()
	// Saves is called when Low Power Mode begins or ends, and at the start if it is on. Only macOS tells.
	Saves func(on bool)
}

// leaveWithin is how long a sleep is held up. logind waits for 5 s by default (InhibitDelayMaxSec) and macOS for 30 s,
// but a lid that was shut should be a computer that sleeps.
const leaveWithin = 2 * time.Second

func (m Machine) sleeps() {
	if m.Sleeps == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	m.Sleeps(ctx)
}

func (m Machine) wakes() {
	if m.Wakes != nil {
		m.Wakes()
	}
}
