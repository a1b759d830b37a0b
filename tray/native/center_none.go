//go:build !linux && !darwin

package native

import "handline/tray"

// openCenter is a no-op: only macOS has a notification center of this kind.
func openCenter(func(tray.Topic), func()) poster { return nil }
