package diagnostics_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/connection/wire"
	"handline/diagnostics"
	"handline/persistence"
)

// slow finds something each second, three times, and says how many examinations ran at once.
type slow struct {
	mu              sync.Mutex
	running, most   int
	begun, finished int
	notes           []persistence.Entry
}

func (s *slow) examine(ctx context.Context, each func(diagnostics.Finding)) diagnostics.Report {
	s.mu.Lock()
	s.begun++
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	r := diagnostics.Report{Server: "http://server.example/prefix", Summary: "Issues detected: Server is unreachable"}
	for _, name := range []string{"link", "dns", "tcp"} {
		f := diagnostics.Finding{Name: name, Outcome: diagnostics.Failed, Code: network.Refused, Saw: "Nothing is listening"}
		select {
		case <-time.After(time.Second):
			r.Findings = append(r.Findings, f)
			each(f)
		case <-ctx.Done():
			return r
		}
	}
	s.mu.Lock()
	s.finished++
	s.mu.Unlock()
	return r
}

func (s *slow) rounds() *diagnostics.Rounds {
	return diagnostics.NewRounds(s.examine, func(e persistence.Entry) { s.notes = append(s.notes, e) })
}

// The timeline names a server as its key and its cursors do.
func TestOneRuleSaysWhichServerItIs(t *testing.T) {
	for _, server := range []string{"", "http://127.0.0.1:3000", "https://openhands.example/prefix", "http://[::1]:3000", "nothing", "http://%zz"} {
		require.Equal(t, wire.Target{Server: server}.Identity(), persistence.Origin(server), server)
	}
}

func TestALatecomerHearsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slow
		rounds := s.rounds()
		var both sync.WaitGroup
		join := func(heard *int) {
			r, err := rounds.Join(t.Context(), func(diagnostics.Finding) error { *heard++; return nil })
			require.NoError(t, err)
			require.Len(t, r.Findings, 3)
		}
		var first, second int
		both.Go(func() { join(&first) })
		time.Sleep(2500 * time.Millisecond)
		both.Go(func() { join(&second) })
		both.Wait()
		require.Equal(t, []int{3, 3}, []int{first, second})
		require.Equal(t, 1, s.begun)
		require.Equal(t, "Issues detected: Server is unreachable", rounds.Last().Summary)
		require.Len(t, s.notes, 1)
		require.Equal(t, persistence.Entry{Kind: "diagnosis", Server: "http://server.example", Cause: "refused",
			Text: "Diagnosis: Nothing is listening"}, s.notes[0])
	})
}

func TestNobodyLeftEndsTheExamination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slow
		rounds := s.rounds()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		_, err := rounds.Join(ctx, func(diagnostics.Finding) error { return nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, s.running, "who leaves last waits for the end")
		require.Nil(t, rounds.Last())
		require.Empty(t, s.notes, "what was cut short is no diagnosis")

		gone := errors.New("the reader has gone")
		_, err = rounds.Join(t.Context(), func(diagnostics.Finding) error { return gone })
		require.ErrorIs(t, err, gone)
		r, err := rounds.Join(t.Context(), func(diagnostics.Finding) error { return nil })
		require.NoError(t, err)
		require.Len(t, r.Findings, 3)
		require.Equal(t, 1, s.most)
		require.Equal(t, 3, s.begun)
		require.Equal(t, 1, s.finished)
	})
}
