package connection

import (
	"time"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// This file decides; it does no I/O, reads no clock and throws no dice. The rules are:
//   - One goroutine owns the machine and calls step with one input at a time.
//   - Time and chance are arguments; what is to be done comes back as comparable values.
//   - News counts only from the live session: its number must match, and nothing may have ended it. A socket's last
//     words must not move a machine that has already been refused for good.

// moment is when a step is taken, and the chance thrown for it, in [0, 1).
type moment struct {
	now    time.Time
	chance float64
}

// input is what a step may be given: a command, a tick, or news.
type input any

type (
	tick    struct{}
	located struct {
		session                      uint64
		dialect, conversation, title string
		agent                        wire.Agent
	}
	opened struct{ session uint64 }
	ready  struct {
		session uint64
		syncing bool
	}
	news struct {
		session uint64
		heard   time.Time
		events  uint64 // applied since the app started
		cursor  string
		agent   wire.Agent // AgentUnknown = not told
		syncing bool
	}
	ponged struct {
		session uint64
		rtt     time.Duration
	}
	ended struct {
		session uint64
		failure network.Failure
	}
	looked struct{ portal network.Portal }
)

// effect is what a step asks the hands to do.
type effect any

type (
	dial struct {
		session uint64
		target  wire.Target
		connect time.Duration // bound of the TCP connect
		wake    bool          // a sleeping sandbox may be resumed
		listen  bool          // what users say must be told from the start
	}
	hangUp struct{ session uint64 }
	ping   struct{ session uint64 }
	look   struct{} // for a captive portal
	settle struct{ stored chan<- error }
	intend struct{ wanted bool }
	note   struct{ entry persistence.Entry }
)

const (
	stableAfter  = 30 * time.Second // ready for this long, a line has earned a fresh ladder
	longSleep    = 25 * time.Second // no server keeps a line through this: redial without asking
	offlineRetry = 30 * time.Second // "stuck offline" is the worst bug of all: dial even then
	portalRetry  = 10 * time.Second
	kicksPerMin  = 6
)

// machine is all connection state. Only step changes it.
type machine struct {
	target wire.Target
	retry  Retry
	beat   Heartbeat
	reach  network.Reach // how far away the server is

	phase  Phase
	wanted bool
	wake   bool // the next dial may resume a sleeping sandbox
	waking bool // the latest one may
	fresh  bool // nothing failed since the user asked: Connecting..., not Reconnecting

	session uint64 // the latest one's number
	live    bool   // its news counts

	why        network.Failure // of the current trouble, zero = none
	attempt    int             // failures of this outage, those of silence stop at the maximum
	gaveUp     bool            // the ladder was climbed to its end
	silent     time.Time       // since when nothing answers, zero = something does
	silences   int             // dials in this silence
	outage     time.Time       // since when the line is not up, zero = it is, or was never asked for
	readyAt    time.Time
	due        time.Time // of the next dial or look, zero = none
	strikes    int       // failures in a row of a cause that is final at the third
	struck     time.Time // the first of them
	suspects   int       // failures in a row that smell of a captive portal
	portal     network.Portal
	lookedAt   time.Time
	unanswered int                    // looks in a row without an answer, while captive
	asleep     bool                   // hung up for a sleep of the machine, and not dialled since
	kicked     bool                   // the next dial is an immediate retry
	kicks      [kicksPerMin]time.Time // when the latest immediate retries were dialled, newest first
	lookUntil  time.Time
	pulse      pulse
	hush       hush

	since                        time.Time // of the status
	dialect, conversation, title string
	agent                        wire.Agent
	cursor                       string
	events                       uint64
	heard                        time.Time
	syncing                      bool

	outbox outbox
}

func newMachine(t wire.Target, r Retry, h Heartbeat, now time.Time) machine {
	m := machine{retry: r.orDefaults(), beat: h.orDefaults(), since: now}
	m.aim(t)
	return m
}

// aim takes a target and forgets what was known of the last one.
func (m *machine) aim(t wire.Target) {
	m.target, m.reach = t, network.ReachOf(t.Server)
	m.dialect, m.conversation, m.title = "", t.Conversation, ""
	m.agent, m.cursor, m.syncing, m.portal = wire.AgentUnknown, "", false, network.Portal{}
	m.why, m.hush = network.Failure{}, hush{}
	if t.Server == "" {
		m.why = network.Failure{Cause: network.NotSetUp}
	}
}

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
		t.wake = t.wake || in.Wake
		if !t.live {
			t.restart()
		}
	case Disconnect:
		t.want(false)
		t.rest()
	case Reconnect:
		t.want(true)
		t.cut()
		t.restart()
	case Use:
		t.use(in.Target)
	case Tune:
		t.retry, t.beat = in.Retry.orDefaults(), in.Heartbeat.orDefaults()
	case KeyChanged:
		if t.wanted && !t.live {
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
			t.dialect, t.conversation, t.title = in.dialect, in.conversation, in.title
			t.learn(in.agent)
		}
	case opened:
		if t.hears(in.session) {
			t.phase = Greeting
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
	t.pulse, t.syncing = pulse{}, false
	t.outbox.listens = t.outbox.awaits(t.target.Identity())
	d := dial{session: t.session, target: t.target, connect: 10 * time.Second, wake: t.wake, listen: t.outbox.listens}
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
		p, v := t.pulse.tick(t.now, t.every(), t.beat.Timeout)
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
