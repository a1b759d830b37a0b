package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/backend"
	"handline/connection/wire"
)

func TestOneQuestionForAllWhoWantTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lists
		asked := 0
		ask := func(ctx context.Context) ([]backend.Conversation, error) {
			asked++
			select {
			case <-time.After(time.Second):
				return []backend.Conversation{{ID: "c1"}}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		here := question{wire.Target{Server: "http://127.0.0.1:3000"}, "k"}
		var all sync.WaitGroup
		get := func(ctx context.Context, q question, want error) {
			all.Go(func() {
				found, err := l.get(ctx, q, ask)
				require.ErrorIs(t, err, want)
				require.Equal(t, want == nil, len(found) == 1)
			})
			synctest.Wait()
		}
		for range 3 {
			get(t.Context(), here, nil)
		}
		all.Wait()
		require.Equal(t, 1, asked)

		get(t.Context(), here, nil)
		get(t.Context(), question{here.target, "another"}, nil)
		all.Wait()
		require.Equal(t, 3, asked, "a later question is a new one, and so is one with another key")

		impatient, leave := context.WithCancel(t.Context())
		get(impatient, here, context.Canceled)
		get(t.Context(), here, nil)
		get(impatient, here, context.Canceled)
		leave()
		all.Wait()
		require.Equal(t, 5, asked, "who asked has gone, so another asks")

		refused := errors.New("refused")
		ask = func(context.Context) ([]backend.Conversation, error) { time.Sleep(time.Second); return nil, refused }
		get(t.Context(), here, refused)
		get(t.Context(), here, refused)
		all.Wait()
	})
}
