//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"handline/connection/demo"
	"handline/persistence"
)

// The window before real servers: what the demo plays, they are. Each pane, a message there and back, and a crash.
func TestWindowBeforeRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("short: real servers take a while to start")
	}
	b := newBrowser(t)
	for name, hears := range map[string]func(t *testing.T) hearer{"npm socket.io": nodeHearer, "python-socketio": pythonHearer, "agent-server": agentHearer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hears(t)
			s := newScene(t, demo.Options{}, func(v *persistence.Config) {
				connected(v)
				v.Server, v.Conversation = h.url, h.conversation
			})
			tab := s.enter(b, "")
			tab.status("connected")
			tab.likeTheMenu(s)
			tab.axe("overview")

			tab.pane("diagnostics")
			tab.click("[data-is=run]")
			tab.until("document.querySelector('#diagnostics [data-is=summary]').textContent === 'All systems operational'")
			tab.axe("diagnostics")

			tab.pane("activity")
			tab.write("Hello from the window")
			tab.message("Hello from the window", "Confirmed")
			require.Equal(t, 1, count(h.said(), "Hello from the window"))
			tab.axe("activity")

			tab.pane("settings")
			tab.until(hasList + " && document.querySelectorAll('#f-talk option').length > 1")
			tab.axe("settings")

			tab.pane("overview")
			tab.click("[data-is=disconnect]")
			tab.status("disconnected")
			tab.click("[data-is=mend]")
			tab.status("connected")
			if h.restart != nil {
				h.restart()
				tab.click("[data-is=mend]") // Reconnect Now
				tab.status("connected")
				require.Equal(t, 1, count(h.said(), "Hello from the window"), "a crash doubles nothing")
			}
			tab.staysHome(s)
			require.Empty(t, own(tab.clean()))
		})
	}
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}
