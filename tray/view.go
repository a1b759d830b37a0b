package tray

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"handline/assets"
	"handline/connection"
	"handline/connection/network"
)

// Action is what a click asks for.
type Action uint8

const (
	Nothing       Action = iota
	Connect              // make and keep a line
	Cancel               // stop the first attempt
	Reconnect            // hang up if need be, and dial now
	Resume               // connect, and wake the conversation's sandbox
	Disconnect           // hang up and stay so
	SetUp                // name a server or a conversation
	EnterKey             // store another key
	OpenLogin            // open the captive portal's page
	OpenWindow           // show the window
	Diagnose             // show the window's diagnostics
	Send                 // write a message
	Choose               // talk in the conversation named by Click.Arg
	CopyID               // put the conversation's id, Click.Arg, on the clipboard
	ToggleLogin          // start at login, or no longer
	AllowNotices         // open the system's page about notifications
	About                // say what this is
	Quit                 // end the app
	Tap                  // the icon itself was clicked: Mending decides
	maxLabel      = 60   // runes: longer rows run off the screen in GTK
	maxTip        = 120  // runes: Windows shows 127 UTF-16 units
	Conversations = 10   // slots in the conversation menu
)

// RowID names a row of the menu. The menu is built once, in this order, and then only shown, hidden and retitled:
// hosts cache menus, and removing a row while the menu is open is how other tray programs lose clicks.
type RowID int

const (
	RowMend     RowID = iota // always shown, always the first that can be chosen
	RowHeadline              // what is
	RowDetail                // how well, or since when, or until when
	RowAdvice                // what to do
	RowDisconnect
	RowConversation                            // holds the slots and RowCopyID
	RowSlot                                    // the first of Conversations slots
	RowCopyID       = iota + Conversations - 1 // the last row inside RowConversation
	RowDiagnose
	RowSend
	RowHint // why it cannot start at login
	RowLogin
	RowMuted // the system keeps notifications from being shown
	RowAbout
	RowQuit
	Rows int = iota + Conversations - 1
)

// Inside tells whether the row is in RowConversation's own menu.
func (id RowID) Inside() bool { return id >= RowSlot && id <= RowCopyID }

// Checkable tells whether the row can carry a tick.
func (id RowID) Checkable() bool { return id == RowLogin || id >= RowSlot && id < RowCopyID }

// Opens tells whether a line is drawn above the row. A line cannot be hidden, so each group it opens begins with a row
// or holds one that is always shown.
func (id RowID) Opens() bool { return id == RowConversation || id == RowHint }

// Row is one line of the menu.
type Row struct {
	Label    string
	Action   Action
	Arg      string // for Choose and CopyID
	Hidden   bool
	Disabled bool
	Checked  bool
}

// View is all that the bar shows. Two equal views look the same.
type View struct {
	Icon     assets.Icon
	Template bool // the monochrome icon, where the system can tint it
	Tooltip  string
	Rows     [Rows]Row
}

// Conversation is one entry of the conversation menu.
type Conversation struct {
	ID, Title string
	State     string // running, asleep or "" (unknown)
}

// Prefs is what the view depends on besides the line. The zero value hides all that is not built or not wanted.
type Prefs struct {
	Version       string // of Handline
	Monochrome    bool
	Window        bool   // there is a window to open
	Outbox        bool   // messages can be sent
	LoginItem     bool   // start at login can be chosen
	AtLogin       bool   // and is on
	Hint          string // why it cannot be, and what to do; "" = it can
	Muted         bool   // the system shows no notifications of Handline's
	Conversations []Conversation
	Notify        Notify
}

