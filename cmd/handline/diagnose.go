package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"handline/connection/network"
	"handline/diagnostics"
	"handline/persistence"
)

type diagnoseCmd struct {
	JSON    bool   `help:"Print the result as one JSON object."`
	Report  string `help:"Also write a report for others: a zip without keys or messages." placeholder:"FILE" type:"path"`
	Preview bool   `help:"Print what the report would hold instead of the findings."`
	Titles  bool   `help:"Let the conversation's title into the report."`
}

// Run examines the server. The app does it where it runs, since it knows more; without it, or where it does not answer,
// the checks run here.
func (d diagnoseCmd) Run(c *console) error {
	home, client, err := c.open()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(d.Report); d.Report != "" && err == nil {
		return taken(d.Report) // before anybody has waited for what cannot be saved
	}
	doctor := c.remote(client)
	if !c.answers(client) {
		if doctor, err = c.local(home); err != nil {
			return err
		}
	}
	defer doctor.close()
	quiet := d.JSON || d.Preview
	waiting := c.wait(!quiet)
	report, err := doctor.examine(c.ctx, func(f diagnostics.Finding) {
		if !quiet {
			waiting.over()
			c.finding(f)
			waiting.on()
		}
	})
	waiting.over()
	if err != nil {
		return err
	}
	switch {
	case d.Preview:
		if err := doctor.report(c.ctx, c.out, true, d.Titles); err != nil {
			return err
		}
	case d.JSON:
		if err := json.NewEncoder(c.out).Encode(report); err != nil {
			return err
		}
	default:
		c.diagnosis(report)
	}
	if d.Report != "" {
		if err := c.save(d, doctor); err != nil {
			return err
		}
	}
	return health(report)
}

// health is a report as an exit code.
func health(r diagnostics.Report) error {
	worst, failed := r.Worst()
	switch {
	case !failed:
		return nil
	case worst.Code == network.Auth:
		return standing(exitAuth)
	}
	return standing(exitFailed)
}

// doctor is who examines: the app that runs, or this process.
type doctor struct {
	examine func(context.Context, func(diagnostics.Finding)) (diagnostics.Report, error)
	report  func(ctx context.Context, w io.Writer, preview, titles bool) error
	close   func()
}

// answers says whether an app runs that can be talked with. One that hangs must not keep the diagnosis from the user.
func (c *console) answers(client *diagnostics.Client) bool {
	ctx, cancel := context.WithTimeout(c.ctx, 500*time.Millisecond)
	defer cancel()
	_, err := client.Status(ctx)
	return err == nil
}

func (c *console) remote(client *diagnostics.Client) doctor {
	return doctor{examine: client.Diagnose, report: client.Report, close: func() {}}
}

// local makes an app that never runs: it has the configuration, the keychain and a dialer, and no line.
func (c *console) local(home *persistence.Home) (doctor, error) {
	v, err := c.config()
	if err != nil {
		return doctor{}, err
	}
	log := slog.New(slog.DiscardHandler)
	a := &app{home: home, log: log, settings: newSettings(home.Config(), v, nil)}
	a.logins = persistence.Keychain(persistence.KeychainOptions{Log: log})
	a.dialer = network.Dialer{Proxy: a.proxy, Login: a.proxyLogin}
	if a.secrets, err = keychain(c.token, log); err != nil {
		return doctor{}, err
	}
	d := doctor{close: func() {}}
	var last diagnostics.Report
	d.examine = func(ctx context.Context, each func(diagnostics.Finding)) (diagnostics.Report, error) {
		last = a.examine(ctx, each)
		return last, ctx.Err()
	}
	d.report = func(ctx context.Context, w io.Writer, preview, titles bool) error {
		// Nobody else may have the state open while it is read; a running app that hangs keeps it.
		if release, err := home.Lock(); err == nil {
			defer release()
			if a.state, _, err = persistence.OpenState(home.State()); err == nil {
				defer a.state.Close()
			}
		}
		b, err := a.bundle(ctx, titles, &last)
		if err != nil {
			return err
		}
		if preview {
			_, err := io.WriteString(w, b.Preview())
			return err
		}
		return b.Zip(w)
	}
	return d, nil
}

// finding prints a row, and under what failed what it means and what to do.
func (c *console) finding(f diagnostics.Finding) {
	saw := f.Saw
	if f.Took > 0 {
		saw += fmt.Sprintf(" (%d ms)", f.Took)
	}
	const under = "%-12s "
	c.tell(c.mark(f.Outcome), fmt.Sprintf(under, f.Title), saw)
	if f.Outcome == diagnostics.Failed {
		c.tell(" ", fmt.Sprintf(under, ""), f.Means)
	}
	if advice := byHand(f.Code, f.Action != "set-up", f.Advice); f.Advice != "" {
		c.tell(" ", fmt.Sprintf(under, ""), advice)
	}
}

func (c *console) mark(o diagnostics.Outcome) string {
	switch o {
	case diagnostics.OK:
		return c.paint("32", o.Mark()) // green
	case diagnostics.Failed:
		return c.paint("31", o.Mark()) // red
	}
	return c.paint("90", o.Mark()) // grey
}

// diagnosis prints spec A's four results and its summary.
func (c *console) diagnosis(r diagnostics.Report) {
	fmt.Fprintln(c.out)
	for _, h := range r.Headlines {
		c.line(c.mark(h.Outcome), h.Title)
	}
	fmt.Fprintln(c.out, r.Summary)
}

func taken(path string) error {
	return usage{path + " exists already", "Choose another name for the report."}
}

// save writes the report where nothing is yet, for the user's eyes only.
func (c *console) save(d diagnoseCmd, from doctor) (err error) {
	f, err := os.OpenFile(d.Report, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return taken(d.Report)
	}
	if err != nil {
		return fmt.Errorf("saving the report: %w", err)
	}
	err = from.report(c.ctx, f, false, d.Titles)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(d.Report) // half a report helps nobody
		return fmt.Errorf("saving the report: %w", err)
	}
	fmt.Fprintf(c.err, "The report is in %s. Look through it before you send it.\n", d.Report)
	return nil
}

// wait shows that something goes on, on a terminal alone.
type wait struct {
	c     *console
	shown bool
}

func (c *console) wait(show bool) *wait {
	w := &wait{c: c}
	if show && c.tty {
		w.on()
		return w
	}
	w.c = nil
	return w
}

func (w *wait) on() {
	if w.c != nil {
		fmt.Fprint(w.c.out, "Running diagnostics...")
		w.shown = true
	}
}

func (w *wait) over() {
	if w.shown {
		fmt.Fprint(w.c.out, "\r\x1b[K")
		w.shown = false
	}
}
