package diagnostics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"handline/persistence"
)

// This file is the part of the API that tells how Handline fares: diagnose, stats and report, on both ends of the wire.

// diagnose streams an examination: each finding as soon as it is known, and then the whole report.
func (a API) diagnose(w http.ResponseWriter, r *http.Request) error {
	s := newStream(w)
	report, err := a.Checks.Join(r.Context(), func(f Finding) error { return s.send("finding", f) })
	if err == nil {
		_ = s.send("summary", report)
	}
	return nil // a reader who has gone cannot be told
}

// Diagnose has the running app examine its server, or joins the examination that runs. each is told every finding.
func (c *Client) Diagnose(ctx context.Context, each func(Finding)) (r Report, err error) {
	res, err := c.do(ctx, http.MethodGet, "/v1/diagnose", nil)
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	for f := range frames(res.Body) {
		if f.name == "summary" {
			if err := json.Unmarshal(f.data, &r); err != nil {
				return r, fmt.Errorf("reading the diagnosis: %w", err)
			}
			return r, nil
		}
		found, err := decode[Finding](f, "finding")
		if err != nil {
			return r, err
		}
		each(found)
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	return r, ErrNotRunning
}

// stats answers with the figures of the latest days, today last.
func (a API) stats(w http.ResponseWriter, r *http.Request) error {
	answer(w, http.StatusOK, map[string][]Day{"days": RecentDays(a.Timeline, a.Failures(), time.Now())})
	return nil
}

// RecentDays are the figures of the last week, from all that the timeline keeps: a line that holds writes nothing, so what
// is the case may have been written long before.
func RecentDays(timeline func(limit int, since time.Time) []persistence.Entry, failed persistence.Failures, now time.Time) []Day {
	days := Days(timeline(statsEntries, time.Time{}), failed, now)
	first := now.AddDate(0, 0, 1-statsDays).Format(time.DateOnly)
	return slices.DeleteFunc(days, func(d Day) bool { return d.Date < first })
}

// Stats are the figures of the latest days, today last.
func (c *Client) Stats(ctx context.Context) ([]Day, error) {
	var out struct{ Days []Day }
	return out.Days, c.call(ctx, http.MethodGet, "/v1/stats", nil, &out)
}

// Timeline is the newest entries of the stored ring, at most limit, oldest first.
func (c *Client) Timeline(ctx context.Context, limit int) ([]persistence.Entry, error) {
	var out struct{ Entries []persistence.Entry }
	return out.Entries, c.call(ctx, http.MethodGet, "/v1/timeline?limit="+strconv.Itoa(limit), nil, &out)
}

// report answers with the report as a zip, or with preview as a text of the same content. titles lets the
// conversation's title in.
func (a API) report(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	b, err := a.Bundle(r.Context(), q.Has("titles"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	if q.Has("preview") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, b.Preview())
		return nil
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+b.Name+`.zip"`)
	_ = b.Zip(w) // there is nobody to tell when the reader has gone
	return nil
}

// Report writes the running app's report: a zip, or with preview a text.
func (c *Client) Report(ctx context.Context, w io.Writer, preview, titles bool) error {
	q := url.Values{}
	if preview {
		q.Set("preview", "")
	}
	if titles {
		q.Set("titles", "")
	}
	res, err := c.do(ctx, http.MethodGet, "/v1/report?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("copying the report: %w", err)
	}
	return nil
}
