//go:build !linux

package native

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// desktop is a no-op twin: macOS and Windows always have a place for the icon.
type desktop struct{}

// openDesktop warns of the one case in which macOS shows no icon and says nothing.
func openDesktop(_ context.Context, o Options) (*desktop, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if line := BundleAdvice(exe); err == nil && line != "" {
		o.Log.Warn(line)
	}
	return &desktop{}, nil
}

func (*desktop) watch(func()) {}
func (*desktop) close()       {}

// loop runs systray's loop here, on the main thread. All that is ours has ended when ended is closed, so a loop that
// does not return then is cut off.
func loop(run func(), ended <-chan struct{}) {
	returned := make(chan struct{})
	defer close(returned)
	go func() {
		<-ended
		select {
		case <-returned:
		case <-time.After(quitWithin):
			os.Exit(0)
		}
	}()
	run()
}
