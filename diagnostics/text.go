package diagnostics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"handline/persistence"
)

// Mark stands before a finding wherever it is shown as text. The words beside it say the same.
func (o Outcome) Mark() string {
	switch o {
	case OK:
		return "✓"
	case Failed:
		return "✗"
	}
	return "–"
}

// diagnosisText is a report as plain text.
func diagnosisText(r Report) string {
	var s strings.Builder
	fmt.Fprintf(&s, "Connection Diagnostics\n%s, %s\n\n", cmp.Or(r.Server, "no server"), r.At.Format(time.RFC3339))
	for _, f := range r.Findings {
		s.WriteString(f.Text())
	}
	s.WriteString("\n")
	for _, h := range r.Headlines {
		fmt.Fprintf(&s, "%s %s\n", h.Outcome.Mark(), h.Title)
	}
	return s.String() + r.Summary + "\n"
}

// Text is a finding as plain text: one line, and two more where something is to be done.
func (f Finding) Text() string {
	line := fmt.Sprintf("%s %-13s %s", f.Outcome.Mark(), f.Title, f.Saw)
	if f.Took > 0 {
		line += fmt.Sprintf(" (%d ms)", f.Took)
	}
	line += "\n"
	if f.Outcome == Failed {
		line += "    " + f.Means + "\n"
		if f.Detail != "" {
			line += "    Detail: " + f.Detail + "\n"
		}
	}
	if f.Advice != "" {
		line += "    " + f.Advice + "\n"
	}
	return line
}

// timelineText is a line an entry.
func timelineText(entries []persistence.Entry) string {
	var s strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&s, "%s %s %s", e.At.Format(time.RFC3339), e.Kind, e.Text)
		if e.Cause != "" {
			s.WriteString(" [" + e.Cause + "]")
		}
		s.WriteString("\n")
	}
	return s.String()
}

func lines(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, "\n") + "\n"
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
