package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/demo"
	"handline/persistence"
)

// message waits until the newest message that begins with a text is in a state.
func (t *tab) message(text, state string) {
	t.t.Helper()
	t.until(fmt.Sprintf("[...document.querySelectorAll('.messages li')].find(li => li.querySelector('.said').textContent.startsWith(%s))?.querySelector('[data-is=state]').textContent.toLowerCase() === %s", quote(text), quote(strings.ToLower(state))))
}

// decide presses a button of the newest message.
func (t *tab) decide(verb string) { t.t.Helper(); t.click(".messages li [data-verb=" + verb + "]") }

// paste fills the box, as the clipboard would with more than anybody types.
func (t *tab) paste(text string) {
	t.t.Helper()
	t.eval("(box => { box.value = "+quote(text)+"; box.dispatchEvent(new Event('input')) })(document.querySelector('#message'))", nil)
}

func (t *tab) write(text string) {
	t.t.Helper()
	t.enter("#message", text)
	t.send()
}

// send presses Send and waits until Handline has answered: a message may be seen confirmed before.
func (t *tab) send() {
	t.t.Helper()
	t.click("[data-is=send]")
	t.until("(box => !box.readOnly && (!box.value || document.querySelector('.refused').checkVisibility()))(document.querySelector('#message'))")
}

func windowSends(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{Dialect: demo.AgentServer}, connected)
	tab := s.enter(b, "message")
	tab.until("document.activeElement.id === 'message' && location.hash === '#activity'")
	tab.until("document.querySelector('#message-to').textContent === 'To Demo 1'")
	require.True(t, tab.is("document.querySelector('[data-is=send]').disabled"), "there is nothing to send")
	tab.axe("nothing was sent yet")

	tab.do("Input.insertText", map[string]any{"text": "First line\nsecond line"})
	tab.chord("Enter", 2) // Ctrl
	tab.message("First line", "Confirmed")
	tab.until("!document.querySelector('#message').value && document.activeElement.id === 'message'") // one goes on writing
	for n := range 4 {
		tab.write(fmt.Sprintf("more %d", n))
		tab.message(fmt.Sprintf("more %d", n), "Confirmed")
	}
	tab.until("document.querySelectorAll('.messages li').length === 3")
	require.Equal(t, "Show 2 More Confirmed", tab.text("[data-is=older]"))
	tab.axe("confirmed")
	tab.click("[data-is=older]")
	tab.until("document.querySelectorAll('.messages li').length === 5")

	// A text that waits is nobody's to lose: not by another pane, a reload, a refusal.
	tab.enter("#message", "half a thought")
	tab.pane("settings")
	tab.pane("activity")
	require.Equal(t, "half a thought", tab.value("#message"))
	tab.eval("window.old = true; location.reload()", nil)
	tab.until("!window.old && " + ready + " && document.querySelector('#message').value === 'half a thought'")
	tab.until("!document.querySelector('[data-is=send]').disabled")
	again := s.enter(b, "activity")
	again.until("document.querySelector('#message').value === 'half a thought'")

	s.mood(demo.Declining)
	tab.send()
	tab.message("half a thought", "Failed")
	tab.until("document.querySelector('.messages .became').innerText.includes('The server did not take it')")
	tab.axe("failed")
	tab.decide("edit")
	tab.until("document.querySelector('#message').value === 'half a thought' && document.activeElement.id === 'message'")
	s.mood(demo.Steady)
	tab.send()
	tab.message("half a thought", "Confirmed")
	require.Empty(t, tab.clean())
}

