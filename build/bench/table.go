//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// table is what is printed: a row for each measure.
type table struct{ rows []string }

func (t *table) add(cells ...string) {
	t.rows = append(t.rows, "| "+strings.Join(cells, " | ")+" |")
}

// section begins a group of rows.
func (t *table) section(name string) { t.add("**"+name+"**", "", "", "") }

func (t *table) print(lacks []string) {
	fmt.Printf("Measured on %s: %s, %d cores, %s. Medians of pairs in turn; a ratio is the median of the pairs' ratios.\n\n",
		time.Now().Format("2 January 2006"), processor(), runtime.NumCPU(), system())
	fmt.Println("| | Handline | node socket.io-client | beside them |")
	fmt.Println("|---|---|---|---|")
	for _, r := range t.rows {
		fmt.Println(r)
	}
	for _, l := range lacks {
		fmt.Printf("\nSkipped: %s\n", strings.TrimSpace(l))
	}
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := strings.Cut(string(b), "model name")
	name, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
}

func system() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return "Linux " + strings.TrimSpace(string(b))
}

// receiving adds one kind of stream: what every client needed for the same events.
func (t *table) receiving(title string, got map[string][]received) {
	ours := got["handline"]
	cell := func(name string) string {
		all := got[name]
		if len(all) == 0 {
			return "—"
		}
		s := fmt.Sprintf("%.2f s, %.1f MiB", median(cpus(all)).Seconds(), mebi(median(peaks(all))))
		if name != "handline" {
			s += fmt.Sprintf(" (%s)", times(pairs(ours, all)))
		}
		return s
	}
	beside := "ReadMessage loop " + cell("loop")
	if len(got["python"]) > 0 {
		beside += "; python-socketio " + cell("python")
	}
	t.add(title, cell("handline"), cell("node"), beside)
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func cpus(all []received) (v []time.Duration) {
	for _, r := range all {
		v = append(v, r.cpu)
	}
	return v
}

func peaks(all []received) (v []int64) {
	for _, r := range all {
		v = append(v, r.peak)
	}
	return v
}

// pairs is how many times our CPU time the other needed.
func pairs(ours, others []received) float64 {
	var ratios []float64
	for i := range min(len(ours), len(others)) {
		ratios = append(ratios, others[i].cpu.Seconds()/ours[i].cpu.Seconds())
	}
	return median(ratios)
}

func times(ratio float64) string {
	if ratio < 10 {
		return fmt.Sprintf("%.1f×", ratio)
	}
	return fmt.Sprintf("%.0f×", ratio)
}

func (t *table) idling(got map[string]rest) {
	cell := func(name string) string {
		r, ok := got[name]
		if !ok {
			return "—"
		}
		return fmt.Sprintf("%.1f ms, %d switches, %.1f MiB", float64(r.cpu.Microseconds())/1000, r.switches, mebi(r.rss))
	}
	t.add("a ping every 15 s", cell("handline 15"), cell("node 15"), "nm-applet, doing nothing: "+cell("nm-applet"))
	t.add("a ping every 5 s", cell("handline 5"), cell("node 5"), "pasystray, doing nothing: "+cell("pasystray"))
}

func (t *table) losing(got map[string]*lost) {
	cell := func(kind string, of func(*lost) []time.Duration) string {
		l := got[kind]
		if l == nil || len(of(l)) == 0 {
			return "—"
		}
		return fmt.Sprintf("%.1f s, at most %.1f s", median(of(l)).Seconds(), slices.Max(of(l)).Seconds())
	}
	noticed := func(l *lost) []time.Duration { return l.noticed }
	back := func(l *lost) []time.Duration { return l.back }
	t.add("noticed", cell("handline", noticed), cell("node", noticed), "with the window open: "+cell("handline looking", noticed))
	t.add("back after it has ended", cell("handline", back), cell("node", back), "with the window open: "+cell("handline looking", back))
}
