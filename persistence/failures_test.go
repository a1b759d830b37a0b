package persistence

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

func TestFailuresAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, _, err := OpenState(path)
	require.NoError(t, err)
	require.Empty(t, s.Failures())
	require.NoError(t, s.Write(Batch{Failures: Failures{"2026-03-01": {"refused": 2}, "2026-03-02": {"timeout": 1}}}))
	require.NoError(t, s.Write(Batch{Failures: Failures{"2026-03-02": {"refused": 4, "timeout": 1}}}))
	require.NoError(t, s.Close())
	s = openTest(t, path)
	require.Equal(t, Failures{"2026-03-01": {"refused": 2}, "2026-03-02": {"refused": 4, "timeout": 2}}, s.Failures())

	require.NoError(t, s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(failuresBucket)).Put([]byte("2026-03-01"), []byte("{"))
	}))
	require.Equal(t, Failures{"2026-03-02": {"refused": 4, "timeout": 2}}, s.Failures(), "what cannot be read is left out")
	require.NoError(t, s.Write(Batch{Failures: Failures{"2026-03-01": {"refused": 1}}}))
	require.Equal(t, 1, s.Failures()["2026-03-01"]["refused"], "and begins anew")
}

// Days make room for newer ones, and a clock that jumps leaves the state bounded all the same.
func TestFailuresAreBounded(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	first := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	many := Failures{}
	for n := range 2 * failureDays {
		day := first.AddDate(0, 0, n).Format(time.DateOnly)
		many.Add(day, "refused", 1)
		require.NoError(t, s.Write(Batch{Failures: Failures{day: {"refused": 1}}}))
	}
	require.Len(t, s.Failures(), failureDays)
	require.Contains(t, s.Failures(), first.AddDate(0, 0, 2*failureDays-1).Format(time.DateOnly))
	require.NoError(t, s.Write(Batch{Failures: many}))
	require.Len(t, s.Failures(), failureDays)
}
