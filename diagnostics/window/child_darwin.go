package window

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ebitengine/purego/objc"
)

// AppKit belongs to the process's first thread, and only an init can keep the main goroutine on it.
func init() { runtime.LockOSThread() }

const title = "Handline"

// child is the process of the window. Every method but read runs on the main thread.
type child struct {
	in   *bufio.Reader
	page page
	pane chan string // what the next raise: turns to; cap 1

	self, window, web id
}

// Run shows the page whose link is the first line of in, until the person closes the window or in ends. It must be
// called on the main goroutine; where a window was shown it does not return, since AppKit ends the process.
func Run(in io.Reader) error {
	r := bufio.NewReader(in)
	p, err := readPage(r)
	if err != nil {
		return err
	}
	if err := load("Cocoa", "WebKit"); err != nil {
		return err
	}
	c := &child{in: r, page: p, pane: make(chan string, 1)}
	newObj("NSAutoreleasePool") // for what is made before AppKit's loop has one
	app := msg(class("NSApplication"), "sharedApplication")
	const regular = 0 // the bundle has no Dock icon; a window's process has one while it is open
	msg(app, "setActivationPolicy:", regular)
	cls, err := objc.RegisterClass("HandlineWindow", objc.GetClass("NSObject"), nil, nil, c.methods())
	if err != nil {
		return err
	}
	c.self = msg(id(cls), "new")
	msg(app, "setDelegate:", c.self)
	go c.read() // ends the process with its own end
	msg(app, "run")
	return nil
}

func (c *child) methods() []objc.MethodDef {
	return []objc.MethodDef{
		{Cmd: sel("applicationDidFinishLaunching:"), Fn: func(id, objc.SEL, id) { c.launched() }},
		{Cmd: sel("applicationShouldTerminateAfterLastWindowClosed:"), Fn: func(id, objc.SEL, id) bool { return true }},
		{Cmd: sel("reloadPage:"), Fn: func(id, objc.SEL, id) { msg(c.web, "reload:", c.self) }},
		{Cmd: sel("raise:"), Fn: func(id, objc.SEL, id) { c.raise() }},
		{Cmd: sel("webViewWebContentProcessDidTerminate:"), Fn: func(id, objc.SEL, id) { msg(c.web, "reload:", c.self) }},
		{Cmd: sel("webView:decidePolicyForNavigationAction:decisionHandler:"), Fn: func(_ id, _ objc.SEL, _, action, done id) { c.decide(action, done) }},
		{Cmd: sel("webView:navigationAction:didBecomeDownload:"), Fn: func(_ id, _ objc.SEL, _, _, download id) { msg(download, "setDelegate:", c.self) }},
		{Cmd: sel("download:decideDestinationUsingResponse:suggestedFilename:completionHandler:"), Fn: func(_ id, _ objc.SEL, _, _, name, done id) { c.save(goStr(name), done) }},
	}
}

// read obeys the parent. Its end is the parent's, or its wish that the window closes.
func (c *child) read() {
	obey(c.in, func(pane string) {
		select {
		case <-c.pane:
		default:
		}
		c.pane <- pane
		c.later(c.self, "raise:")
	})
	c.later(msg(class("NSApplication"), "sharedApplication"), "terminate:")
}

// later runs a method on the main thread, the only one that may touch a window.
func (c *child) later(o id, method string) {
	msg(o, "performSelectorOnMainThread:withObject:waitUntilDone:", sel(method), id(0), false)
}

