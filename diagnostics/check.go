package diagnostics

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"handline/connection/network"
)

// Outcome is what became of a check.
type Outcome string

const (
	OK         Outcome = "ok"
	Failed     Outcome = "failed"
	NotReached Outcome = "not-reached" // what failed before it explains it
	NotTested  Outcome = "not-tested"  // there is nothing to test, or no way to
)

// Finding is the answer of one check: what was seen, what it means, what to do.
type Finding struct {
	Name    string        `json:"name"` // never renamed: link, proxy, dns, tcp, tls, server, key, upgrade, ready, round-trip
	Title   string        `json:"title"`
	Outcome Outcome       `json:"outcome"`
	Code    network.Cause `json:"code,omitempty"` // of what failed
	Saw     string        `json:"saw"`
	Means   string        `json:"means,omitempty"`
	Advice  string        `json:"advice,omitempty"` // begins with a verb
	Detail  string        `json:"detail,omitempty"` // one short fact for those who run servers
	// Action names the button that does what is advised: set-up, open-settings, open-login, enter-key,
	// choose-conversation, resume, connect. "" = there is none.
	Action string `json:"action,omitempty"`
	Took   int    `json:"took_ms"` // milliseconds, 0 = less than half of one
}

// Check is one named question.
type Check struct {
	Name, Title string
	// After names the checks without which there is nothing to ask: where one of them failed, this one is not reached.
	// What one of them found, Run may read.
	After []string
	Run   func(context.Context, *examination) Finding
}

// Report is what an examination found.
type Report struct {
	At        time.Time   `json:"at"`
	Server    string      `json:"server"`
	OK        bool        `json:"ok"` // nothing failed
	Summary   string      `json:"summary"`
	Headlines [4]Headline `json:"headlines"`
	Findings  []Finding   `json:"findings"`
	Took      int         `json:"took_ms"`
}

// Budget bounds a whole examination: nobody waits longer for an answer that may be "nothing answers".
const Budget = 6 * time.Second

// telling is what is left of the budget for saying what was found.
const telling = 200 * time.Millisecond

// Examine runs all checks of a server ("" = not set up), side by side where they do not depend on each other, and tells
// each finding in the checks' order as soon as those before it are known. It takes at most Budget, ends sooner with ctx,
// and leaves nothing running. each is called on the caller's goroutine; nil = nobody listens.
func Examine(ctx context.Context, server string, d Deps, each func(Finding)) Report {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, Budget-telling)
	defer cancel()
	e := newExamination(server, d)
	checks := e.checks()
	var all sync.WaitGroup
	defer all.Wait()
	for _, c := range checks {
		e.slots[c.Name] = &slot{done: make(chan struct{})}
	}
	scouting, calm := context.WithCancel(ctx)
	defer calm()
	all.Go(func() { e.scout(scouting) })
	for _, c := range checks {
		all.Go(func() { e.run(ctx, c) })
	}
	r := Report{At: begun, Server: server}
	for _, c := range checks {
		f := e.found(c.Name)
		r.Findings = append(r.Findings, f)
		if each != nil {
			each(f)
		}
	}
	r.OK = !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Outcome == Failed })
	r.Headlines = headlines(r.Findings)
	r.Summary = summary(r.Headlines)
	r.Took = milliseconds(time.Since(begun))
	return r
}

// Worst is the first finding that failed; ok is false where none did.
func (r Report) Worst() (f Finding, ok bool) {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Outcome == Failed })
	if i < 0 {
		return Finding{}, false
	}
	return r.Findings[i], true
}

// slot holds a finding once done is closed.
type slot struct {
	done    chan struct{}
	finding Finding
}

// found waits for a check. Every check ends with the examination's ctx, so this does too.
func (e *examination) found(name string) Finding {
	s := e.slots[name]
	<-s.done
	return s.finding
}

// run answers one check.
func (e *examination) run(ctx context.Context, c Check) {
	s := e.slots[c.Name]
	defer close(s.done)
	for _, name := range c.After {
		switch before := e.found(name); before.Outcome {
		case Failed:
			s.finding = notReached(before.Title)
		case NotReached:
			s.finding = before
		default:
			continue
		}
		s.finding.Name, s.finding.Title, s.finding.Took = c.Name, c.Title, 0
		return
	}
	begun := time.Now()
	s.finding = c.Run(ctx, e)
	s.finding.Name, s.finding.Title = c.Name, c.Title
	if s.finding.Outcome != NotReached && s.finding.Outcome != NotTested {
		s.finding.Took = milliseconds(time.Since(begun))
	}
}

// notReached points at the check that explains it.
func notReached(title string) Finding {
	return Finding{Outcome: NotReached, Saw: "Not reached", Means: "What is wrong above explains it: " + title + "."}
}

func fine(saw, means string) Finding { return Finding{Outcome: OK, Saw: saw, Means: means} }

func untested(saw, means, advice string) Finding {
	return Finding{Outcome: NotTested, Saw: saw, Means: means, Advice: advice}
}

func milliseconds(d time.Duration) int { return int(d.Round(time.Millisecond) / time.Millisecond) }

// Headline is one of the four results that spec A 5.3 shows.
type Headline struct {
	Title   string  `json:"title"`
	Outcome Outcome `json:"outcome"`
}

// headlines sums the findings up under spec A's titles, word for word.
func headlines(all []Finding) [4]Headline {
	h := [4]Headline{
		{"Internet Connection", sum(all, "link")},
		{"Server Reachable", sum(all, "proxy", "dns", "tcp", "tls", "server")},
		{"WebSocket Connection", sum(all, "upgrade", "ready")},
		{"Authentication", sum(all, "key")},
	}
	for _, f := range all {
		// Both keep this computer from everything, at whichever stage they are met.
		if f.Outcome == Failed && (f.Code == network.NoNetwork || f.Code == network.Captive) {
			h[0].Outcome = Failed
			if h[1].Outcome == Failed {
				h[1].Outcome = NotReached
			}
		}
	}
	return h
}

// sum is the outcome of several findings: the worst that was seen, and what was not tested does not count.
func sum(all []Finding, names ...string) Outcome {
	seen := map[Outcome]bool{}
	for _, f := range all {
		if slices.Contains(names, f.Name) {
			seen[f.Outcome] = true
		}
	}
	for _, o := range []Outcome{Failed, NotReached, OK} {
		if seen[o] {
			return o
		}
	}
	return NotTested
}

// summary is spec A 5.2's, word for word. What an earlier failure explains is not reached, and so no issue of its own.
func summary(h [4]Headline) string {
	words := [4]string{"No internet connection", "Server is unreachable", "WebSocket connection failed", "Authentication failed"}
	var issues []string
	for i, w := range words {
		if h[i].Outcome == Failed {
			issues = append(issues, w)
		}
	}
	if len(issues) == 0 {
		return "All systems operational"
	}
	return "Issues detected: " + strings.Join(issues, ", ")
}
