//go:build !linux && !darwin

package network

import "syscall"

// tune is a no-op: this system has no such option.
func tune(_, _ string, _ syscall.RawConn) error { return nil }
