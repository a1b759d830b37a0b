package connection

import (
	"time"

	"handline/connection/network"
	"handline/persistence"
)

// mend decides what follows a failure. The rules are (DESIGN's numbers, each in one line below):
//   - what is final stays final until the user or the network changes something;
//   - silence is retried fast, because nobody is there to be stormed;
//   - an answer that refuses or drops climbs the ladder, then a slow lane;
//   - only a line that was stable earns a fresh ladder.
func (t *turn) mend(f network.Failure) {
	switch {
	case t.phase == Online:
		t.hush = t.hush.lost(f, t.now.Sub(t.heard), t.every())
	case f.Cause != network.NotSetUp: // without which nothing was dialled
		t.do(missed{t.now, f.Cause})
	}
	stable := t.phase == Online && t.now.Sub(t.readyAt) >= stableAfter
	if stable {
		t.forgive()
	}
	t.why, t.fresh, t.syncing = f, false, false
	t.pulse = pulse{}
	if t.outage.IsZero() {
		t.outage = t.now
	}
	switch {
	case f.Cause == network.NotSetUp:
		t.phase, t.due, t.outage = Idle, time.Time{}, time.Time{}
		return
	case t.final(f):
		t.phase, t.due = Stuck, time.Time{}
		return
	}
	t.count(f, stable)
	t.phase, t.due, t.kicked = Waiting, t.now.Add(t.delay(f, stable)), false
	t.suspect(f)
}

// final says whether another try is pointless. A cause that is final at its third meeting must be met three times in a
// row within ten minutes.
func (t *turn) final(f network.Failure) bool {
	if f.Verdict != network.Thrice {
		t.strikes = 0
		return f.Verdict == network.Final
	}
	if t.strikes == 0 || t.now.Sub(t.struck) > 10*time.Minute {
		t.strikes, t.struck = 0, t.now
	}
	t.strikes++
	return t.strikes >= 3
}

// count climbs the ladder by one.
func (t *turn) count(f network.Failure, stable bool) {
	if !f.Silent {
		if !t.silent.IsZero() && t.now.Sub(t.silent) > 10*time.Second {
			t.attempt, t.gaveUp = 0, false // somebody answers again: that is progress, not the end of a ladder
		}
		t.silent, t.silences = time.Time{}, 0
	} else if t.silent.IsZero() {
		t.silent = t.now
	}
	switch {
	case f.Cause == network.Asleep:
		t.attempt, t.gaveUp = 1, true // only a click helps; the looks that go on are no attempts
	case f.Silent:
		t.attempt = min(t.attempt+1, t.retry.Attempts)
		t.gaveUp = t.gaveUp || t.now.Sub(t.silent) >= 2*time.Minute
	case f.After > 0 && stable:
		t.attempt = 1 // the server named a time: obeying it is no failed attempt
	default:
		t.attempt++
		t.gaveUp = t.attempt > t.retry.Attempts
	}
}

func (t *turn) delay(f network.Failure, stable bool) time.Duration {
	r, n, c := t.retry, t.attempt, t.chance
	outage := t.now.Sub(t.outage)
	switch {
	case f.After > 0:
		after := min(max(f.After, time.Second), 10*time.Minute)
		return after + time.Duration(float64(after)*0.2*c)
	case stable && f.Silent:
		return time.Duration(c * float64(300*time.Millisecond)) // each line's own pulse noticed: nobody returns together
	case stable:
		return time.Duration(c * float64(2*time.Second)) // a fleet that lost its server together must not return together
	case f.Silent:
		switch age := t.now.Sub(t.silent); {
		case age < 2*time.Minute:
			// A dial that waited was a pause in itself: a second one would only be time in which nobody knocks.
			return max(r.within(n, 2*time.Second, c)-t.spent(), time.Duration(c*float64(300*time.Millisecond)))
		case age < 62*time.Minute:
			return r.within(n, 10*time.Second, c)
		}
		return r.within(n, 30*time.Second, c)
	case t.reach == network.ThisMachine && f.Cause == network.Refused:
		if outage < 2*time.Minute {
			return r.within(n, 2*time.Second, c)
		}
		return r.within(n, 5*time.Second, c)
	case !t.gaveUp || t.reach == network.ThisMachine:
		return r.rung(n, c)
	}
	slow := Retry{Initial: time.Minute, Factor: r.Factor, Max: 5 * time.Minute, Jitter: r.Jitter}
	return slow.rung(n-r.Attempts, c)
}

