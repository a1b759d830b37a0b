package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	logSize  = 1 << 20 // bytes of one log file
	logFiles = 5       // handline.log and four older ones
)

// Log is the rotating log: handline.log in Home.Logs, then .1 to .4, the oldest last; 5 × 1 MB at most. One goroutine at
// a time may call it: slog's handlers see to that.
type Log struct {
	path string
	file *os.File
	size int64
}

// OpenLog appends to the log in dir. The error is the file system's.
func OpenLog(dir string) (*Log, error) {
	l := &Log{path: logPath(dir, 0)}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return l, nil
}

func logPath(dir string, n int) string {
	if n == 0 {
		return filepath.Join(dir, "handline.log")
	}
	return filepath.Join(dir, fmt.Sprintf("handline.log.%d", n))
}

func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", l.path)
	}
	if err == nil {
		err = f.Chmod(0o600) // it may be older than this rule
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, fi.Size()
	return nil
}

// Write implements io.Writer: one call is one line, and never split over two files. A log that somebody moved or deleted
// is made anew. What cannot be written is lost with an error; the next call tries again.
func (l *Log) Write(p []byte) (int, error) {
	if err := l.ready(int64(len(p))); err != nil {
		return 0, fmt.Errorf("writing the log: %w", err)
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// ready leaves a file open with room for n bytes.
func (l *Log) ready(n int64) error {
	if l.file != nil && l.moved() {
		if err := l.Close(); err != nil {
			return err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size == 0 || l.size+n <= logSize {
		return nil
	}
	if err := l.Close(); err != nil {
		return err
	}
	if err := rotate(filepath.Dir(l.path)); err != nil {
		return err
	}
	return l.open()
}

// moved says that the open file is no longer the one that people find.
func (l *Log) moved() bool {
	here, err := os.Stat(l.path)
	if err != nil {
		return true
	}
	ours, err := l.file.Stat()
	return err != nil || !os.SameFile(here, ours)
}

// rotate makes each file one older; the oldest is replaced.
func rotate(dir string) error {
	for n := logFiles - 1; n > 0; n-- {
		if err := os.Rename(logPath(dir, n-1), logPath(dir, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close closes the file; a later Write opens it again.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// TailLog gives the newest n lines of the log in dir, oldest first, without line ends. It needs no Log, so any process
// may read along. No log is no error.
func TailLog(dir string, n int) ([]string, error) {
	var out []string // newest first
	for file := 0; file < logFiles && len(out) < n; file++ {
		b, err := os.ReadFile(logPath(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
		for _, line := range slices.Backward(lines) {
			if len(out) < n && len(b) > 0 {
				out = append(out, string(line))
			}
		}
	}
	slices.Reverse(out)
	return out, nil
}
