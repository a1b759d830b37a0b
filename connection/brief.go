package connection

import (
	"net"
	"time"
)

// brief is a connection whose write deadlines end with the write. Left standing, as gorilla leaves them, each of them
// fires some seconds later and wakes the machine for nothing, twice as often as the pulse does. gorilla makes one write
// at a time, each with a deadline of its own.
type brief struct{ net.Conn }

func (b brief) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	if err == nil {
		err = b.SetWriteDeadline(time.Time{})
	}
	return n, err
}
