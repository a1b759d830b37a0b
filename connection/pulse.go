package connection

import "time"

// Heartbeat is how often the pulse is taken. Zero fields take the defaults.
type Heartbeat struct {
	Idle    time.Duration // 15 s between pings
	Looking time.Duration // 5 s while someone looks
	Timeout time.Duration // of a ping; 0 = max(2 s, 8 × smoothed round trip), at most 10 s
}

func (h Heartbeat) orDefaults() Heartbeat {
	if h.Idle <= 0 {
		h.Idle = 15 * time.Second
	}
	if h.Looking <= 0 {
		h.Looking = 5 * time.Second
	}
	h.Looking = min(h.Looking, h.Idle)
	return h
}

const (
	samples      = 10 // spec A 5.1: "Keep last 10 measurements"
	firstPing    = 10 * time.Second
	doubtfulPing = 3 * time.Second
)

// verdict is what a look at the pulse asks for.
type verdict uint8

const (
	steady verdict = iota
	pingNow
	dead
)

// pulse says when to ping a line, how good it is, and when it is dead. It never reads a clock. Two pings must be missed
// in a row before a line is given up, and any inbound frame is life: one late pong on a crowded train is no reason to
// tear down a line that works.
type pulse struct {
	last     time.Time // when the latest ping went out
	deadline time.Time // of the ping in flight, zero = none
	heard    time.Time // any inbound frame
	missed   bool      // the ping before the one in flight got no answer
	doubted  bool      // the ping in flight was sent in doubt: one miss is enough
	smoothed time.Duration
	ring     [samples]time.Duration
	count    int // of samples ever taken
	quality  Quality
}

// wake is when tick must be called next.
func (p pulse) wake(every time.Duration) time.Time {
	if !p.deadline.IsZero() {
		return p.deadline
	}
	return p.last.Add(every)
}

// tick looks at the pulse: a ping is sent when one is due, and a missed one is judged.
func (p pulse) tick(now time.Time, every, fixed time.Duration) (pulse, verdict) {
	switch {
	case p.deadline.IsZero():
		if now.Before(p.last.Add(every)) {
			return p, steady
		}
	case p.heard.After(p.last):
		p.deadline, p.missed, p.doubted = time.Time{}, false, false
		return p.tick(now, every, fixed)
	case now.Before(p.deadline):
		return p, steady
	case p.missed || p.doubted:
		return p, dead
	default:
		p.missed = true
		if p.quality != Unusable {
			p.quality = Poor
		}
	}
	p.last, p.deadline = now, now.Add(p.timeout(fixed))
	return p, pingNow
}

func (p pulse) timeout(fixed time.Duration) time.Duration {
	switch {
	case fixed > 0:
		return fixed
	case p.count == 0:
		return firstPing
	}
	return min(max(2*time.Second, 8*p.smoothed), 10*time.Second)
}

// doubt pings at once with a short deadline, because something happened that may have killed the line silently.
// A doubt that stands is not put off by the next one: a VPN comes up in several steps. behind is how long the ping waits
// before it goes out.
func (p pulse) doubt(now time.Time, behind time.Duration) pulse {
	by := now.Add(behind + max(doubtfulPing, min(8*p.smoothed, 10*time.Second)))
	if p.doubted && p.deadline.Before(by) {
		return p
	}
	p.last, p.deadline, p.doubted, p.missed = now, by, true, false
	return p
}

// hear notes an inbound frame.
func (p pulse) hear(at time.Time) pulse {
	if at.After(p.heard) {
		p.heard = at
	}
	if p.heard.After(p.last) {
		p.deadline, p.missed, p.doubted = time.Time{}, false, false
	}
	return p
}

// sample takes the round trip of a pong, which answers the ping in flight. The smoothing is RFC 6298 section 2:
// SRTT <- 7/8 SRTT + 1/8 R'.
func (p pulse) sample(rtt time.Duration) pulse {
	p.deadline, p.missed, p.doubted = time.Time{}, false, false
	if p.count == 0 {
		p.smoothed = rtt
	} else {
		p.smoothed += (rtt - p.smoothed) / 8
	}
	p.ring[p.count%samples] = rtt
	p.count++
	p.quality = regrade(p.quality, p.mean())
	return p
}

// mean is the mean of the last ten samples without the largest of them, so that one spike does not flip the grade.
func (p pulse) mean() time.Duration {
	n := min(p.count, samples)
	var sum, most time.Duration
	for _, r := range p.ring[:n] {
		sum, most = sum+r, max(most, r)
	}
	if n < 3 {
		return sum / time.Duration(max(n, 1))
	}
	return (sum - most) / time.Duration(n-1)
}

// The limits are spec A 5.1's, in milliseconds.
func grade(rtt time.Duration) Quality {
	switch ms := rtt.Milliseconds(); {
	case ms < 100:
		return Excellent
	case ms < 300:
		return Good
	case ms < 500:
		return Fair
	case ms < 1000:
		return Poor
	}
	return Unusable
}

// regrade leaves a grade only when the round trip is a tenth past its border, so that a line that lives on a border
// does not flicker.
func regrade(was Quality, rtt time.Duration) Quality {
	next := grade(rtt)
	if was != "" && next != was && (grade(rtt*11/10) == was || grade(rtt*9/10) == was) {
		return was
	}
	return next
}
