package connection

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
)

const fleet = 100_000

// TestStorm lets a fleet lose its server in the same instant and counts who dials when. Peers that clamp their jitter
// send nearly everybody in the same 10 ms once they have reached the cap.
func TestStorm(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	stable := newMachine(remote, Retry{}, Heartbeat{}, morning)
	for _, in := range []input{Connect{}, ready{session: 1}} {
		stable, _ = stable.step(moment{morning, 0.5}, in)
	}
	lost := morning.Add(time.Hour)

	first := map[int64]int{}
	for range fleet {
		m, _ := stable.step(moment{lost, dice.Float64()}, failed(1, network.Reset))
		first[m.wakeAt(lost).Sub(lost).Milliseconds()/100]++
	}
	var shape []string
	for slot := range int64(20) {
		shape = append(shape, fmt.Sprintf("%.1f", 100*float64(first[slot])/fleet))
	}
	t.Attr("busiest-100ms-percent", fmt.Sprintf("%.1f", 100*busiest(first)))
	t.Attr("percent-per-100ms", strings.Join(shape, " "))
	require.LessOrEqual(t, busiest(first), 0.056, "share of the fleet in the busiest 100 ms of the first retry")

	for attempt := 2; attempt <= 10; attempt++ {
		at := map[int64]int{}
		for range fleet {
			delay := Retry{}.orDefaults().rung(attempt, dice.Float64())
			at[delay.Milliseconds()/10]++
		}
		limit := 0.01
		if attempt < 5 {
			limit = 0.02 // a second or two cannot be spread over more slots
		}
		t.Attr(fmt.Sprintf("busiest-10ms-percent-of-retry-%d", attempt), fmt.Sprintf("%.2f", 100*busiest(at)))
		require.LessOrEqual(t, busiest(at), limit, "share in the busiest 10 ms of retry %d", attempt)
	}
}

func busiest(slots map[int64]int) float64 {
	most := 0
	for _, n := range slots {
		most = max(most, n)
	}
	return float64(most) / fleet
}
