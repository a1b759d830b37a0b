//go:build !linux && !darwin

package native

import "context"

// WatchMachine is a no-op: sleep is noticed by late ticks alone.
func WatchMachine(context.Context, Machine) {}

// StayAwake is a no-op.
func StayAwake(string) (release func()) { return func() {} }
