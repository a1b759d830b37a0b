package persistence

import "io/fs"

// foreignOwner is a no-op: a Windows profile directory is private by its own access list.
func foreignOwner(fs.FileInfo) (uid uint32, foreign bool) { return 0, false }
