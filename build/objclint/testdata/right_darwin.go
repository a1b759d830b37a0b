package right

import "github.com/ebitengine/purego/objc"

type id = objc.ID

func sel(name string) objc.SEL           { return objc.RegisterName(name) }
func msg(o id, s string, args ...any) id { return o.Send(sel(s), args...) }
func class(name string) id               { return id(objc.GetClass(name)) }

func methods() []objc.MethodDef {
	return []objc.MethodDef{
		{Cmd: sel("raise:"), Fn: func(self id, _ objc.SEL, sender id) { msg(self, "raise:", sender) }},
	}
}

func title(window id, text string) {
	s := msg(class("NSString"), "stringWithUTF8String:", text)
	msg(window, "setTitle:", s)
	if objc.Send[bool](window, sel("isVisible")) {
		window.Send(sel("performSelectorOnMainThread:withObject:waitUntilDone:"), sel("orderFront:"), id(0), false)
	}
	for _, action := range []string{"miniaturize:", "raise:"} {
		msg(window, action, id(0))
	}
}
