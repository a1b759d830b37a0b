package connection

import (
	"cmp"
	"net/netip"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
)

// This file decides; it does no I/O, reads no clock and throws no dice. The rules are:
//   - One goroutine owns the machine and calls step with one input at a time.
//   - Time and chance are arguments; what is to be done comes back as comparable values.
//   - News counts only from the live session: its number must match, and nothing may have ended it. A socket's last
//     words must not move a machine that has already been refused for good.

// turn is one step under way.
type turn struct {
	machine
	moment
	out []effect
}

func (t *turn) do(e effect) { t.out = append(t.out, e) }

// step answers one input with the next machine and what is to be done.
func (m machine) step(at moment, in input) (machine, []effect) {
	t := turn{machine: m, moment: at}
	t.take(in)
	t.mail()
	t.tell(m)
	return t.machine, t.out
}

func (t *turn) take(in input) {
	switch in := in.(type) {
	case tick:
		t.tick()
	case Connect:
		t.want(true)
		if in.Wake && !t.waking && t.phase != Online {
			t.cut() // a dial that may wake nobody is not what was asked for
		}
		if !t.live {
			t.anew = !in.Wake
			t.wake = t.wake || in.Wake
			t.restart()
		}
	case Disconnect:
		t.want(false)
		t.rest()
	case Reconnect:
		t.want(true)
		t.cut()
		if t.why.Cause == network.Gone || t.why.Cause == network.Forbidden && t.phase == Stuck {
			t.anew = true // the line's own would only be refused again
		}
		t.restart()
	case Use:
		t.use(in.Target)
	case Tune:
		t.retry, t.beat = in.Retry.orDefaults(), in.Heartbeat.orDefaults()
	case KeyChanged:
		if t.wanted && t.phase != Online {
			t.cut() // it may have taken the old key along
			t.anew = true
			t.restart()
		}
	case Look:
		if until := t.now.Add(in.For); until.After(t.lookUntil) {
			t.lookUntil = until
		}
	case Nudge:
		t.nudge(in)
	case doze:
		t.doze(in)
	case looked:
		t.looked(in.portal)
	case written, answered, said, checked, Send, Decide:
		t.post(in)
	default:
		t.hear(in)
	}
}

// hear takes news, if it comes from the live session.
func (t *turn) hear(in input) {
	switch in := in.(type) {
	case located:
		if t.hears(in.session) {
			if in.conversation != t.conversation {
				t.title, t.agent, t.cursor = "", wire.AgentUnknown, "" // those were another one's
			}
			t.dialect, t.conversation, t.title = in.dialect, in.conversation, cmp.Or(in.title, t.title)
			t.anew = false
			t.readdress()
			if in.dialect == string(wire.VoiceCode) {
				t.agent = wire.AgentUnknown // it tells what happens, and never what is
			}
			t.learn(in.agent)
		}
	case opened:
		if t.hears(in.session) {
			t.phase, t.from = Greeting, in.from
		}
	case ready:
		if t.hears(in.session) {
			t.online(in.syncing)
		}
	case news:
		if t.hears(in.session) {
			t.heard, t.events, t.syncing = in.heard, in.events, in.syncing
			t.cursor = in.cursor
			t.learn(in.agent)
			t.pulse = t.pulse.hear(in.heard)
		}
	case ponged:
		if t.hears(in.session) {
			t.heard = t.now
			t.pulse = t.pulse.sample(in.rtt).hear(t.now)
		}
	case ended:
		if t.hears(in.session) {
			t.live = false
			t.mend(in.failure)
		}
	}
}

func (t *turn) hears(session uint64) bool { return t.live && t.session == session }

func (t *turn) learn(a wire.Agent) {
	if a != wire.AgentUnknown {
		t.agent = a
	}
}

func (t *turn) want(w bool) {
	if t.wanted != w {
		t.wanted = w
		t.do(intend{w})
	}
}

// cut ends the live session; what it still says is not heard.
func (t *turn) cut() {
	if t.live {
		t.live = false
		t.do(hangUp{t.session})
	}
}

// rest goes back to Idle.
func (t *turn) rest() {
	t.cut()
	t.forgive()
	t.phase, t.due, t.wake, t.syncing = Idle, time.Time{}, false, false
	t.why, t.outage = network.Failure{}, time.Time{}
	if t.target.Server == "" {
		t.why = network.Failure{Cause: network.NotSetUp}
	}
}

// forgive forgets the failures: the user, a wake or another network is a new beginning.
func (t *turn) forgive() {
	t.attempt, t.gaveUp, t.strikes, t.suspects, t.unanswered = 0, false, 0, 0, 0
	t.silent, t.silences = time.Time{}, 0
	t.asleep = false
}

