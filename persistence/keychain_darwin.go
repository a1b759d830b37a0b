//go:build darwin && cgo

package persistence

import (
	"context"
	"errors"
	"fmt"

	mac "github.com/keybase/go-keychain"
)

// platformKeychain is the login keychain. Every call may wait for a dialog and cannot be called off, so each runs beside
// its caller, who waits for at most o.Prompt. A dialog that is still up keeps the next call from opening a second one.
func platformKeychain(o KeychainOptions) keychain {
	busy := make(chan struct{}, 1)
	ask := func(ctx context.Context, f func() (string, error)) (string, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, o.Prompt, fmt.Errorf("%w, and %w", ErrLocked, errAsked))
		defer cancel()
		select {
		case busy <- struct{}{}:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		done := make(chan answer, 1)
		// Nobody can wait for this goroutine: it ends with the dialog, and leaves its answer where nobody has to take it.
		go func() {
			defer func() { <-busy }()
			key, err := f()
			done <- answer{key, inOurWords(err)}
		}()
		select {
		case a := <-done:
			return a.key, a.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	return keychain{
		get: func(ctx context.Context, identity string) (string, error) {
			return ask(ctx, func() (string, error) {
				b, err := mac.GetGenericPassword(service, identity, "", "") // a missing item is nil without an error
				return string(b), err
			})
		},
		set: func(ctx context.Context, identity, key string) error {
			_, err := ask(ctx, func() (string, error) { return "", store(identity, key) })
			return err
		},
		erase: func(ctx context.Context, identity string) error {
			_, err := ask(ctx, func() (string, error) { return "", erase(identity) })
			return err
		},
		clear: func(ctx context.Context) error {
			_, err := ask(ctx, func() (string, error) {
				identities, err := mac.GetGenericPasswordAccounts(service)
				for _, identity := range identities {
					err = errors.Join(err, erase(identity))
				}
				return "", err
			})
			return err
		},
	}
}

func erase(identity string) error {
	err := mac.DeleteGenericPasswordItem(service, identity)
	if errors.Is(err, mac.ErrorItemNotFound) {
		return nil
	}
	return err
}

// store adds the item or, where there is one, changes it: the system has no call that does either.
func store(identity, key string) error {
	item := mac.NewGenericPassword(service, identity, "Handline: "+identity, []byte(key), "")
	err := mac.AddItem(item)
	if !errors.Is(err, mac.ErrorDuplicateItem) {
		return err
	}
	which := mac.NewItem()
	which.SetSecClass(mac.SecClassGenericPassword)
	which.SetService(service)
	which.SetAccount(identity)
	change := mac.NewItem()
	change.SetData([]byte(key))
	return mac.UpdateItem(which, change)
}

// inOurWords sorts the system's codes. InteractionNotAllowed is a locked keychain that may ask nobody (over ssh, or
// before anybody logged in): it mends itself. A cancelled dialog or a wrong password is an answer.
func inOurWords(err error) error {
	switch {
	case errors.Is(err, mac.ErrorInteractionNotAllowed):
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case errors.Is(err, mac.ErrorUserCanceled), errors.Is(err, mac.ErrorAuthFailed), errors.Is(err, mac.ErrorNoAccessForItem):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.Is(err, mac.ErrorNotAvailable), errors.Is(err, mac.ErrorNoSuchKeychain):
		return fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	return err
}
