package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a keychain may say instead of a key. A missing key is none of these: Get gives "".
var (
	ErrLocked  = errors.New("the keychain is locked")
	ErrDenied  = errors.New("the keychain refused")
	ErrNoStore = errors.New("there is no keychain")
)

// errAsked marks a failure that a person has been asked about: they are not asked again by themselves.
var errAsked = errors.New("you were asked to unlock it")

// service names Handline's items in every keychain; the account of each is a server's identity.
const service = "Handline"

// Secrets keeps one key a server identity. It remembers what it read, so that a keychain is asked at most once a start
// and key, and a person at most once. Its methods may be called from any goroutine; one at a time is at the keychain,
// the others wait, and each ends with its ctx. A keychain may ask the person, so the loop calls none of them.
type Secrets struct {
	keychain keychain
	turn     chan struct{} // holds one token while a call is under way
	known    map[string]answer
	token    *environment // nil: no HANDLINE_TOKEN
}

// keychain is what a platform offers. get gives "" for a missing key; erase and clear do not mind one.
type keychain struct {
	get   func(ctx context.Context, identity string) (string, error)
	set   func(ctx context.Context, identity, key string) error
	erase func(ctx context.Context, identity string) error
	clear func(ctx context.Context) error // erases the keys of all identities
}

type answer struct {
	key string
	err error
}

// environment is HANDLINE_TOKEN: it belongs to the first identity that is asked for.
type environment struct{ key, identity string }

// KeychainOptions are what the platform's keychain needs. The zero value is good.
type KeychainOptions struct {
	// Executable is the program that answers to SecretChild's arguments, used on Linux. "" = this one.
	Executable string
	// Answer is the time a keychain has to answer. 0 = 10 s.
	Answer time.Duration
	// Prompt is the time a person has to unlock it, once it is known to ask. 0 = 60 s.
	Prompt time.Duration
	Log    *slog.Logger // never gets a key; nil: discarded
}

func (o KeychainOptions) filled() KeychainOptions {
	if o.Answer == 0 {
		o.Answer = 10 * time.Second
	}
	if o.Prompt == 0 {
		o.Prompt = 60 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Keychain keeps keys in the system's keychain: the login keychain on macOS, the Secret Service on Linux, the Credential
// Manager on Windows. Nothing is asked before the first call.
func Keychain(o KeychainOptions) *Secrets { return newSecrets(platformKeychain(o.filled())) }

// Memory keeps keys until the process ends: for the demo and for tests.
func Memory() *Secrets {
	keys := map[string]string{} // Secrets lets one call in at a time
	return newSecrets(keychain{
		get:   func(_ context.Context, identity string) (string, error) { return keys[identity], nil },
		set:   func(_ context.Context, identity, key string) error { keys[identity] = key; return nil },
		erase: func(_ context.Context, identity string) error { delete(keys, identity); return nil },
		clear: func(context.Context) error { clear(keys); return nil },
	})
}

// FromEnvironment puts token, the value of HANDLINE_TOKEN, before the keys of s: it is the key of the first identity
// that Get asks for, and of no other. It gives s, and is called before any other use of it. "" changes nothing; a token
// that CleanKey refuses is an error.
func FromEnvironment(token string, s *Secrets) (*Secrets, error) {
	if token == "" {
		return s, nil
	}
	key, err := CleanKey(token)
	if err != nil {
		return nil, fmt.Errorf("reading HANDLINE_TOKEN: %w", err)
	}
	s.token = &environment{key: key}
	return s, nil
}

func newSecrets(k keychain) *Secrets {
	return &Secrets{keychain: k, turn: make(chan struct{}, 1), known: map[string]answer{}}
}

// CleanKey trims a key, and refuses what cannot be one: nothing, and text with control characters. The error holds
// nothing of it.
func CleanKey(key string) (string, error) {
	key = strings.TrimSpace(key)
	switch {
	case key == "":
		return "", errors.New("the key is empty")
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return "", errors.New("the key has characters that no key has; copy it again")
	}
	return key, nil
}

// Get gives the key of a server identity, "" = none is stored. Its errors are ErrLocked, ErrDenied or ErrNoStore where
// one fits. A failure that a person was asked about is given again, without asking, until AskAgain.
func (s *Secrets) Get(ctx context.Context, identity string) (string, error) {
	var a answer
	err := s.alone(ctx, "reading the key", identity, func() error {
		if s.token != nil && (s.token.identity == "" || s.token.identity == identity) {
			s.token.identity = identity
			a = answer{key: s.token.key}
			return nil
		}
		var ok bool
		if a, ok = s.known[identity]; ok {
			return a.err
		}
		key, err := s.keychain.get(ctx, identity)
		if err == nil && key != "" {
			key, err = CleanKey(key)
		}
		a = answer{key, err}
		if err == nil || errors.Is(err, ErrDenied) || errors.Is(err, errAsked) {
			s.known[identity] = a
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return a.key, nil
}

// Set stores the key of a server identity, as CleanKey leaves it.
func (s *Secrets) Set(ctx context.Context, identity, key string) error {
	return s.alone(ctx, "storing the key", identity, func() error {
		key, err := CleanKey(key)
		if err != nil {
			return err
		}
		if err := s.writable(identity); err != nil {
			return err
		}
		delete(s.known, identity)
		if err := s.keychain.set(ctx, identity, key); err != nil {
			return err
		}
		s.known[identity] = answer{key: key}
		return nil
	})
}

// Delete removes the key of a server identity. A missing one is no error.
func (s *Secrets) Delete(ctx context.Context, identity string) error {
	return s.alone(ctx, "removing the key", identity, func() error {
		if err := s.writable(identity); err != nil {
			return err
		}
		delete(s.known, identity)
		return s.keychain.erase(ctx, identity)
	})
}

// DeleteAll removes every key that Handline keeps in the keychain, whatever home or server it is for.
func (s *Secrets) DeleteAll(ctx context.Context) error {
	return s.alone(ctx, "removing the keys", "every key", func() error {
		clear(s.known)
		return s.keychain.clear(ctx)
	})
}

// AskAgain forgets what was read and what failed, so that the next Get asks the keychain, and with it the person. Call it
// after a person did something: another process stored a key, or they want to try once more.
func (s *Secrets) AskAgain(ctx context.Context) error {
	return s.alone(ctx, "asking again", "every key", func() error {
		clear(s.known)
		return nil
	})
}

// writable: a key stored under HANDLINE_TOKEN would not be the one in use.
func (s *Secrets) writable(identity string) error {
	if s.token != nil && s.token.identity == identity {
		return errors.New("it comes from HANDLINE_TOKEN; change it there")
	}
	return nil
}

// alone runs f while no other call is under way. An empty identity is refused before it reaches a keychain: the Mac's
// takes it for any account.
func (s *Secrets) alone(ctx context.Context, doing, identity string, f func() error) error {
	if identity == "" || hasControl(identity) {
		return fmt.Errorf("%s: there is no server to keep it for", doing)
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	defer func() { <-s.turn }()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
