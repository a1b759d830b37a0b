//go:build linux

// Command bench measures Handline beside what its users would otherwise run, and prints one table. Everything takes
// place on loopback. It needs Go, and node, python3, dbus-daemon and Xvfb for what is said to be skipped without them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 9, "pairs of each kind; the median counts")
	only := flag.String("only", "", "parts, with commas between: receive, deflate, steady, rooms, start, idle, outage; empty: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run does one part after the other, so that none disturbs another.
func run(ctx context.Context, rounds int, only string) (err error) {
	l, err := open(ctx)
	if l != nil {
		defer func() { err = errors.Join(err, l.close()) }()
	}
	if err != nil {
		return err
	}
	var t table
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"receive", func() error { return l.receiveAll(ctx, &t, rounds, false) }},
		{"deflate", func() error { return l.receiveAll(ctx, &t, rounds, true) }},
		{"steady", func() error { return l.steadyRows(ctx, &t) }},
		{"rooms", func() error { return l.roomRows(ctx, &t, rounds) }},
		{"start", func() error { return l.startRows(&t) }},
		{"idle", func() error { return l.idleRows(ctx, &t) }},
		{"outage", func() error { return l.outageRows(ctx, &t) }},
	} {
		if only != "" && !strings.Contains(","+only+",", ","+part.name+",") {
			continue
		}
		from := time.Now()
		if err := part.do(); err != nil {
			return fmt.Errorf("measuring %s: %w", part.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", part.name, time.Since(from).Round(time.Second))
	}
	t.print(l.lacks)
	return nil
}

// receiveAll runs every client on every stream, in turn.
func (l *lab) receiveAll(ctx context.Context, t *table, rounds int, deflate bool) error {
	t.section(map[bool]string{
		false: "Receiving a stream, flat out: CPU time and peak memory of the whole process",
		true:  "The same, encrypted and compressed",
	}[deflate])
	for _, z := range []struct {
		size, count int
		title       string
	}{{300, 200_000, "200,000 events of 300 B"}, {4 << 10, 50_000, "50,000 events of 4 KB"}, {64 << 10, 5_000, "5,000 events of 64 KB"}} {
		s := newStream(z.size, z.count, deflate)
		got := map[string][]received{}
		for range rounds {
			for _, r := range l.receivers(deflate) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				one, err := l.receive(r, s, deflate)
				if err != nil {
					return err
				}
				got[r.name] = append(got[r.name], one)
			}
		}
		t.receiving(z.title, got)
	}
	return nil
}

func (l *lab) steadyRows(ctx context.Context, t *table) error {
	got, err := l.steady(ctx)
	if err != nil {
		return err
	}
	t.section("200 events of 4 KB a second")
	t.add("CPU time of each", fmt.Sprintf("%d µs", got.handline.Microseconds()), fmt.Sprintf("%d µs", got.node.Microseconds()), "")
	t.add("writes to disk", fmt.Sprintf("%.2f a second", got.commits), "none", "")
	return nil
}

func (l *lab) roomRows(ctx context.Context, t *table, rounds int) error {
	got, err := l.rooms(ctx, rounds)
	if err != nil {
		return err
	}
	t.section("In its own tests")
	t.add("keeping the place on disk: time for an event", fmt.Sprintf("%.0f ns; %.0f ns without", median(got.on), median(got.off)), "", "")
	t.add("100,000 clients lose their server: the busiest 100 ms", got.attributes["busiest-100ms-percent"]+" % of them", "10 %, by its defaults",
		"% in each 100 ms: "+got.attributes["percent-per-100ms"])
	t.add("the same at the longest delay: the busiest 10 ms", got.attributes["busiest-10ms-percent-of-retry-10"]+" %", "", "")
	t.add("a server that accepts and drops: dials in an hour", got.attributes["dials-per-hour"], "", "")
	return nil
}

func (l *lab) startRows(t *table) error {
	took, err := l.icon(11)
	if err != nil {
		return err
	}
	info, err := os.Stat(l.program("handline"))
	if err != nil {
		return err
	}
	t.section("Starting")
	t.add("from exec to the icon in the panel", fmt.Sprintf("%d ms", took.Milliseconds()), "", "")
	t.add("the program's size", fmt.Sprintf("%.1f MiB", mebi(info.Size())), "", "")
	return nil
}

func (l *lab) idleRows(ctx context.Context, t *table) error {
	got, err := l.idle(ctx)
	if err != nil {
		return err
	}
	t.section("A minute of doing nothing, connected, with an icon: CPU time, context switches, memory")
	t.idling(got)
	return nil
}

func (l *lab) outageRows(ctx context.Context, t *table) error {
	got, err := l.outage(ctx)
	if err != nil {
		return err
	}
	t.section("The network goes away without a word for 50 s")
	t.losing(got)
	return nil
}
