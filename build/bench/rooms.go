//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// rooms are the figures that the product's own tests and benchmarks give: what takes place in virtual time, and what has
// a switch in the code only.
type rooms struct {
	attributes map[string]string // of tests, by name
	off, on    []float64         // ns for an event, with persisting and without
}

var (
	attribute = regexp.MustCompile(`(?m)^\s*=== ATTR\s+\S+ (\S+) (.*)$`)
	benchmark = regexp.MustCompile(`(?m)^BenchmarkReceive/persisting_(on|off)\S*\s+\d+\s+([0-9.]+) ns/op`)
)

func (l *lab) rooms(ctx context.Context, rounds int) (rooms, error) {
	r := rooms{attributes: make(map[string]string)}
	out, err := exec.CommandContext(ctx, "go", "test", "-v", "-count=1", "-run", "^(TestStorm|TestAnHourOfAcceptThenDrop)$", "./connection").CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("reading figures of tests: %w\n%s", err, out)
	}
	for _, m := range attribute.FindAllStringSubmatch(string(out), -1) {
		r.attributes[m[1]] = m[2]
	}
	for range rounds {
		out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "Receive", "-benchtime", "1000000x", "./connection").CombinedOutput()
		if err != nil {
			return r, fmt.Errorf("reading figures of benchmarks: %w\n%s", err, out)
		}
		for _, m := range benchmark.FindAllStringSubmatch(string(out), -1) {
			ns, _ := strconv.ParseFloat(m[2], 64)
			if m[1] == "on" {
				r.on = append(r.on, ns)
			} else {
				r.off = append(r.off, ns)
			}
		}
	}
	return r, nil
}
