package diagnostics

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"handline/connection"
	"handline/persistence"
)

// Evidence is what a report for others is made of. Nothing in it is a conversation's text.
type Evidence struct {
	At        time.Time
	Version   string
	Platform  string // system, architecture, runtime
	Config    persistence.Config
	Line      *connection.Snapshot // nil: Handline is not running
	Diagnosis *Report              // nil: none was made
	Timeline  []persistence.Entry
	Days      []Day
	Log       []string // its last lines
	Stacks    string   // of all goroutines
	// Titles lets the conversation's title in; the user chose so.
	Titles bool
	// Secrets are keys that must not appear in any spelling. The report never holds them.
	Secrets []string
	// Home is the user's home directory, which holds their name.
	Home string
}

// Bundle is a report that may be given to others. It is redacted when it is made and once more when it leaves.
type Bundle struct {
	Name  string // of the one directory in the zip: handline-report-20260301-140203
	at    time.Time
	files []bundled
	clean redactor
}

type bundled struct{ name, text string }

// NewBundle gathers the evidence.
func NewBundle(e Evidence) Bundle {
	keep := []string{e.Config.Conversation}
	if e.Line != nil {
		line := *e.Line
		if !e.Titles {
			line.Title = ""
		}
		e.Line, keep = &line, append(keep, line.Conversation)
	}
	b := Bundle{Name: "handline-report-" + e.At.UTC().Format("20060102-150405"), at: e.At, clean: newRedactor(e.Secrets, keep, e.Home)}
	b.add("about.txt", fmt.Sprintf("Handline %s\n%s\n%s\n", e.Version, e.Platform, e.At.Format(time.RFC3339)))
	if e.Diagnosis != nil {
		b.add("diagnostics.txt", diagnosisText(*e.Diagnosis))
		b.json("diagnostics.json", e.Diagnosis)
	}
	if e.Line != nil {
		b.json("status.json", e.Line)
	}
	b.json("config.json", allowed(e.Config))
	b.json("days.json", e.Days)
	b.add("timeline.txt", timelineText(e.Timeline))
	b.add("log.txt", lines(e.Log))
	b.add("goroutines.txt", e.Stacks)
	return b
}

func (b *Bundle) add(name, text string) {
	b.files = append(b.files, bundled{name, b.clean.clean(text)})
}

// json adds a value. It is spelt so that the redactor sees what a reader would: "&" and not "\u0026".
func (b *Bundle) json(name string, v any) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		buf.WriteString("This could not be written: " + err.Error())
	}
	b.add(name, buf.String())
}

// Zip writes the report as one archive with one directory in it.
func (b Bundle) Zip(w io.Writer) error {
	z := zip.NewWriter(w)
	for _, f := range b.files {
		out, err := z.CreateHeader(&zip.FileHeader{Name: b.Name + "/" + f.name, Method: zip.Deflate, Modified: b.at})
		if err == nil {
			_, err = io.WriteString(out, b.clean.clean(f.text))
		}
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Preview is all of the report as one text, to be read before it is saved or sent.
func (b Bundle) Preview() string {
	var s strings.Builder
	for _, f := range b.files {
		fmt.Fprintf(&s, "──── %s/%s\n%s\n", b.Name, f.name, strings.TrimRight(b.clean.clean(f.text), "\n"))
	}
	return s.String()
}

// allowed are the settings that may be known. A field is left out until it is named here, and parameters and addresses
// give their names alone, since people put keys into the oddest places.
func allowed(c persistence.Config) map[string]any {
	names := []string{}
	for name := range c.Params {
		names = append(names, name)
	}
	return map[string]any{
		"version": c.Version, "server": bare(c.Server), "conversation": c.Conversation, "dialect": c.Dialect,
		"params": sorted(names), "path": c.Path, "namespace": c.Namespace, "connectAtLaunch": c.ConnectAtLaunch,
		"allowPlaintext": c.AllowPlaintext, "retry": c.Retry, "heartbeat": c.Heartbeat, "notify": c.Notify, "icon": c.Icon,
		"iconClick": c.IconClick, "probe": bare(c.Probe), "proxy": bare(c.Proxy), "compression": c.Compression,
	}
}

// bare is scheme, host and path of an address, or the word that stands in its place.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return blot
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