func (c *child) launched() {
	c.menu()
	frame := rect{S: size{W: 960, H: 700}}
	const titledClosableMiniResizable, backingBuffered = 1 | 2 | 4 | 8, 2
	c.window = msg(msg(class("NSWindow"), "alloc"), "initWithContentRect:styleMask:backing:defer:",
		frame, uint(titledClosableMiniResizable), uint(backingBuffered), false)
	msg(c.window, "setReleasedWhenClosed:", false)
	msg(c.window, "setTitle:", str(title))
	msg(c.window, "setContentMinSize:", size{W: 480, H: 400})
	const noTabs = 2
	msg(c.window, "setTabbingMode:", noTabs)
	conf := newObj("WKWebViewConfiguration")
	// What the page stores must not outlive the window.
	msg(conf, "setWebsiteDataStore:", msg(class("WKWebsiteDataStore"), "nonPersistentDataStore"))
	msg(msg(conf, "preferences"), "setTabFocusesLinks:", true) // the panes are links
	c.web = msg(msg(class("WKWebView"), "alloc"), "initWithFrame:configuration:", frame, conf)
	const widthAndHeight = 2 | 16
	msg(c.web, "setAutoresizingMask:", uint(widthAndHeight))
	msg(c.web, "setNavigationDelegate:", c.self)
	if is(c.web, "respondsToSelector:", sel("setUnderPageBackgroundColor:")) {
		msg(c.web, "setUnderPageBackgroundColor:", msg(class("NSColor"), "windowBackgroundColor"))
	}
	msg(c.window, "setContentView:", c.web)
	if !is(c.window, "setFrameUsingName:", str("window")) {
		msg(c.window, "center")
	}
	is(c.window, "setFrameAutosaveName:", str("window"))
	u := msg(class("NSURL"), "URLWithString:", str(c.page.home.String()))
	msg(c.web, "loadRequest:", msg(class("NSURLRequest"), "requestWithURL:", u))
	c.raise()
}

func (c *child) raise() {
	select {
	case pane := <-c.pane:
		if script := turn(pane); script != "" {
			msg(c.web, "evaluateJavaScript:completionHandler:", str(script), id(0))
		}
	default:
	}
	msg(c.window, "deminiaturize:", id(0))
	msg(c.window, "makeKeyAndOrderFront:", id(0))
	msg(msg(class("NSApplication"), "sharedApplication"), "activateIgnoringOtherApps:", true)
}

// decide answers WebKit, which insists on it.
func (c *child) decide(action, done id) {
	const policyCancel, policyAllow, policyDownload, linkActivated = 0, 1, 2, 0
	u := msg(msg(action, "request"), "URL")
	clicked := objc.Send[int](action, sel("navigationType")) == linkActivated
	policy := uintptr(policyCancel)
	switch c.page.decide(goStr(msg(u, "absoluteString")), clicked) {
	case allow:
		policy = policyAllow
	case save:
		if is(action, "respondsToSelector:", sel("shouldPerformDownload")) { // macOS 11.3
			policy = policyDownload
		}
	case outside:
		is(msg(class("NSWorkspace"), "sharedWorkspace"), "openURL:", u)
	}
	callBlock(done, policy)
}

// save puts a download into the user's Downloads.
func (c *child) save(name string, done id) {
	home, err := os.UserHomeDir()
	if err != nil {
		callBlock(done, 0) // cancels it
		return
	}
	path := freeName(filepath.Join(home, "Downloads"), name)
	callBlock(done, uintptr(msg(class("NSURL"), "fileURLWithPath:", str(path))))
}

// menu is what ⌘C, ⌘V, ⌘W and ⌘Q need to work.
func (c *child) menu() {
	app, bar := msg(class("NSApplication"), "sharedApplication"), newObj("NSMenu")
	item := func(m id, label, action, key string) {
		msg(m, "addItemWithTitle:action:keyEquivalent:", str(label), sel(action), str(key))
	}
	sub := func(label string) id {
		i := msg(bar, "addItemWithTitle:action:keyEquivalent:", str(label), objc.SEL(0), str(""))
		m := msg(msg(class("NSMenu"), "alloc"), "initWithTitle:", str(label))
		msg(bar, "setSubmenu:forItem:", m, i)
		return m
	}
	m := sub(title)
	item(m, "Hide "+title, "hide:", "h")
	msg(m, "addItem:", msg(class("NSMenuItem"), "separatorItem"))
	item(m, "Close Window", "terminate:", "q") // the app itself goes on in the menu bar
	m = sub("Edit")
	for _, e := range [][3]string{{"Undo", "undo:", "z"}, {"Redo", "redo:", "Z"}, {"Cut", "cut:", "x"}, {"Copy", "copy:", "c"}, {"Paste", "paste:", "v"}, {"Select All", "selectAll:", "a"}} {
		item(m, e[0], e[1], e[2])
	}
	item(sub("View"), "Reload", "reloadPage:", "r") // reaches the delegate by the responder chain
	m = sub("Window")
	item(m, "Close", "performClose:", "w")
	item(m, "Minimize", "performMiniaturize:", "m")
	item(m, "Zoom", "performZoom:", "")
	msg(app, "setMainMenu:", bar)
	msg(app, "setWindowsMenu:", m)
}
