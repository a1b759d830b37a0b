package connection

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection/network"
	"handline/persistence"
)

// postal is messages' life on a machine: what happens, how long after the line before, the states of all messages,
// and what is done for them.
type postal struct{ *life }

func newPostal(t *testing.T) postal { return postal{begin(t, remote)} }

func (p postal) then(after time.Duration, in input, states, effects string) {
	p.t.Helper()
	p.now = p.now.Add(after)
	p.m, p.did = p.m.step(moment{p.now, p.chance}, in)
	require.Equal(p.t, states, p.states())
	require.Equal(p.t, effects, posted(p.did))
}

// waits takes the ticks that are due, until the given time has passed.
func (p postal) waits(d time.Duration, states, effects string) {
	p.t.Helper()
	end, all := p.now.Add(d), []effect{}
	for at := p.m.wakeAt(p.now); !at.IsZero() && !at.After(end); at = p.m.wakeAt(p.now) {
		p.now = at
		p.m, p.did = p.m.step(moment{p.now, p.chance}, tick{})
		all = append(all, p.did...)
		if p.m.phase == Online { // the line is well
			p.m, p.did = p.m.step(moment{p.now, p.chance}, ponged{p.m.session, time.Millisecond})
			all = append(all, p.did...)
		}
	}
	p.now = end
	require.Equal(p.t, states, p.states())
	require.Equal(p.t, effects, posted(all))
}

func (p postal) states() string {
	var out []string
	for _, l := range p.m.outbox.letters {
		out = append(out, l.ID+" "+l.State)
	}
	return strings.Join(out, ", ")
}

func posted(effects []effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case store:
			out = append(out, "store "+e.message.ID)
		case transmit:
			out = append(out, fmt.Sprintf("transmit %s in %d", e.id, e.session))
		case check:
			out = append(out, "look for "+e.id)
		case keep:
			out = append(out, "keep "+e.message.ID)
		case drop:
			out = append(out, "drop "+e.message.ID)
		case listen:
			out = append(out, fmt.Sprintf("listen %t", e.on))
		}
	}
	return strings.Join(out, ", ")
}

func (p postal) message(id, text string) Send {
	return Send{persistence.Message{ID: id, Identity: remote.Identity(), Conversation: "c1", Text: text, At: p.now, State: Queued}}
}

func heardSaying(text string) said {
	return said{identity: remote.Identity(), conversation: "c1", text: text, kept: true}
}

// sent brings one message out on a line that is up.
func (p postal) sent(id, text string) {
	p.t.Helper()
	p.then(0, p.message(id, text), id+" sending", "store "+id+", listen true")
	p.then(0, written{session: p.m.session, id: id, after: "7", first: true}, id+" sending", fmt.Sprintf("transmit %s in %d", id, p.m.session))
}

// again breaks the line and brings it back.
func (p postal) again(states string) {
	p.t.Helper()
	p.then(0, failed(p.m.session, network.Reset), states, "")
	for !p.m.live {
		p.now = p.m.wakeAt(p.now)
		p.m, _ = p.m.step(moment{p.now, p.chance}, tick{})
	}
	p.m, p.did = p.m.step(moment{p.now, p.chance}, ready{session: p.m.session})
}

func TestAMessageGoesOutAndComesBack(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	require.Equal(t, 1, p.m.snapshot().Queued)
	p.then(0, answered{session: 1, id: "1", state: Accepted}, "1 accepted", "")
	p.then(0, heardSaying("something else"), "1 accepted", "")
	p.then(0, heardSaying("hello"), "1 confirmed", "drop 1, listen false")
	require.Zero(t, p.m.snapshot().Queued)
}

func TestMessagesGoOneAtATimeAndInOrder(t *testing.T) {
	p := newPostal(t)
	p.then(0, p.message("1", "one"), "1 queued", "")
	p.then(0, p.message("2", "two"), "1 queued, 2 queued", "")
	p.up()
	require.Equal(t, "1 sending, 2 queued", p.states(), "the line is there")
	p.then(0, written{session: 1, id: "1", first: true}, "1 sending, 2 queued", "transmit 1 in 1")
	p.then(time.Second, tick{}, "1 sending, 2 queued", "")
	p.then(0, heardSaying("one"), "1 confirmed, 2 sending", "drop 1, store 2")
	p.then(0, written{session: 1, id: "2", first: true}, "1 confirmed, 2 sending", "transmit 2 in 1")
	p.then(0, heardSaying("two"), "1 confirmed, 2 confirmed", "drop 2, listen false")
}

