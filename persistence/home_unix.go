//go:build unix

package persistence

import (
	"io/fs"
	"os"
	"syscall"
)

// foreignOwner gives the owner of a file that is not ours.
func foreignOwner(fi fs.FileInfo) (uid uint32, foreign bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, int(st.Uid) != os.Geteuid()
}
