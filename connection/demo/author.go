package demo

import "time"

// lines are what the agent says, runs and sees, in turn.
var lines = [...]struct {
	kind kind
	text string
}{
	{said, "Let me read the failing test first."},
	{ran, "go test ./..."},
	{output, "--- FAIL: TestResume (0.02s)\nFAIL"},
	{said, "The cursor is saved too early. I will move it behind the apply step."},
	{ran, "git diff --stat"},
	{output, " resume.go | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)"},
	{said, "Grüße an alle: \"schön\" \\ done? 你好 🚀"},
}

// states are what the agent goes through every ten seconds.
var states = [...]state{working, waiting, working, finished}

// step is the next thing that happens in a conversation.
func (s *Server) step(c *conversation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := lines[c.seq%len(lines)]
	s.add(c, l.kind, l.text, "")
}

// Publish makes n events happen in the first conversation, at once.
func (s *Server) Publish(n int) {
	for range n {
		s.step(s.main)
	}
}

// TurnTo changes the agent's state in the first conversation: working, waiting, finished, paused or error.
func (s *Server) TurnTo(to string) { s.publish(s.main, turned, "", state(to)) }

// author lets the first conversation happen, as fast as the mood has it, whether anybody listens or not.
func (s *Server) author() {
	last, turn := time.Now(), 0
	for {
		mood, changed := s.now()
		var tick <-chan time.Time
		if every := moods[mood].every; every > 0 {
			tick = time.After(every)
		}
		select {
		case <-tick:
			s.step(s.main)
			if time.Since(last) >= 10*time.Second {
				s.publish(s.main, turned, "", states[turn%len(states)])
				last, turn = time.Now(), turn+1
			}
		case <-changed:
		case <-s.done:
			return
		}
	}
}
