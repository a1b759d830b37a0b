package network

import (
	"context"
	"os/exec"
	"time"
)

// systemSettings is what `scutil --proxy` prints, "" where it prints nothing within 2 s.
func systemSettings() string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/sbin/scutil", "--proxy")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return string(out)
}