// Render says how s looks at now. Its only clock is now, and its zone the one that clock times are shown in.
func Render(s connection.Snapshot, p Prefs, now time.Time) View {
	v := View{Icon: icon(s), Template: p.Monochrome, Tooltip: cut("OpenHands: "+clean(s.Headline(now)), maxTip)}
	mend, act := mending(s)
	v.Rows = [Rows]Row{
		RowMend:         {Label: mend, Action: act},
		RowHeadline:     told(s.Text),
		RowDetail:       told(s.Detail(now)),
		RowAdvice:       {Hidden: true, Disabled: true},
		RowDisconnect:   {Label: "Disconnect", Action: Disconnect, Hidden: !hangable(s)},
		RowConversation: {Label: talk(s), Disabled: s.Conversation == "" && len(p.Conversations) == 0},
		RowCopyID:       {Label: "Copy ID", Action: CopyID, Arg: s.Conversation, Disabled: s.Conversation == ""},
		RowDiagnose:     {Label: "Open Diagnostics…", Action: Diagnose, Hidden: !p.Window},
		RowSend:         {Label: "Send Message…", Action: Send, Hidden: !p.Outbox},
		RowHint:         told(p.Hint),
		RowLogin:        {Label: "Start at Login", Action: ToggleLogin, Hidden: !p.LoginItem, Checked: p.AtLogin},
		RowMuted:        {Label: "Notifications Are Off…", Action: AllowNotices, Hidden: !p.Muted},
		RowAbout:        {Label: cut("About Handline "+clean(p.Version), maxLabel), Action: About},
		RowQuit:         {Label: "Quit Handline", Action: Quit},
	}
	if s.Status == connection.Error {
		v.Rows[RowAdvice] = told(s.Cause.Advice)
	}
	for i := range Conversations {
		v.Rows[RowSlot+RowID(i)] = slot(p.Conversations, i, s.Conversation)
	}
	return v
}

// Mending is what the click on an icon does where it does not open the menu. It only ever mends: it never hangs up, so
// during the first attempt, and when all is well, it opens the window.
func Mending(s connection.Snapshot) Action {
	if s.Status == connection.Connected || s.Status == connection.Connecting {
		return OpenWindow
	}
	_, act := mending(s)
	return act
}

func icon(s connection.Snapshot) assets.Icon {
	switch s.Status {
	case connection.Connecting:
		return assets.Connecting
	case connection.Reconnecting:
		return assets.Reconnecting
	case connection.Error:
		return assets.Error
	case connection.Connected:
		if s.Quality == connection.Poor || s.Quality == connection.Unusable {
			return assets.Poor
		}
		return assets.Connected
	}
	return assets.Disconnected
}

// mending is the first row: what would help most in this state.
func mending(s connection.Snapshot) (string, Action) {
	switch {
	case s.Status == connection.Connecting:
		return "Cancel", Cancel
	case s.Status == connection.Connected || s.Status == connection.Reconnecting:
		return "Reconnect Now", Reconnect
	}
	switch s.Cause.Code {
	case network.NotSetUp, network.Plaintext:
		return "Set Up…", SetUp
	case network.Auth:
		return "Enter Key…", EnterKey
	case network.Captive:
		if s.Portal != "" { // a network that says so by itself, or is not looked at, names no page
			return "Open Login Page…", OpenLogin
		}
	case network.Asleep:
		return "Resume…", Resume
	}
	switch {
	case s.Server == "":
		return "Set Up…", SetUp
	case s.Status == connection.Error:
		return "Reconnect Now", Reconnect
	}
	return "Connect", Connect
}

// hangable: there is a wish to end, and the mending row does not end it already.
func hangable(s connection.Snapshot) bool {
	return s.Status != connection.Disconnected && s.Status != connection.Connecting && s.Status != ""
}

// told is a row that only tells something, with a capital letter; an empty one is hidden.
func told(text string) Row {
	text = cut(clean(text), maxLabel)
	if r, n := utf8.DecodeRuneInString(text); n > 0 {
		text = string(unicode.ToUpper(r)) + text[n:]
	}
	return Row{Label: text, Hidden: text == "", Disabled: true}
}

func talk(s connection.Snapshot) string {
	switch {
	case s.Title != "":
		return cut("Conversation: "+clean(s.Title), maxLabel)
	case s.Conversation != "":
		return cut("Conversation: "+clean(s.Conversation), maxLabel)
	}
	return "No Conversation"
}

func slot(list []Conversation, i int, current string) Row {
	if i >= len(list) {
		return Row{Hidden: true}
	}
	c := list[i]
	title, state := clean(c.Title), cut(clean(c.State), 16)
	if title == "" {
		title = clean(c.ID)
	}
	if state != "" {
		state = " — " + state
	}
	label := cut(title, maxLabel-utf8.RuneCountInString(state)) + state
	return Row{Label: label, Action: Choose, Arg: c.ID, Checked: c.ID == current}
}

// clean makes a server's text fit for one line that must not lie: white space becomes one space; control, format and
// line separating runes go, and with them the bidirectional overrides that can turn a word's meaning round. The joiner
// that emoji are glued with may stay.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200d':
			return r
		case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// cut shortens s to at most n runes, the last of which is then an ellipsis.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:n-1]), " ") + "…"
}