func windowKeepsWhatCannotBeSentYet(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "activity")
	tab.until("document.querySelector('#message-to').textContent === 'To Demo 1'")
	s.do(connection.Disconnect{})
	tab.until("document.querySelector('#message-to').textContent.includes('waits in the outbox')")
	tab.write("while away")
	tab.message("while away", "Queued")
	require.Contains(t, tab.text(".messages .became"), "It will be sent when the line returns.")
	tab.axe("queued")
	tab.decide("discard")
	tab.until("document.querySelector('[data-is=messages]').hidden")

	// Each state that wants a person's word, with its words and its buttons.
	m := persistence.Message{Identity: demoServer, Conversation: demo.DefaultConversation, At: time.Now().Add(-2 * time.Hour)}
	var put []persistence.Message
	for _, state := range []string{connection.Held, connection.Unknown, connection.Failed} {
		m.State, m.Text, m.Tried = state, "It is "+state, state == connection.Unknown
		m.Why = map[string]string{connection.Held: "It waited for more than an hour.", connection.Failed: "The server did not take it: no."}[state]
		put = append(put, m)
	}
	put = append(put, persistence.Message{Identity: demoServer, Conversation: otherTalk, At: time.Now(), State: connection.Queued,
		Text: strings.Repeat("A long one, for another conversation. ", 40)})
	s.end()
	s.store(put...)
	tab.until("document.querySelector('#message-to').textContent.startsWith('Handline is not running')")
	tab.enter("#message", "typed into the void")
	require.True(t, tab.is("document.querySelector('[data-is=send]').disabled"))
	s.start()
	tab.until("!document.querySelector('#message-to').textContent.startsWith('Handline is not running')")
	tab.clean() // refused connections are the browser's to tell
	for state, verbs := range map[string]string{"Held": "Send,Discard", "Unknown": "Check,Retry,Discard", "Failed": "Retry,Edit,Discard"} {
		tab.message("It is "+strings.ToLower(state), state)
		var got string
		tab.eval("[...[...document.querySelectorAll('.messages li')].find(li => li.querySelector('[data-is=state]').textContent === "+quote(state)+").querySelectorAll('.buttons button')].map(b => b.textContent).join()", &got)
		require.Equal(t, verbs, got)
	}
	require.Contains(t, tab.text(".messages li"), "For "+otherTalk+".")
	tab.axe("what wants a person's word")
	tab.click(".messages [data-is=whole]")
	require.Greater(t, len(tab.text(".messages .said")), 1400)
	require.Equal(t, "typed into the void", tab.value("#message"))
	tab.until("!document.querySelector('[data-is=send]').disabled")
	s.do(connection.Connect{})
	tab.status("connected")
	for _, verb := range []string{"send", "check"} {
		tab.decide(verb)
	}
	tab.message("It is held", "Confirmed")
	tab.until("document.querySelector('.messages').innerText.includes('history does not have it')") // V0 has one to look into
	tab.click(".messages li:has([data-verb=check]) [data-verb=retry]")
	tab.message("It is unknown", "Confirmed")
	tab.click(".messages li:has([data-verb=edit]) [data-verb=retry]")
	tab.message("It is failed", "Confirmed")

	// Too long, and then no room for one more: the words say so, and the text stays.
	s.do(connection.Disconnect{})
	for _, c := range []struct {
		size int
		says string
	}{{1100000, "The message is too long"}, {900000, ""}, {900001, "The outbox is full"}} {
		tab.paste(strings.Repeat("x", c.size))
		tab.send()
		if c.says == "" {
			tab.message("xxx", "Queued")
			continue
		}
		tab.until("document.querySelector('.refused').innerText.includes(" + quote(c.says) + ")")
		require.Contains(t, tab.text(".refused"), "Your text is still here.")
		require.True(t, tab.is(fmt.Sprintf("document.querySelector('#message').value.length === %d", c.size)))
	}
	tab.axe("no room")
	tab.paste("short")
	tab.until("!document.querySelector('.refused').checkVisibility()")
	require.Empty(t, own(tab.clean()))
}

func windowSaysWhatItWantsBeforeItSends(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "message")
	tab.until("document.querySelector('[data-is=no-server]').checkVisibility() && document.activeElement.dataset.is === 'set-up'")
	require.False(t, tab.is("document.querySelector('#message').checkVisibility()"))
	tab.axe("no server")
	tab.click("[data-is=set-up]")
	tab.until("document.activeElement.id === 'f-server'")
	tab.enter("#f-server", demoServer)
	tab.press("Enter")
	tab.pane("activity")
	tab.until("document.querySelector('#message-to').textContent.startsWith('No conversation yet')")
	tab.write("to whom?")
	tab.until("document.querySelector('.refused').innerText.includes('No conversation is chosen')")
	require.Equal(t, "to whom?", tab.value("#message"))
	tab.axe("no conversation")
}

// The page has the outbox's words in JavaScript, and the command line has them in Go; both must stay the same.
func windowAndCommandLineShareTheirWords(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	for _, state := range []string{connection.Queued, connection.Sending, connection.Accepted, connection.Confirmed, connection.Failed, connection.Held, connection.Unknown} {
		for _, why := range []string{"", "The server did not take it: no."} {
			for _, up := range []bool{true, false} {
				m := connection.Message{Message: persistence.Message{State: state, Why: why}}
				raw, err := json.Marshal(m)
				require.NoError(t, err)
				var got string
				tab.eval(fmt.Sprintf("import('./words.js').then(w => w.state(%s) + '. ' + w.became(%s, %t))", quote(state), raw, up), &got)
				require.Equal(t, became(m, up), got)
			}
		}
	}
}

// is asks the page something that is true or false now.
func (t *tab) is(js string) (yes bool) {
	t.t.Helper()
	t.eval("Boolean("+js+")", &yes)
	return yes
}
