package window

import (
	"errors"
	"structs"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/ebitengine/purego/objc"
)

type (
	id    = objc.ID
	point struct {
		_    structs.HostLayout
		X, Y float64
	}
	size struct {
		_    structs.HostLayout
		W, H float64
	}
	rect struct {
		_ structs.HostLayout
		O point
		S size
	}
)

func load(frameworks ...string) (err error) {
	for _, f := range frameworks {
		_, e := purego.Dlopen("/System/Library/Frameworks/"+f+".framework/"+f, purego.RTLD_GLOBAL|purego.RTLD_LAZY)
		err = errors.Join(err, e) // it names the framework
	}
	return err
}

// class panics where messaging nil would silently do nothing.
func class(name string) id {
	c := objc.GetClass(name)
	if c == 0 {
		panic("no Objective-C class " + name)
	}
	return id(c)
}

func sel(name string) objc.SEL { return objc.RegisterName(name) }

func msg(o id, s string, args ...any) id  { return o.Send(sel(s), args...) }
func is(o id, s string, args ...any) bool { return objc.Send[bool](o, sel(s), args...) }
func newObj(cls string) id                { return msg(class(cls), "new") }
func str(s string) id                     { return msg(class("NSString"), "stringWithUTF8String:", s) }
func goStr(o id) string                   { return objc.Send[string](o, sel("UTF8String")) } // "" of nil

// callBlock calls a block that the system made; objc.Block.Invoke only knows blocks made in Go. A block's third word,
// at offset 16, is its function (Clang's Block ABI), whose first argument is the block.
func callBlock(b id, args ...uintptr) {
	invoke := *(*uintptr)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&b)), 16))
	purego.SyscallN(invoke, append([]uintptr{uintptr(b)}, args...)...)
}
