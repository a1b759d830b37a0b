package window

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// native is the process of the native window: this executable, so that it is the same bundle. It reads lines: first the
// link, then "raise" with or without a pane; the end of its input closes it.
type native struct {
	in    io.WriteCloser
	cmd   *exec.Cmd
	ended chan struct{}
}

func startNative(link string) (*native, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startChild(exec.Command(exe, Verb), link)
}

func startChild(cmd *exec.Cmd, link string) (*native, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n := &native{in: in, cmd: cmd, ended: make(chan struct{})}
	go func() { // ends with the child, and close waits for it
		defer close(n.ended)
		_ = cmd.Wait()
	}()
	if _, err := io.WriteString(in, link+"\n"); err != nil {
		n.close()
		return nil, errors.Join(errors.New("the window's process ended at once"), err)
	}
	return n, nil
}

// raise says whether the window was there to come forward.
func (n *native) raise(pane string) bool {
	select {
	case <-n.ended:
		return false
	default:
	}
	_, err := fmt.Fprintln(n.in, "raise", pane)
	return err == nil
}

// farewell is how long the window may take to close.
const farewell = 2 * time.Second

func (n *native) close() {
	_ = n.in.Close()
	select {
	case <-n.ended:
	case <-time.After(farewell):
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}
