package persistence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the child that asks the keychain.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "__secret" {
		// Unlike os.Exit it does not let the race detector sleep for a second.
		syscall.Exit(SecretChild(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const other = "https://example.com"

// requireKey reads a key and compares it.
func requireKey(t *testing.T, s *Secrets, identity, want string) {
	t.Helper()
	got, err := s.Get(t.Context(), identity)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestMemory(t *testing.T) {
	s := Memory()
	requireKey(t, s, server, "")
	require.NoError(t, s.Set(t.Context(), server, " key-1\n"))
	requireKey(t, s, server, "key-1")
	requireKey(t, s, other, "")
	require.NoError(t, s.Delete(t.Context(), server))
	require.NoError(t, s.Delete(t.Context(), server), "a missing key is removed already")
	requireKey(t, s, server, "")
}

func TestSecretsRefuse(t *testing.T) {
	s := Memory()
	for _, key := range []string{"", " \n", "planted\nkey", "planted\x00", "planted\x7f", "planted\xff"} {
		err := s.Set(t.Context(), server, key)
		require.ErrorContains(t, err, "storing the key: the key ", "%q", key)
		require.NotContains(t, err.Error(), "planted")
	}
	for _, identity := range []string{"", "http://a\x00b"} {
		require.ErrorContains(t, s.Set(t.Context(), identity, "key"), "there is no server to keep it for")
		require.ErrorContains(t, s.Delete(t.Context(), identity), "there is no server to keep it for")
		_, err := s.Get(t.Context(), identity)
		require.ErrorContains(t, err, "there is no server to keep it for")
	}
}

func TestTokenFromEnvironment(t *testing.T) {
	s, err := FromEnvironment(" token\n", Memory())
	require.NoError(t, err)
	require.NoError(t, s.Set(t.Context(), other, "stored"))
	requireKey(t, s, server, "token")
	requireKey(t, s, other, "stored")
	requireKey(t, s, "http://third", "")
	requireKey(t, s, server, "token")
	require.ErrorContains(t, s.Set(t.Context(), server, "key"), "storing the key: it comes from HANDLINE_TOKEN; change it there")
	require.ErrorContains(t, s.Delete(t.Context(), server), "it comes from HANDLINE_TOKEN")

	next := Memory()
	s, err = FromEnvironment("", next)
	require.NoError(t, err)
	require.Same(t, next, s)
	_, err = FromEnvironment("planted\nkey", Memory())
	require.ErrorContains(t, err, "reading HANDLINE_TOKEN: the key has characters that no key has")
	require.NotContains(t, err.Error(), "planted")
}

// The keychain is asked again only after failures that bother nobody, or when a person wants it.
func TestSecretsAskOnce(t *testing.T) {
	for _, row := range []struct {
		what  string
		err   error
		again bool // asked by each Get
	}{
		{"a missing key", nil, false},
		{"a refusal", fmt.Errorf("%w: no", ErrDenied), false},
		{"a prompt in vain", fmt.Errorf("%w, and %w", ErrLocked, errAsked), false},
		{"locked, nobody asked", ErrLocked, true},
		{"no keychain yet", ErrNoStore, true},
		{"anything else", errors.New("else"), true},
	} {
		calls := 0
		s := newSecrets(keychain{get: func(context.Context, string) (string, error) { calls++; return "", row.err }})
		for range 3 {
			_, err := s.Get(t.Context(), server)
			require.ErrorIs(t, err, row.err, row.what)
		}
		if row.again {
			require.Equal(t, 3, calls, row.what)
			continue
		}
		require.Equal(t, 1, calls, row.what)
		require.NoError(t, s.AskAgain(t.Context()))
		_, err := s.Get(t.Context(), server)
		require.ErrorIs(t, err, row.err)
		require.Equal(t, 2, calls, row.what)
	}
}

// Who waits for another's prompt may leave.
func TestSecretsWaitWithContext(t *testing.T) {
	asking, unlock := make(chan struct{}), make(chan struct{})
	s := newSecrets(keychain{get: func(context.Context, string) (string, error) { close(asking); <-unlock; return "key", nil }})
	first := make(chan error, 1)
	go func() { _, err := s.Get(t.Context(), server); first <- err }()
	<-asking
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, server)
	require.ErrorIs(t, err, context.Canceled)
	close(unlock)
	require.NoError(t, <-first)
	requireKey(t, s, server, "key")
}
