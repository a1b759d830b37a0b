//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is one measured process.
type child struct {
	*exec.Cmd
	output words
	ended  chan struct{}
}

// words are what a process has said so far. They may be read while it goes on speaking.
type words struct {
	mu   sync.Mutex
	said []byte
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, b...)
	return len(b), nil
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.said)
}

func start(env []string, name string, args ...string) (*child, error) {
	c := &child{Cmd: exec.Command(name, args...), ended: make(chan struct{})}
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = &c.output, &c.output
	// Whatever happens to the bench, nothing stays behind.
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { defer close(c.ended); c.Wait() }() // ends with the process
	return c, nil
}

// end asks the process to end and waits for it. It gives the CPU time of its whole life.
func (c *child) end() (time.Duration, error) {
	c.Process.Signal(syscall.SIGTERM)
	return c.wait(10 * time.Second)
}

func (c *child) wait(most time.Duration) (time.Duration, error) {
	select {
	case <-c.ended:
		return c.ProcessState.UserTime() + c.ProcessState.SystemTime(), nil
	case <-time.After(most):
		c.Process.Kill()
		<-c.ended
		return 0, fmt.Errorf("%s did not end: %s", c.Path, c.output.String())
	}
}

// peak is the largest resident size so far, in bytes. The rusage of a process will not do: it counts what its parent
// held at the fork.
func (c *child) peak() (int64, error) { return c.size("VmHWM:") }

func (c *child) rss() (int64, error) { return c.size("VmRSS:") }

func (c *child) size(field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		return 0, err
	}
	kb, err := strconv.ParseInt(after(string(b), field), 10, 64)
	return kb << 10, err
}

// after is the word that follows a field's name.
func after(text, field string) string {
	_, rest, _ := strings.Cut(text, "\n"+field)
	if words := strings.Fields(rest); len(words) > 0 {
		return words[0]
	}
	return ""
}

// work is what a process's threads have done so far.
type work struct {
	cpu      time.Duration
	switches int64 // of context, voluntary and not
}

func (c *child) work() (work, error) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", c.Process.Pid))
	if len(tasks) == 0 {
		return work{}, fmt.Errorf("%s has ended: %s", c.Path, c.output.String())
	}
	var w work
	for _, task := range tasks {
		ran, err1 := os.ReadFile(filepath.Join(task, "schedstat"))
		status, err2 := os.ReadFile(filepath.Join(task, "status"))
		if err1 != nil || err2 != nil {
			continue // the thread has just ended
		}
		if words := strings.Fields(string(ran)); len(words) > 0 {
			ns, _ := strconv.ParseInt(words[0], 10, 64)
			w.cpu += time.Duration(ns)
		}
		for _, field := range []string{"voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"} {
			n, _ := strconv.ParseInt(after(string(status), field), 10, 64)
			w.switches += n
		}
	}
	return w, nil
}
