package window

import "os/exec"

// detach is a no-op: what rundll32 opens is no child of ours.
func detach(*exec.Cmd) {}
