package network

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// tune bounds the time for unacknowledged data (tcp(7), TCP_USER_TIMEOUT). A kernel without the option still connects.
func tune(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
	})
}