func TestNothingGoesOutWhileTheLineCatchesUp(t *testing.T) {
	p := newPostal(t)
	p.then(0, p.message("1", "one"), "1 queued", "")
	p.then(0, Connect{}, "1 queued", "")
	p.then(0, opened{session: 1}, "1 queued", "")
	p.then(0, ready{session: 1, syncing: true}, "1 queued", "")
	p.then(time.Minute, news{session: 1, heard: p.now, syncing: true}, "1 queued", "")
	p.then(0, news{session: 1, heard: p.now}, "1 sending", "store 1, listen true")
}

func TestACutInFlightIsLookedInto(t *testing.T) {
	for name, c := range map[string]struct {
		result  result
		states  string
		effects string
	}{
		"it had not":            {absent, "1 sending", "store 1"},
		"nobody can tell":       {blind, "1 unknown", "keep 1"},
		"the history is silent": {unanswered, "1 sending", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPostal(t)
			p.up()
			p.sent("1", "hello")
			p.again("1 sending")
			require.Empty(t, posted(p.did), "never twice without a look")
			p.waits(settleTime-time.Millisecond, "1 sending", "")
			p.waits(time.Millisecond, "1 sending", "look for 1")
			p.then(0, checked{session: 2, id: "1", result: c.result}, c.states, c.effects)
			switch c.result {
			case absent:
				p.then(0, written{session: 2, id: "1", after: "7"}, "1 sending", "transmit 1 in 2")
			case unanswered:
				p.waits(tryAgain, "1 sending", "look for 1")
			}
		})
	}
}

func TestAnEchoInTheReplaySavesTheLook(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.then(0, failed(1, network.Reset), "1 sending", "")
	p.then(time.Second, tick{}, "1 sending", "")
	p.then(0, heardSaying("hello"), "1 confirmed", "drop 1")
}

func TestAMinuteWithoutAnEchoIsLookedInto(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.then(0, p.message("2", "more"), "1 sending, 2 queued", "")
	p.waits(confirmTime-time.Millisecond, "1 sending, 2 queued", "")
	p.waits(time.Millisecond, "1 sending, 2 queued", "look for 1")
	p.then(0, checked{session: 1, id: "1", result: absent}, "1 unknown, 2 sending", "keep 1, store 2")
	require.Equal(t, 1, p.m.snapshot().Undecided)
	p.then(0, heardSaying("hello"), "1 confirmed, 2 sending", "drop 1")
}

func TestAMessageThatWaitedLongWantsAWord(t *testing.T) {
	p := newPostal(t)
	p.then(0, p.message("1", "old"), "1 queued", "")
	p.now = p.now.Add(time.Hour)
	p.then(0, p.message("2", "new"), "1 queued, 2 queued", "")
	p.now = p.now.Add(time.Second)
	p.up()
	require.Equal(t, "1 held, 2 sending", p.states())
	p.then(0, written{session: 1, id: "2", first: true}, "1 held, 2 sending", "transmit 2 in 1")
	p.then(0, heardSaying("new"), "1 held, 2 confirmed", "drop 2, listen false")
	p.then(time.Minute, Decide{"1", VerbRetry}, "1 held, 2 confirmed", "")
	p.then(0, Decide{"1", VerbSend}, "1 sending, 2 confirmed", "keep 1, store 1, listen true")
}

func TestARefusedMessageIsRolledBack(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.then(0, answered{session: 1, state: Failed, why: "no"}, "1 failed", "keep 1, listen false")
	p.then(0, answered{session: 1, state: Failed, why: "no"}, "1 failed", "")
	p.then(0, Decide{"1", VerbRetry}, "1 sending", "keep 1, store 1, listen true")
	require.True(t, p.did[1].(store).first, "it is known not to have arrived")
	p.then(0, answered{session: 1, state: Failed, why: "what went before"}, "1 sending", "")
	p.then(0, written{session: 1, id: "1", first: true}, "1 sending", "transmit 1 in 1")
	p.then(0, answered{session: 1, id: "1", state: Failed, why: "no"}, "1 failed", "keep 1, listen false")
	p.then(0, Decide{"1", VerbDiscard}, "", "drop 1")
	require.Zero(t, p.m.snapshot().Undecided)
}

func TestAComplaintAboutNothingInParticular(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.then(0, answered{session: 1, id: "1", state: Accepted}, "1 accepted", "")
	p.then(0, answered{session: 1, state: Unknown, why: "no"}, "1 accepted", "")
	p.then(0, heardSaying("hello"), "1 confirmed", "drop 1, listen false")
	p.then(0, answered{session: 1, state: Unknown, why: "no"}, "1 confirmed", "")
}

func TestAComplaintMeansTheMessageInFlight(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.then(0, answered{session: 1, state: Unknown, why: "no"}, "1 unknown", "keep 1")
}

