package backend

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// One that runs is found behind those that sleep, and a server is asked for many only where a few do not do.
func TestTheNewestThatRuns(t *testing.T) {
	list := func(sleeping int, running ...int) (all []appConversation) {
		for i := range sleeping {
			all = append(all, appConversation{ID: fmt.Sprint("asleep ", i), State: "PAUSED"})
		}
		for _, minute := range running {
			all = append(all, appConversation{ID: fmt.Sprint("running ", minute), State: "RUNNING",
				Updated: moment{time.Date(2026, 1, 1, 9, minute, 0, 0, time.UTC)}})
		}
		return all
	}
	for _, row := range []struct {
		all   []appConversation
		found string
		asked []int
	}{
		{nil, "", []int{10}},
		{list(2, 5, 7, 6), "running 7", []int{10}},
		{list(9), "", []int{10}},
		{list(10, 5), "running 5", []int{10, 100}},
		{list(100, 5), "", []int{10, 100}},
	} {
		var asked []int
		got, err := newest(func(limit int) ([]appConversation, error) {
			asked = append(asked, limit)
			return row.all[:min(limit, len(row.all))], nil
		}, "hands.example")
		require.Equal(t, row.found, got.ID)
		require.Equal(t, row.asked, asked)
		if row.found == "" {
			require.Equal(t, choose("hands.example"), err)
		}
	}
	_, err := newest(func(int) ([]appConversation, error) { return nil, errors.New("down") }, "hands.example")
	require.EqualError(t, err, "down")
}
