//go:build darwin && !cgo

package native

import (
	"context"

	"handline/tray"
)

// show is a no-op twin: AppKit needs cgo, so a build without it has no menu bar.
func show(ctx context.Context, _ context.CancelCauseFunc, o Options, _ *desktop, start func(context.Context, tray.Bar) error) error {
	o.Log.Info("There is no menu-bar icon: this Handline was built without cgo.")
	return ending(ctx, start(ctx, headless{}))
}
