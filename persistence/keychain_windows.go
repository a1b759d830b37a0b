package persistence

import (
	"context"
	"errors"

	"github.com/zalando/go-keyring"
)

// platformKeychain is the Credential Manager. It asks nobody and answers at once, so it runs in the caller.
func platformKeychain(KeychainOptions) keychain {
	return keychain{
		get: func(_ context.Context, identity string) (string, error) {
			key, err := keyring.Get(service, identity)
			return key, unlessMissing(err)
		},
		set: func(_ context.Context, identity, key string) error { return keyring.Set(service, identity, key) },
		erase: func(_ context.Context, identity string) error {
			return unlessMissing(keyring.Delete(service, identity))
		},
		clear: func(context.Context) error { return unlessMissing(keyring.DeleteAll(service)) },
	}
}

func unlessMissing(err error) error {
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}
