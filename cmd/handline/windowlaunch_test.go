package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
)

func firstLaunch(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	tab.until("document.querySelector('#welcome').checkVisibility()")
	tab.axe("first step")
	tab.enter("#w-server", "openhands.example")
	tab.until("document.querySelector('#w-server-error').textContent.startsWith('Write an address such as')")
	tab.enter("#w-server", "https://nowhere.example")
	tab.press("Enter")
	tab.until("document.querySelector('[data-step=\"1\"] .field-problem').textContent.includes('No server is named nowhere.example')")
	tab.axe("a server that is not there")
	tab.enter("#w-server", demoServer)
	tab.press("Enter")
	tab.until("document.querySelector('#w-key').checkVisibility()")
	tab.axe("second step")
	tab.enter("#w-key", "a-wrong-key")
	tab.press("Enter")
	tab.until("document.querySelector('[data-step=\"2\"] .field-problem').textContent.includes('did not accept your key')")
	tab.enter("#w-key", sceneKey)
	tab.press("Enter")
	tab.until("document.querySelector('#w-talk').checkVisibility() && document.activeElement.id === 'w-talk'")
	tab.axe("third step")
	tab.pick("#w-talk", demo.DefaultConversation)
	tab.click("[data-step='3'] .primary")
	tab.status("connected")
	tab.until("document.querySelector('#overview').checkVisibility()")
	require.Equal(t, demo.DefaultConversation, s.app.settings.now().Conversation)
	require.Empty(t, own(tab.clean()))
}

func demoIsAWayOut(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, nil)
	tab := s.enter(b, "")
	tab.click("[data-is=try-demo]")
	tab.status("connected")
	tab.until("document.querySelector('[data-is=demo]').checkVisibility()")
	tab.axe("the demo")
	require.Empty(t, s.app.settings.now().Server, "nothing of it is stored")
	tab.click("[data-is=leave]")
	tab.until("document.querySelector('#welcome').checkVisibility()")
	require.Empty(t, tab.clean())
}

func windowComesBackAfterARestart(t *testing.T, b *browser) {
	s := newScene(t, demo.Options{}, connected)
	tab := s.enter(b, "")
	tab.status("connected")
	s.end()
	tab.until("document.querySelector('[data-is=status]').textContent === 'Handline is not running'")
	tab.until("/^As of \\d\\d:\\d\\d: Connected/.test(document.querySelector('[data-is=where]').textContent)")
	tab.axe("Handline is not running")
	tab.pane("settings")
	tab.until("document.querySelector('#notice').textContent.includes('not running')")
	tab.pane("overview")
	s.mood(demo.Hang)
	tab.clean() // refused connections are the browser's to tell
	s.start()
	tab.until("document.querySelector('[data-is=facts]').textContent.includes('before this start: ')")
	s.mood(demo.Steady)
	tab.status("connected")
}
