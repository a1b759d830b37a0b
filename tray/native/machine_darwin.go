package native

import (
	"context"
	"sync"

	"github.com/ebitengine/purego/objc"
)

// WatchMachine tells m of sleep and of Low Power Mode until ctx ends. NSWorkspace posts its notices on the main thread,
// so without AppKit's loop nothing is told, and the clocks notice a sleep alone. It must be called once.
func WatchMachine(ctx context.Context, m Machine) {
	if load("Foundation", "AppKit") != nil {
		return
	}
	var turn sync.Mutex // Low Power Mode is posted on any thread
	ended := false
	told := func(f func()) {
		turn.Lock()
		defer turn.Unlock()
		if !ended {
			f()
		}
	}
	saves := func() {
		if m.Saves != nil {
			m.Saves(objc.Send[bool](processInfo(), sel("isLowPowerModeEnabled")))
		}
	}
	cls, err := objc.RegisterClass("HandlineMachine", objc.GetClass("NSObject"), nil, nil, []objc.MethodDef{
		{Cmd: sel("machineSleeps:"), Fn: func(id, objc.SEL, id) { told(m.sleeps) }}, // the system waits for its return
		{Cmd: sel("machineWakes:"), Fn: func(id, objc.SEL, id) { told(m.wakes) }},
		{Cmd: sel("powerChanges:"), Fn: func(id, objc.SEL, id) { told(saves) }},
	})
	if err != nil {
		return
	}
	var observer, workspace, center id
	pooled(func() {
		observer = msg(id(cls), "new")
		workspace = msg(msg(class("NSWorkspace"), "sharedWorkspace"), "notificationCenter")
		center = msg(class("NSNotificationCenter"), "defaultCenter")
		for _, o := range []struct {
			center       id
			method, name string
		}{
			{workspace, "machineSleeps:", "NSWorkspaceWillSleepNotification"},
			{workspace, "machineWakes:", "NSWorkspaceDidWakeNotification"},
			{center, "powerChanges:", "NSProcessInfoPowerStateDidChangeNotification"},
		} {
			msg(o.center, "addObserver:selector:name:object:", observer, sel(o.method), str(o.name), id(0))
		}
		told(func() {
			if objc.Send[bool](processInfo(), sel("isLowPowerModeEnabled")) {
				saves()
			}
		})
	})
	<-ctx.Done()
	pooled(func() {
		msg(workspace, "removeObserver:", observer)
		msg(center, "removeObserver:", observer)
	})
	turn.Lock()
	ended = true
	turn.Unlock()
}

func processInfo() id { return msg(class("NSProcessInfo"), "processInfo") }

// StayAwake keeps macOS from napping the app, which would stretch its timers by minutes because it has no window, until
// release is called, and from ending it without a word (sudden and automatic termination). The computer may still fall
// asleep.
func StayAwake(reason string) (release func()) {
	if load("Foundation") != nil {
		return func() {}
	}
	// NSActivityUserInitiatedAllowingIdleSystemSleep, of which NSActivitySuddenTerminationDisabled (1 << 14) is a part
	const options = uint64(0x00FFFFFF &^ (1 << 20))
	var activity id
	pooled(func() {
		activity = msg(msg(processInfo(), "beginActivityWithOptions:reason:", options, str(reason)), "retain")
	})
	return func() {
		pooled(func() {
			msg(processInfo(), "endActivity:", activity)
			msg(activity, "release")
		})
	}
}
