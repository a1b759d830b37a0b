package tray

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"handline/assets"
	"handline/connection"
	"handline/connection/network"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func why(c network.Cause, text, advice string) connection.Why {
	return connection.Why{Code: c, Text: text, Advice: advice}
}

// life is every state that people can meet, in the order in which they might.
func life() []struct {
	name string
	s    connection.Snapshot
} {
	base := connection.Snapshot{Server: "http://localhost:3000", Conversation: "c-81f2", Title: "Fix the flaky test", MaxAttempts: 10}
	with := func(f func(*connection.Snapshot)) connection.Snapshot {
		s := base
		f(&s)
		return s
	}
	failed := func(c network.Cause, text, advice string) connection.Snapshot {
		return with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Text, s.Cause, s.Wanted = connection.Error, connection.Stuck, "Error: "+text, why(c, text, advice), true
		})
	}
	return []struct {
		name string
		s    connection.Snapshot
	}{
		{"not set up", connection.Snapshot{Status: connection.Disconnected, Text: "Disconnected", Cause: why(network.NotSetUp, "No server is set up", "Name a server in Settings.")}},
		{"disconnected", with(func(s *connection.Snapshot) { s.Status, s.Text = connection.Disconnected, "Disconnected" })},
		{"connecting", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Text = connection.Connecting, connection.Dialing, "Connecting..."
		})},
		{"connected, first moment", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Text = connection.Connected, connection.Online, "Connected"
		})},
		{"connected, good", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Text, s.Quality, s.RTT, s.Agent = connection.Connected, connection.Online, "Connected", connection.Good, 184, "waiting"
		})},
		{"connected, poor", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Text, s.Quality, s.RTT, s.Queued = connection.Connected, connection.Online, "Connected", connection.Poor, 740, 2
		})},
		{"reconnecting", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Text, s.Attempt = connection.Reconnecting, connection.Waiting, "Reconnecting (3/10)...", 3
			s.Cause, s.RetryAt = why(network.Timeout, "Nothing answered in time", "Check that the server is on."), noon.Add(7*time.Second)
		})},
		{"given up", with(func(s *connection.Snapshot) {
			s.Status, s.Phase = connection.Error, connection.Waiting
			s.Cause = why(network.Refused, "Nothing is listening at localhost:3000", "Start OpenHands, or check the port in Settings.")
			s.Text, s.RetryAt = "Error: "+s.Cause.Text, noon.Add(time.Minute)
		})},
		{"wrong key", failed(network.Auth, "The server did not accept your key", "Enter a new key.")},
		{"captive portal", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.Portal, s.Wanted = connection.Error, connection.Captive, "http://probe.example/", true
			s.Cause = why(network.Captive, "This network wants you to log in", "Log in to the network. Handline reconnects by itself.")
			s.Text = "Error: " + s.Cause.Text
		})},
		{"captive portal, no page known", with(func(s *connection.Snapshot) {
			s.Status, s.Phase, s.RetryAt, s.Wanted = connection.Error, connection.Waiting, noon.Add(time.Minute), true
			s.Cause = why(network.Captive, "This network wants you to log in", "Log in to the network. Handline reconnects by itself.")
			s.Text = "Error: " + s.Cause.Text
		})},
		{"asleep", failed(network.Asleep, "This conversation is asleep", "Resume it when you need it.")},
		{"plaintext", failed(network.Plaintext, "Your key would travel unencrypted", "Use https, or allow it on this network.")},
	}
}

func everything() Prefs {
	return Prefs{Version: "0.1", Window: true, Outbox: true, LoginItem: true, AtLogin: true, Muted: true,
		Hint: "Handline runs from a disk image: move it to Applications.", Conversations: []Conversation{
			{ID: "c-81f2", Title: "Fix the flaky test", State: "running"}, {ID: "c-7700", State: "asleep"},
		}}
}

// The menu of every state, whole, twice: as bare as it can be, and with everything in it.
func TestMenuOfEveryState(t *testing.T) {
	var b strings.Builder
	for _, l := range life() {
		fmt.Fprintf(&b, "== %s\n%s", l.name, text(Render(l.s, Prefs{Version: "0.1"}, noon)))
	}
	fmt.Fprintf(&b, "== with everything in it\n%s", text(Render(life()[4].s, everything(), noon)))
	const golden = "testdata/menus.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

// text draws a view as a person would see it.
func text(v View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "icon %s\ntip  %s\n", v.Icon, v.Tooltip)
	for i, r := range v.Rows {
		id := RowID(i)
		if id.Opens() {
			b.WriteString("  ──\n")
		}
		if r.Hidden {
			continue
		}
		mark, end := "  ", ""
		switch {
		case r.Checked:
			mark = "✓ "
		case r.Disabled:
			mark = "· "
		}
		if id.Inside() {
			mark = "    " + mark
		}
		if id == RowConversation {
			end = " ▸"
		}
		fmt.Fprintf(&b, "%s%s%s\n", mark, r.Label, end)
	}
	return b.String()
}

