//go:build !linux && !darwin

package network

import (
	"context"
	"errors"
)

// listen is a no-op: this system tells nothing, so that only failures and retries show a change.
func listen(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func defaultRoutes() (v4, v6 string, err error) { return "", "", errors.ErrUnsupported }
func sources() (v4, v6 string)                  { return "", "" }
