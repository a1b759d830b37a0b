//go:build !linux && !windows && !(darwin && cgo)

package persistence

import (
	"context"
	"fmt"
)

// platformKeychain is a no-op that says so: this build knows no keychain. HANDLINE_TOKEN works.
func platformKeychain(KeychainOptions) keychain {
	err := fmt.Errorf("%w in this build; set HANDLINE_TOKEN", ErrNoStore)
	return keychain{
		get:   func(context.Context, string) (string, error) { return "", err },
		set:   func(context.Context, string, string) error { return err },
		erase: func(context.Context, string) error { return err },
		clear: func(context.Context) error { return err },
	}
}
