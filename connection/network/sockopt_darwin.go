package network

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// tune bounds the time for unacknowledged data (TCP_RXT_CONNDROPTIME, in seconds). A kernel without the option still
// connects.
func tune(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RXT_CONNDROPTIME, int(unacknowledged.Seconds()))
	})
}
