package tray

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/assets"
	"handline/connection"
	"handline/connection/network"
)

// recorder is a bar that remembers. Run's goroutine writes it; tests read it when everything is at rest.
type recorder struct {
	views  []View
	clicks chan Click

	mu    sync.Mutex // notices also come by timers, which order nothing between the two
	given []Notice
}

func (r *recorder) notices() []Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.given)
}

func (r *recorder) Show(v View) { r.views = append(r.views, v) }
func (r *recorder) Notify(n Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = append(r.given, n)
}
func (r *recorder) Clicks() <-chan Click { return r.clicks }

// rig runs Run with a line that is fed by hand.
type rig struct {
	*recorder
	snapshots chan connection.Snapshot
	prefs     chan Prefs
	woke      chan struct{}
	done      []connection.Command
	acted     []Click
	told      []Notice
}

func newRig() *rig {
	return &rig{recorder: &recorder{clicks: make(chan Click)}, snapshots: make(chan connection.Snapshot), prefs: make(chan Prefs), woke: make(chan struct{})}
}

func (r *rig) run(ctx context.Context) {
	line := Line{
		Watch: func(ctx context.Context) iter.Seq[connection.Snapshot] {
			return func(yield func(connection.Snapshot) bool) {
				for {
					select {
					case s := <-r.snapshots:
						if !yield(s) {
							return
						}
					case <-ctx.Done():
						return
					}
				}
			}
		},
		Do: func(_ context.Context, c connection.Command) error { r.done = append(r.done, c); return nil },
	}
	Run(ctx, r, line, Options{Prefs: Prefs{Notify: all}, Changed: r.prefs, Woke: r.woke,
		Act:  func(c Click) { r.acted = append(r.acted, c) },
		Told: func(n Notice) { r.told = append(r.told, n) }})
}

// inBubble runs the rig in virtual time, and fails if Run leaves a goroutine behind.
func inBubble(t *testing.T, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRig()
		ended := make(chan struct{})
		go func() { r.run(ctx); close(ended) }()
		f(t, r)
		cancel()
		<-ended
	})
}

func TestRunShowsOnlyWhatDiffers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := up("working")
		for range 1000 {
			s.Events++
			s.LastHeard = time.Now()
			r.snapshots <- s
		}
		synctest.Wait()
		require.Len(t, r.views, 1, "counters are not in the view")
		s.Agent = "waiting"
		r.snapshots <- s
		r.prefs <- Prefs{Window: true}
		synctest.Wait()
		require.Len(t, r.views, 3)
		require.False(t, r.views[2].Rows[RowDiagnose].Hidden)
		require.Equal(t, assets.Connected, r.views[2].Icon)
	})
}

func TestRunWakesForAlerts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.snapshots <- up("")
		r.snapshots <- down()
		time.Sleep(outageAfter - time.Millisecond)
		synctest.Wait()
		require.Empty(t, r.notices())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Len(t, r.notices(), 1)
		require.Equal(t, "Connection lost", r.notices()[0].Title)
		require.Equal(t, r.notices(), r.told)
	})
}

func TestRunIsToldOfAWake(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.snapshots <- up("")
		r.woke <- struct{}{}
		r.snapshots <- down()
		time.Sleep(wakeQuiet - time.Millisecond)
		synctest.Wait()
		require.Empty(t, r.notices())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Len(t, r.notices(), 1)
	})
}

func TestClicksBecomeCommands(t *testing.T) {
	look := connection.Look{For: 30 * time.Second}
	for _, c := range []struct {
		click Click
		want  []connection.Command
		acted []Click
	}{
		{Click{Action: Connect}, []connection.Command{connection.Connect{}, look}, nil},
		{Click{Action: Cancel}, []connection.Command{connection.Disconnect{}, look}, nil},
		{Click{Action: Disconnect}, []connection.Command{connection.Disconnect{}, look}, nil},
		{Click{Action: Reconnect}, []connection.Command{connection.Reconnect{}, look}, nil},
		{Click{Action: Resume}, []connection.Command{connection.Connect{Wake: true}, look}, nil},
		{Click{Action: Choose, Arg: "c1"}, []connection.Command{look}, []Click{{Action: Choose, Arg: "c1"}}},
		{Click{Action: Quit}, []connection.Command{look}, []Click{{Action: Quit}}},
		{Click{Action: Tap}, []connection.Command{look}, []Click{{Action: EnterKey}}},
		{Click{Action: Nothing}, nil, nil},
	} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.snapshots <- broken(network.Auth)
			r.clicks <- c.click
			synctest.Wait()
			require.Equal(t, c.want, r.done)
			require.Equal(t, c.acted, r.acted)
		})
	}
}

func TestRunEndsWithTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		Run(t.Context(), &recorder{}, Line{Watch: func(context.Context) iter.Seq[connection.Snapshot] {
			return func(func(connection.Snapshot) bool) {}
		}}, Options{})
	})
}
