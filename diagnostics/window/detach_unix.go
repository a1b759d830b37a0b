//go:build unix

package window

import (
	"os/exec"
	"syscall"
)

// detach keeps Ctrl-C in Handline's terminal away from the user's browser.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
