//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"handline/persistence"
)

const (
	settle   = 20 * time.Second // before an idle minute, so that no start is in it
	idleTime = time.Minute
)

// rest is what a minute of doing nothing costs.
type rest struct {
	rss int64
	work
}

// idle lets Handline and the others live side by side for a minute, connected and with nothing to do.
func (l *lab) idle(ctx context.Context) (map[string]rest, error) {
	d, err := l.desktop()
	if d != nil {
		defer d.close()
	}
	if err != nil {
		l.lack("an idle minute", err)
		return nil, nil
	}
	all := map[string]*child{}
	defer func() {
		for _, c := range all {
			c.end()
		}
	}()
	for _, ping := range []int{5, 15} {
		c, err := l.idler(d, ping)
		if err != nil {
			return nil, err
		}
		all[fmt.Sprint("handline ", ping)] = c
		if l.node != "" {
			conversation, _ := l.server.expect((*socket).idle)
			if c, err = l.stock(l.plainURL(), conversation, ping, true); err != nil {
				return nil, err
			}
			all[fmt.Sprint("node ", ping)] = c
		}
	}
	l.others(d, all)
	if err := sleep(ctx, settle); err != nil {
		return nil, err
	}
	before, err := works(all)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, idleTime); err != nil {
		return nil, err
	}
	after, err := works(all)
	for name, w := range after {
		w.cpu -= before[name].cpu
		w.switches -= before[name].switches
		after[name] = w
	}
	return after, err
}

// idler starts Handline with an icon and a pulse.
func (l *lab) idler(d *desktop, ping int) (*child, error) {
	conversation, play := l.server.expect((*socket).idle)
	home, err := l.home(conversation, func(c *persistence.Config) {
		c.Heartbeat.Idle = persistence.Duration(ping) * persistence.Duration(time.Second)
	})
	if err != nil {
		return nil, err
	}
	c, err := l.handline(home, d.env)
	if err != nil {
		return nil, err
	}
	for _, what := range []<-chan struct{}{play.asked, d.seen(5 * time.Second)} {
		select {
		case <-what:
		case <-time.After(10 * time.Second):
			return c, fmt.Errorf("handline does not come up: %s", c.output.String())
		}
	}
	return c, nil
}

// seen is closed when an icon has registered, or after a while.
func (d *desktop) seen(most time.Duration) <-chan struct{} {
	ch := make(chan struct{})
	go func() { // ends with the wait
		defer close(ch)
		select {
		case <-d.registered:
		case <-time.After(most):
		}
	}()
	return ch
}

// others are tray programs that people run anyway.
func (l *lab) others(d *desktop, all map[string]*child) {
	if err := d.light(); err != nil {
		l.lack("other tray programs", err)
		return
	}
	for _, name := range []string{"nm-applet", "pasystray"} {
		_, err := exec.LookPath(name)
		if err == nil {
			var c *child
			if c, err = start(d.env, name); err == nil {
				all[name] = c
				select {
				case <-c.ended:
					delete(all, name)
					err = errors.New("it does not stay: " + c.output.String())
				case <-time.After(3 * time.Second):
				}
			}
		}
		if err != nil {
			l.lack(name, err)
		}
	}
}

func works(all map[string]*child) (map[string]rest, error) {
	got := map[string]rest{}
	for name, c := range all {
		w, err := c.work()
		if err != nil {
			return nil, err
		}
		rss, err := c.rss()
		if err != nil {
			return nil, err
		}
		got[name] = rest{rss, w}
	}
	return got, nil
}

// icon is the time from exec to the icon's registration with the panel, the median of several starts.
func (l *lab) icon(starts int) (time.Duration, error) {
	d, err := l.desktop()
	if d != nil {
		defer d.close()
	}
	if err != nil {
		l.lack("exec to icon", err)
		return 0, nil
	}
	var took []time.Duration
	for range starts {
		home, err := l.home("", func(c *persistence.Config) { c.Server, c.ConnectAtLaunch = "", "never" })
		if err != nil {
			return 0, err
		}
		from := time.Now()
		c, err := l.handline(home, d.env)
		if err != nil {
			return 0, err
		}
		select {
		case at := <-d.registered:
			took = append(took, at.Sub(from))
		case <-time.After(10 * time.Second):
			err = errors.New("no icon came")
		}
		if _, ended := c.end(); err != nil || ended != nil {
			return 0, fmt.Errorf("%w: %s", errors.Join(err, ended), c.output.String())
		}
	}
	return median(took), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func median[T ~int64 | ~float64](all []T) T {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
