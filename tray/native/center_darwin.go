package native

import (
	"context"
	"errors"
	"strconv"

	"github.com/ebitengine/purego/objc"

	"handline/tray"
)

// openCenter gives a way to post to macOS's notification center, nil where there is none for us. clicked hears whose notice
// was chosen, reopened that the app was opened once more: macOS starts no second one, but sends the first an event. Both
// are called on the main thread.
func openCenter(clicked func(tray.Topic), reopened func()) poster {
	center := notificationCenter()
	if center == 0 {
		return nil
	}
	listen := func(self id, _ objc.SEL) {
		const core, reopenApplication = 'a'<<24 | 'e'<<16 | 'v'<<8 | 't', 'r'<<24 | 'a'<<16 | 'p'<<8 | 'p'
		msg(msg(class("NSAppleEventManager"), "sharedAppleEventManager"), "setEventHandler:andSelector:forEventClass:andEventID:",
			self, sel("reopen:withReply:"), uint32(core), uint32(reopenApplication))
	}
	cls, err := objc.RegisterClass("HandlineNotices", objc.GetClass("NSObject"), nil, nil, []objc.MethodDef{
		{Cmd: sel("listen"), Fn: listen},
		{Cmd: sel("reopen:withReply:"), Fn: func(id, objc.SEL, id, id) { reopened() }},
		{Cmd: sel("userNotificationCenter:willPresentNotification:withCompletionHandler:"), Fn: func(_ id, _ objc.SEL, _, _, done id) {
			const list, banner = 1 << 3, 1 << 4
			callBlock(done, list|banner) // otherwise nothing is shown while our own menu is open
		}},
		{Cmd: sel("userNotificationCenter:didReceiveNotificationResponse:withCompletionHandler:"), Fn: func(_ id, _ objc.SEL, _, response, done id) {
			name := goStr(msg(msg(msg(response, "notification"), "request"), "identifier"))
			if topic, err := strconv.ParseUint(name, 10, 8); err == nil {
				clicked(tray.Topic(topic))
			}
			callBlock(done)
		}},
	})
	if err != nil {
		return nil
	}
	pooled(func() {
		delegate := msg(id(cls), "new") // kept for good: the center holds it weakly
		msg(center, "setDelegate:", delegate)
		// Run by the main thread's loop, after AppKit has put its own handler there.
		msg(delegate, "performSelectorOnMainThread:withObject:waitUntilDone:", sel("listen"), id(0), false)
	})
	return func(ctx context.Context, n tray.Notice) error { return post(ctx, center, n) }
}

// notificationCenter is 0 outside of a bundle: asking for it there raises an exception, which ends the program.
func notificationCenter() (center id) {
	if load("Foundation", "UserNotifications") != nil {
		return 0
	}
	pooled(func() {
		if msg(msg(class("NSBundle"), "mainBundle"), "bundleIdentifier") != 0 {
			center = msg(class("UNUserNotificationCenter"), "currentNotificationCenter")
		}
	})
	return center
}

// post shows a notice. Its topic is its identifier, so that it takes the place of the last one.
func post(ctx context.Context, center id, n tray.Notice) error {
	done := make(chan error, 1)
	pooled(func() {
		content := msg(msg(class("UNMutableNotificationContent"), "new"), "autorelease")
		msg(content, "setTitle:", str(n.Title))
		msg(content, "setBody:", str(n.Body))
		request := msg(class("UNNotificationRequest"), "requestWithIdentifier:content:trigger:",
			str(strconv.Itoa(int(n.Topic))), content, id(0))
		block := objc.NewBlock(func(_ objc.Block, err id) { done <- failure(err) })
		defer block.Release()
		msg(center, "addNotificationRequest:withCompletionHandler:", request, block)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func failure(err id) error {
	if err == 0 {
		return nil
	}
	return errors.New(goStr(msg(err, "localizedDescription")))
}

// NoticesDenied asks the person whether Handline may notify, unless they have answered before, and says whether the
// answer is no. It waits for the answer, or for the end of ctx; without an answer nothing is denied yet. On other systems,
// and outside of a bundle, nothing is asked.
func NoticesDenied(ctx context.Context) bool {
	center := notificationCenter()
	if center == 0 {
		return false
	}
	granted := make(chan bool, 1)
	pooled(func() {
		const sound, alert = 1 << 1, 1 << 2
		block := objc.NewBlock(func(_ objc.Block, yes bool, _ id) { granted <- yes })
		defer block.Release()
		msg(center, "requestAuthorizationWithOptions:completionHandler:", uint(sound|alert), block)
	})
	select {
	case yes := <-granted:
		return !yes
	case <-ctx.Done():
		return false
	}
}
