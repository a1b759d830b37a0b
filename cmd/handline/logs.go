package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"handline/persistence"
)

type logsCmd struct {
	Follow bool `short:"f" help:"Go on with what is logged from now on, until interrupted."`
	Lines  int  `short:"n" default:"100" help:"How many of the newest lines to print." placeholder:"N"`
	// Timeline is the short story, and the log the long one.
	Timeline bool `help:"Print what happened to the line, and the day's figures, instead of the log."`
}

func (l logsCmd) Run(c *console) error {
	home, client, err := c.open()
	if err != nil {
		return err
	}
	if l.Timeline {
		return c.timeline(home, client, l.Lines)
	}
	lines, err := persistence.TailLog(home.Logs(), l.Lines)
	if err != nil {
		return err
	}
	if !l.Follow {
		for _, line := range lines {
			fmt.Fprintln(c.out, clean(line))
		}
		return nil
	}
	return follow(c.ctx, filepath.Join(home.Logs(), "handline.log"), l.Lines, c.out)
}

// logLook is how often the followed log is looked at.
const logLook = 200 * time.Millisecond

// follow prints the last lines of a log and then what is appended, across rotation, until ctx ends. A log that does not
// exist yet is waited for.
func follow(ctx context.Context, path string, lines int, out io.Writer) error {
	var f *os.File
	defer func() { f.Close() }()
	tick := time.NewTicker(logLook)
	defer tick.Stop()
	for first := true; ; {
		next, err := reopened(f, path)
		if err != nil {
			return fmt.Errorf("following the log: %w", err)
		}
		if f != nil {
			if err := pass(f, out, -1); err != nil { // the rest of the old file too, before it is let go
				return err
			}
		}
		if next != nil {
			f.Close()
			f = next
			keep := -1
			if first {
				keep = lines
			}
			if err := pass(f, out, keep); err != nil {
				return err
			}
		}
		first = false
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// reopened opens the file at path, unless it is the one that is open already or does not exist.
func reopened(open *os.File, path string) (*os.File, error) {
	here, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if open != nil {
		if ours, err := open.Stat(); err == nil && os.SameFile(here, ours) {
			return nil, nil
		}
	}
	return os.Open(path)
}

// pass copies what is left of a log file, or only its last lines where keep is not negative.
func pass(f *os.File, out io.Writer, keep int) error {
	b, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	for keep >= 0 && bytes.Count(b, []byte("\n")) > keep {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	_, err = out.Write(b)
	return err
}
