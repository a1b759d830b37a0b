package connection

import (
	"net/netip"
	"time"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/persistence"
)

// This file says what the machine is made of: what it may be given, what it may ask for, and all that it remembers.
// step.go and its neighbours decide.

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
	opened struct {
		session uint64
		from    netip.Addr // this machine's end, zero = not known
	}
	ready struct {
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
	missed struct { // a dial that came to nothing
		at    time.Time
		cause network.Cause
	}
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
	anew   bool // where no conversation is named the newest is looked for: it may be another one by now

	session uint64 // the latest one's number
	live    bool   // its news counts

	why        network.Failure // of the current trouble, zero = none
	attempt    int             // failures of this outage, those of silence stop at the maximum
	gaveUp     bool            // the ladder was climbed to its end
	silent     time.Time       // since when nothing answers, zero = something does
	silences   int             // dials in this silence
	outage     time.Time       // since when the line is not up, zero = it is, or was never asked for
	dialled    time.Time       // when the latest dial began
	from       netip.Addr      // where the live session comes from, zero = not known
	readyAt    time.Time
	due        time.Time // of the next dial or look, zero = none
	strikes    int       // failures in a row of a cause that is final at the third
	struck     time.Time // the first of them
	suspects   int       // failures in a row that smell of a captive portal
	portal     network.Portal
	lookedAt   time.Time
	unanswered int                    // looks in a row without an answer, while captive
	peeks      int                    // while captive
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
