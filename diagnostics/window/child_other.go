//go:build !darwin

package window

import (
	"errors"
	"io"
)

// Run refuses: only macOS has a native window.
func Run(io.Reader) error { return errors.New("showing the window: this system has no native one") }