func TestAPersonChecksAndRetriesWhatIsUnknown(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.waits(confirmTime, "1 sending", "look for 1")
	p.then(0, checked{session: 1, id: "1", result: absent}, "1 unknown", "keep 1")
	p.then(0, Decide{"1", VerbCheck}, "1 unknown", "look for 1")
	p.then(0, checked{session: 1, id: "1", result: absent}, "1 unknown", "keep 1")
	p.then(0, Decide{"1", VerbRetry}, "1 queued", "keep 1, look for 1")
	p.then(0, checked{session: 1, id: "1", result: absent}, "1 sending", "store 1")
	p.then(0, written{session: 1, id: "1", after: "7"}, "1 sending", "transmit 1 in 1")
	p.then(0, heardSaying("hello"), "1 confirmed", "drop 1, listen false")
}

func TestWhereNobodyCanLookAPersonDecides(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.again("1 sending")
	p.waits(settleTime, "1 sending", "look for 1")
	p.then(0, checked{session: 2, id: "1", result: blind}, "1 unknown", "keep 1")
	p.then(0, Decide{"1", VerbRetry}, "1 queued", "keep 1, look for 1")
	p.then(0, checked{session: 2, id: "1", result: blind}, "1 sending", "store 1")
}

func TestTwoAlikeNeedTwoEchoes(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "yes")
	p.then(0, p.message("2", "yes"), "1 sending, 2 queued", "")
	p.then(0, heardSaying("yes"), "1 confirmed, 2 sending", "drop 1, store 2")
	p.then(0, heardSaying("yes"), "1 confirmed, 2 sending", "") // not out yet: it was somebody else
	p.then(0, written{session: 1, id: "2", after: "9", first: true}, "1 confirmed, 2 sending", "transmit 2 in 1")
	p.then(0, heardSaying("yes"), "1 confirmed, 2 confirmed", "drop 2, listen false")
}

// One that may have arrived is not taken to be the next one's echo.
func TestAnEchoBelongsToTheOneInFlight(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "yes")
	p.waits(confirmTime, "1 sending", "look for 1")
	p.then(0, checked{session: 1, id: "1", result: absent}, "1 unknown", "keep 1")
	p.then(0, p.message("2", "yes"), "1 unknown, 2 sending", "store 2")
	p.then(0, written{session: 1, id: "2", after: "9", first: true}, "1 unknown, 2 sending", "transmit 2 in 1")
	p.then(0, heardSaying("yes"), "1 unknown, 2 confirmed", "drop 2")
	p.then(0, heardSaying("yes"), "1 confirmed, 2 confirmed", "drop 1, listen false")
}

func TestAFullDiskKeepsAMessageIn(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.then(0, p.message("1", "hello"), "1 sending", "store 1, listen true")
	p.then(0, written{session: 1, id: "1", first: true, why: "It waits for the disk."}, "1 queued", "listen false")
	require.Equal(t, "It waits for the disk.", p.m.outbox.letters[0].Why)
	p.waits(tryAgain, "1 sending", "store 1, listen true")
	p.then(0, written{session: 1, id: "1", first: true}, "1 sending", "transmit 1 in 1")
}

func TestOtherConversationsWait(t *testing.T) {
	p := newPostal(t)
	other := p.message("1", "elsewhere")
	other.Message.Conversation = "c2"
	p.then(0, other, "1 queued", "")
	p.up()
	require.Equal(t, "1 queued", p.states())
	require.Equal(t, 1, p.m.snapshot().Queued)
	there := remote
	there.Conversation = "c2"
	p.then(0, Use{there}, "1 queued", "")
	p.waits(2*time.Second, "1 queued", "")
	p.then(0, ready{session: p.m.session}, "1 sending", "store 1, listen true")
	elsewhere := remote
	elsewhere.Server = "https://other.example.com"
	p.then(0, Use{elsewhere}, "1 sending", "")
	require.Zero(t, p.m.snapshot().Queued, "another server's")
}

func TestALineIsDoubtedAfterASend(t *testing.T) {
	p := newPostal(t)
	p.up()
	p.sent("1", "hello")
	p.then(doubtTime, tick{}, "1 sending", "")
	require.Contains(t, says(p.did), "ping 1")
	require.True(t, p.m.pulse.doubted)
	p.then(doubtfulPing, tick{}, "1 sending", "")
	require.Equal(t, Reconnecting, p.m.status())
}

func TestWhatWasConfirmedIsForgottenInTheEnd(t *testing.T) {
	p := newPostal(t)
	p.up()
	for n := range 2 * keptBehind {
		id := fmt.Sprint(100 + n)
		p.now = p.now.Add(time.Second)
		p.m, _ = p.m.step(moment{p.now, 0}, p.message(id, id))
		p.m, _ = p.m.step(moment{p.now, 0}, written{session: 1, id: id, first: true})
		p.m, _ = p.m.step(moment{p.now, 0}, heardSaying(id))
	}
	require.Len(t, p.m.outbox.letters, keptBehind)
	require.Equal(t, "139", p.m.outbox.letters[keptBehind-1].ID)
}
