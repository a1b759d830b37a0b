package connection

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"handline/connection/network"
)

// This file knows the lid: what is done before the machine sleeps, and how a sleep is noticed after it. What follows a
// wake is decided by nudge.

// doze is the input of FallAsleep. stored hears how the storing went.
type doze struct{ stored chan<- error }

func (doze) command() {}

// FallAsleep hangs up politely because the machine is about to sleep, and stores where the conversations were left.
// Messages that are on their way get flushTime to arrive. The wish stays: the next Nudge that tells of a wake dials, and
// so does half a minute of being awake, should the machine not sleep after all. It returns when all is stored, with what
// could not be, or when ctx ends.
func (m *Manager) FallAsleep(ctx context.Context) error {
	m.Flush(ctx)
	stored := make(chan error, 1)
	if err := m.Do(ctx, doze{stored}); err != nil {
		return err
	}
	select {
	case err := <-stored:
		return err
	case <-m.gone:
		return nil // Run has stored it
	case <-ctx.Done():
		return fmt.Errorf("hanging up before sleep: %w", ctx.Err())
	}
}

// doze hangs up for a sleep. A line that is not up has nothing to say goodbye to; its next dial waits for the wake, too.
func (t *turn) doze(in doze) {
	if t.wanted && t.phase != Idle && t.phase != Stuck {
		if t.live {
			t.cut()
			t.phase, t.fresh, t.syncing, t.pulse = Waiting, false, false, pulse{}
			t.attempt = max(t.attempt, 1)
			t.why = leftForSleep()
		}
		if t.outage.IsZero() {
			t.outage = t.now
		}
		t.asleep, t.due = true, t.now.Add(offlineRetry)
	}
	t.do(settle{in.stored})
}

func leftForSleep() network.Failure {
	return network.Failure{Cause: network.Timeout, Silent: true, Detail: "the line was left for a sleep"}
}

// ticked is the timer's input: a tick, or the news that it comes late because the machine slept.
func (m *Manager) ticked() input {
	if slept := m.slept(); slept > 0 {
		return Nudge{Woke: slept, Dark: m.opt.DarkWakes}
	}
	return tick{}
}

// measured adds to a nudge how long the machine slept before it, and whether it has lost the address that the line comes
// from.
func (m *Manager) measured(in input, from netip.Addr) input {
	n, ok := in.(Nudge)
	if !ok {
		return in
	}
	if m.opt.Slept != nil {
		n.Woke = m.slept()
		n.Dark = n.Woke > 0 && m.opt.DarkWakes && !n.Lid
	}
	if m.opt.Stranded != nil {
		n.Stranded = n.Link && from.IsValid() && m.opt.Stranded(from)
	}
	return n
}

func (m *Manager) slept() time.Duration {
	if m.opt.Slept == nil {
		return 0
	}
	return m.opt.Slept()
}