func TestFirstRowThatCanBeChosenMends(t *testing.T) {
	for _, l := range life() {
		for _, p := range []Prefs{{}, everything()} {
			v := Render(l.s, p, noon)
			require.False(t, v.Rows[RowMend].Hidden || v.Rows[RowMend].Disabled, l.name)
			require.NotEqual(t, Nothing, v.Rows[RowMend].Action, l.name)
		}
	}
}

// The icon's click mends; where there is nothing to mend it opens the window; it never takes a line away.
func TestClickOnTheIconNeverHangsUp(t *testing.T) {
	want := map[string]Action{
		"not set up": SetUp, "disconnected": Connect, "connecting": OpenWindow, "connected, first moment": OpenWindow,
		"connected, good": OpenWindow, "connected, poor": OpenWindow, "reconnecting": Reconnect, "given up": Reconnect,
		"wrong key": EnterKey, "captive portal": OpenLogin, "captive portal, no page known": Reconnect, "asleep": Resume, "plaintext": SetUp,
	}
	for _, l := range life() {
		require.Equal(t, want[l.name], Mending(l.s), l.name)
	}
}

func TestIcons(t *testing.T) {
	want := map[string]assets.Icon{
		"disconnected": assets.Disconnected, "connecting": assets.Connecting, "connected, good": assets.Connected,
		"connected, poor": assets.Poor, "reconnecting": assets.Reconnecting, "wrong key": assets.Error,
	}
	for _, l := range life() {
		if icon, ok := want[l.name]; ok {
			require.Equal(t, icon, Render(l.s, Prefs{}, noon).Icon, l.name)
		}
	}
	for _, i := range assets.Icons() {
		require.NotEmpty(t, i.PNG())
		require.NotEmpty(t, i.Template())
		require.NotEmpty(t, i.ICO())
	}
	require.True(t, Render(life()[4].s, Prefs{Monochrome: true}, noon).Template)
}

// No group between two lines may ever be empty: a line cannot be hidden.
func TestNoGroupIsEverEmpty(t *testing.T) {
	for _, l := range life() {
		v := Render(l.s, Prefs{}, noon)
		seen := 0
		for i, r := range v.Rows {
			id := RowID(i)
			if id.Opens() {
				require.NotZero(t, seen, "above row %d: %s", id, l.name)
				seen = 0
			}
			if !id.Inside() && !r.Hidden {
				seen++
			}
		}
		require.NotZero(t, seen)
	}
}

func TestServerTextIsCleanedAndCut(t *testing.T) {
	for in, want := range map[string]string{
		"two\nlines\tand a tab":     "two lines and a tab",
		"evil\u202egnp.exe":         "evilgnp.exe",
		"bell\x07 and \x1b[31mred":  "bell and [31mred",
		"  spread \u2028 out  ":     "spread out",
		"a\u200bb\ufeffc\u2066d":    "abcd",
		"bad\xff utf8":              "bad utf8",
		"family 👩\u200d👧 and build": "family 👩\u200d👧 and build",
	} {
		require.Equal(t, want, clean(in))
	}
	s := life()[4].s
	s.Title = strings.Repeat("wörd ", 40)
	v := Render(s, Prefs{Version: strings.Repeat("9", 99), Conversations: []Conversation{{ID: "x", Title: s.Title, State: strings.Repeat("s", 99)}}}, noon)
	for i, r := range v.Rows {
		require.LessOrEqual(t, utf8.RuneCountInString(r.Label), 60, "row %d", i)
	}
	require.True(t, strings.HasSuffix(v.Rows[RowConversation].Label, "…"))
	s.Status, s.Cause.Text = connection.Error, strings.Repeat("x", 500)
	s.Text = "Error: " + s.Cause.Text
	require.LessOrEqual(t, utf8.RuneCountInString(Render(s, Prefs{}, noon).Tooltip), 120)
}

func TestMoreConversationsThanSlots(t *testing.T) {
	p := everything()
	for i := range 30 {
		p.Conversations = append(p.Conversations, Conversation{ID: fmt.Sprint(i)})
	}
	v := Render(life()[4].s, p, noon)
	require.Equal(t, Choose, v.Rows[RowCopyID-1].Action)
	require.Equal(t, CopyID, v.Rows[RowCopyID].Action)
	require.Equal(t, "c-81f2", v.Rows[RowCopyID].Arg)
}