// restart dials because the user said so.
func (t *turn) restart() {
	t.forgive()
	t.fresh, t.outage = true, time.Time{}
	if t.target.Server == "" {
		t.phase, t.why = Idle, network.Failure{Cause: network.NotSetUp}
		return
	}
	t.kick(0)
}

func (t *turn) use(target wire.Target) {
	if target == t.target {
		return
	}
	t.cut()
	t.aim(target)
	t.phase, t.due = Idle, time.Time{}
	t.kicks = [kicksPerMin]time.Time{t.kicks[0]} // nobody has knocked there yet, however often elsewhere
	if t.wanted {
		t.restart()
	}
}

// kick dials after the delay, unless immediate retries came too thick: at most one a second and six a minute, so that
// neither an impatient finger nor a flapping link becomes a storm.
func (t *turn) kick(delay time.Duration) {
	at := t.now.Add(delay)
	if earliest := t.kicks[0].Add(time.Second); at.Before(earliest) {
		at = earliest
	}
	if earliest := t.kicks[kicksPerMin-1].Add(time.Minute); at.Before(earliest) {
		at = earliest
	}
	t.kicked, t.phase, t.due = true, Waiting, at
	if !at.After(t.now) {
		t.dial()
	}
}

func (t *turn) dial() {
	if t.kicked {
		t.kicked = false
		copy(t.kicks[1:], t.kicks[:])
		t.kicks[0] = t.now
	}
	t.session++
	t.live, t.phase, t.due, t.asleep = true, Dialing, time.Time{}, false
	t.dialled = t.now
	t.pulse, t.syncing, t.from = pulse{}, false, netip.Addr{}
	t.outbox.listens = t.outbox.awaits(t.target.Identity())
	d := dial{session: t.session, target: t.target, connect: 10 * time.Second, wake: t.wake, listen: t.outbox.listens}
	if d.target.Conversation == "" && !t.anew {
		d.target.Conversation = t.conversation // a line that breaks comes back to where it was
	}
	if !t.silent.IsZero() {
		// Nobody is there to be stormed: look often and briefly, and every third time long enough for a slow path.
		if t.silences++; t.silences%3 != 0 {
			d.connect = 2 * time.Second
		}
	}
	t.waking, t.wake = t.wake, false
	t.do(d)
}

func (t *turn) online(syncing bool) {
	t.phase, t.readyAt, t.syncing = Online, t.now, syncing
	t.why, t.outage, t.gaveUp, t.fresh = network.Failure{}, time.Time{}, false, false
	t.silent, t.silences, t.suspects, t.portal = time.Time{}, 0, 0, network.Portal{}
	t.heard = t.now
	t.pulse = pulse{heard: t.now}
	t.take(tick{}) // the first ping goes out at once
}

func (t *turn) tick() {
	due := !t.due.IsZero() && !t.now.Before(t.due)
	switch {
	case t.phase == Online:
		p, v := t.pulse.tick(t.now, t.every(), t.pongTime())
		t.pulse = p
		switch v {
		case pingNow:
			t.do(ping{t.session})
		case dead:
			t.cut()
			t.mend(network.Failure{Cause: network.Timeout, Silent: true, Detail: "the line went silent"})
		}
	case due && (t.phase == Waiting || t.phase == Offline):
		t.dial()
	case due && t.phase == Captive:
		t.peek()
	}
}

// pongTime is how long the pong of a ping sent now may take, 0 = as the round trip says.
func (t *turn) pongTime() time.Duration {
	if behind := t.behind(); behind > 0 {
		return behind + max(doubtfulPing, t.pulse.timeout(t.beat.Timeout))
	}
	return t.beat.Timeout
}

// behind is how long a ping may wait for a message that is leaving.
func (t *turn) behind() time.Duration { return max(t.outbox.left().Sub(t.now), 0) }

// every is the time between pings: shorter while someone looks, and then a tenth early, so that a line which dies right
// after a ping is seen dead within Looking and two deadlines, the lateness of timers included.
func (t *turn) every() time.Duration { return t.machine.every(t.now) }

func (m machine) every(now time.Time) time.Duration {
	if now.Before(m.lookUntil) && m.beat.Looking < m.beat.Idle {
		return m.hush.within(m.beat.Looking * 9 / 10)
	}
	return m.hush.within(m.beat.Idle)
}

// wakeAt is when the next tick is due, zero = never. The loop owns the only timer.
func (m machine) wakeAt(now time.Time) time.Time {
	if m.phase != Online {
		return m.due
	}
	at := m.pulse.wake(m.every(now))
	if due := m.outbox.due; !due.IsZero() && due.Before(at) {
		return due
	}
	return at
}
