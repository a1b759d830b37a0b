package diagnostics

import (
	"context"
	"sync"

	"handline/persistence"
)

// Rounds lets one examination run at a time. Who comes while one runs joins it and is told everything from its
// beginning; with the last listener the examination ends too.
type Rounds struct {
	examine func(ctx context.Context, each func(Finding)) Report
	note    func(persistence.Entry)

	mu     sync.Mutex
	now    *round        // nil: none runs
	before chan struct{} // closed when the latest round has ended: the next one waits for it
	last   *Report
}

// round is one examination and who listens. Rounds.mu guards it.
type round struct {
	listeners int
	findings  []Finding
	report    *Report
	grown     chan struct{} // closed and replaced at each news
	stop      context.CancelFunc
	ended     chan struct{}
}

// NewRounds makes Rounds of an examination. note writes an entry into the timeline after each that was heard to its end.
func NewRounds(examine func(context.Context, func(Finding)) Report, note func(persistence.Entry)) *Rounds {
	before := make(chan struct{})
	close(before)
	return &Rounds{examine: examine, note: note, before: before}
}

// Join runs an examination, or joins the one that runs. Its error is ctx's, or each's.
func (r *Rounds) Join(ctx context.Context, each func(Finding) error) (Report, error) {
	n := r.enter()
	defer r.leave(n)
	for told := 0; ; {
		r.mu.Lock()
		news, report, grown := n.findings[told:], n.report, n.grown
		r.mu.Unlock()
		for _, f := range news {
			if err := each(f); err != nil {
				return Report{}, err
			}
		}
		told += len(news)
		if report != nil {
			return *report, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return Report{}, ctx.Err()
		}
	}
}

// Last is the latest whole report, nil where there is none.
func (r *Rounds) Last() *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *Rounds) enter() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		ctx, stop := context.WithCancel(context.Background())
		n := &round{grown: make(chan struct{}), stop: stop, ended: make(chan struct{})}
		before := r.before
		r.now, r.before = n, n.ended
		go func() { // waited for by whoever leaves last
			defer close(n.ended)
			<-before
			r.run(ctx, n)
		}()
	}
	r.now.listeners++
	return r.now
}

func (r *Rounds) run(ctx context.Context, n *round) {
	grow := func(change func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		change()
		close(n.grown)
		n.grown = make(chan struct{})
	}
	report := r.examine(ctx, func(f Finding) { grow(func() { n.findings = append(n.findings, f) }) })
	if ctx.Err() != nil {
		return // nobody heard it to its end, and what was cut short says nothing
	}
	r.note(entry(report))
	grow(func() {
		n.report, r.last = &report, &report
		if r.now == n {
			r.now = nil
		}
	})
}

// leave counts a listener out. The last one ends the examination and waits for it.
func (r *Rounds) leave(n *round) {
	r.mu.Lock()
	n.listeners--
	last := n.listeners == 0
	if last && r.now == n {
		r.now = nil
	}
	r.mu.Unlock()
	if last {
		n.stop()
		<-n.ended
	}
}

// entry is what the timeline keeps of a report: one sentence, which reads as the line's own do.
func entry(r Report) persistence.Entry {
	e := persistence.Entry{At: r.At, Kind: "diagnosis", Text: "Diagnosis: " + r.Summary, Server: persistence.Origin(r.Server)}
	if f, failed := r.Worst(); failed {
		e.Text, e.Cause = "Diagnosis: "+f.Saw, string(f.Code)
	}
	return e
}