// spent is how long the dial that has just failed took, 0 = it was no dial.
func (t *turn) spent() time.Duration {
	if t.phase != Dialing {
		return 0
	}
	return t.now.Sub(t.dialled)
}

// suspect asks for a look at the portal after two failures in a row that smell of one. Some portals swallow or refuse what
// they cannot answer, so that smells as well, but a server that is off does the same: it is worth one look, and one more
// on each other network. Portals stand between this machine and the internet, so a server on this machine or its
// own network is never suspected.
func (t *turn) suspect(f network.Failure) {
	mute := f.Silent && f.Cause == network.Timeout || f.Cause == network.Refused
	if !f.Suspect && !mute || t.reach != network.Internet {
		t.suspects = 0
		return
	}
	t.suspects++
	known := t.portal.Verdict == network.LogIn
	if (t.suspects == 2 || t.suspects > 2 && (!mute || known)) && t.now.Sub(t.lookedAt) >= portalRetry {
		t.lookedAt = t.now
		t.do(look{})
	}
}

// peek looks at the portal again. Every five minutes it dials: what answers in place of the probe may be a filter that
// stands in nobody else's way.
func (t *turn) peek() {
	if t.peeks++; t.peeks%30 == 0 {
		t.dial()
		return
	}
	t.due, t.lookedAt = t.now.Add(portalRetry), t.now
	t.do(look{})
}

// looked takes what a look at the portal found.
func (t *turn) looked(p network.Portal) {
	switch {
	case p.Verdict == network.LogIn && (t.phase == Waiting || t.phase == Captive || t.phase == Offline || t.phase == Dialing):
		t.cut()
		if t.phase != Captive {
			t.peeks = 0
		}
		t.phase, t.portal, t.unanswered = Captive, p, 0
		t.why = network.Failure{Cause: network.Captive, Suspect: true}
		t.due = t.now.Add(portalRetry)
	case t.phase != Captive:
	case p.Verdict == network.WayOut:
		t.portal = network.Portal{}
		t.again()
	default:
		// A portal that is gone may leave nothing that answers.
		if t.unanswered++; t.unanswered >= 3 {
			t.unanswered = 0
			t.dial()
		}
	}
}

// again dials soon because the surroundings changed for the better. Everybody in the same office wakes or gets the
// link back in the same instant, hence the spread.
func (t *turn) again() {
	planned, waited := t.due, t.phase == Waiting || t.phase == Offline
	t.forgive()
	t.attempt = 1
	t.kick(time.Duration(t.chance * float64(300*time.Millisecond)))
	if waited && planned.After(t.now) && planned.Before(t.due) { // good news never puts off
		t.kicked, t.due = false, planned
	}
}

// nudge takes a change of the surroundings. It accelerates or doubts, and never gates for good.
func (t *turn) nudge(n Nudge) {
	if n.Woke > 0 { // both ends are kept, so that the day's figures can leave the sleep out
		t.do(note{persistence.Entry{At: t.now.Add(-n.Woke), Kind: "sleep", Text: "The computer fell asleep"}})
		t.do(note{persistence.Entry{At: t.now, Kind: "wake", Text: "The computer woke after " + n.Woke.Round(time.Second).String()}})
	}
	if n.Link {
		t.hush = hush{} // other proxies stand on another path
	}
	if !t.wanted || t.phase == Idle {
		return
	}
	if n.Lid || n.Woke > 0 && !n.Dark {
		t.asleep = false
	}
	lost := n.Link && !n.Route && t.reach != network.ThisMachine
	switch {
	case t.asleep:
		t.due = t.now.Add(offlineRetry) // still asleep, or for a moment not: the line stays down, but never for good
	case t.phase == Stuck:
		if n.Link && n.Route && t.strikes >= 3 {
			t.again() // what answered wrongly three times may have been the network, not the server
		}
	case lost:
		t.cut()
		if t.outage.IsZero() {
			t.outage = t.now
		}
		t.why = network.Failure{Cause: network.NoNetwork, Silent: true}
		t.attempt, t.fresh, t.syncing = max(t.attempt, 1), false, false
		if t.phase != Offline { // what comes and goes must not put the dial off
			t.phase, t.due = Offline, t.now.Add(offlineRetry)
		}
	case t.phase == Online && !n.Dark && (n.Stranded || n.Woke >= longSleep):
		t.cut()
		t.outage = t.now
		if t.why = leftForSleep(); n.Stranded {
			t.why = network.Failure{Cause: network.Reset, Silent: true, Detail: "this computer has another address now"}
		}
		t.again()
	case t.phase == Online:
		if n.Link {
			t.pulse.count = 0 // another path has another round trip; until it is known, the old one is the best guess
		}
		t.pulse = t.pulse.doubt(t.now, t.behind())
		t.do(ping{t.session})
	case n.Dark:
	case t.phase == Captive:
		t.unanswered, t.due = 2, t.now // in another place one look without an answer is enough
		t.tick()
	case (t.phase == Dialing || t.phase == Greeting) && t.kicks[kicksPerMin-1].Add(time.Minute).After(t.now):
		// The one under way is the last for a while: it had better go on.
	case t.phase == Dialing || t.phase == Greeting:
		t.wake = t.waking // the click that may resume a sandbox is still meant
		t.cut()           // begun on a path that may be gone
		t.again()
	default:
		t.again()
	}
}

// tell keeps the time of the status and writes transitions to the timeline.
func (t *turn) tell(before machine) {
	was, is := before.status(), t.status()
	if was == is && before.why.Cause == t.why.Cause && (before.phase == t.phase || t.phase < Offline && before.phase < Offline) {
		return
	}
	if was != is {
		t.since = t.now
	}
	s := t.snapshot()
	s.Queued, s.Undecided = 0, 0 // of the line, not of the messages
	t.do(note{persistence.Entry{
		At: t.now, Kind: "phase", Text: s.Headline(t.now), Phase: s.Phase.String(), Status: string(is),
		Cause: string(t.why.Cause), Server: t.target.Identity(),
	}})
}

// status is the phase as people see it.
func (m machine) status() Status {
	switch m.phase {
	case Online:
		return Connected
	case Captive, Stuck:
		return Error
	case Idle:
		return Disconnected
	}
	switch {
	case m.gaveUp:
		return Error
	case m.fresh:
		return Connecting
	}
	return Reconnecting
}

// snapshot is what the outside may know.
func (m machine) snapshot() Snapshot {
	s := Snapshot{
		Status: m.status(), Phase: m.phase, Server: m.target.Server, Dialect: m.dialect,
		Conversation: m.conversation, Title: m.title, Since: m.since, MaxAttempts: m.retry.Attempts, RetryAt: m.due,
		LastHeard: m.heard, Agent: string(m.agent), LastEventID: m.cursor, Events: m.events,
		Syncing: m.syncing, Wanted: m.wanted, Portal: m.portal.Open,
	}
	if m.why != (network.Failure{}) {
		s.Cause = explain(m.why, m.target.Server)
	}
	s.Queued, s.Undecided = m.outbox.counts(m.target.Identity())
	switch m.phase {
	case Online:
		s.Quality = m.pulse.quality
		s.RTT = int((m.pulse.smoothed + time.Millisecond - 1) / time.Millisecond)
	case Idle:
	default:
		if !m.fresh {
			s.Attempt = min(max(m.attempt, 1), m.retry.Attempts)
		}
	}
	s.Text = s.text()
	return s
}
