// Command objclint checks the messages of Go code that speaks to Objective-C through purego. A selector is only a string
// there: the compiler knows neither its spelling nor how many arguments it takes, and a wrong one ends the program on the
// user's Mac. Arity is told by the selector's own colons. Spelling is told by headers; GNUstep's, which every Linux has a
// package of, know what is old enough, and newer.txt names the rest.
//
//	objclint [-headers DIR] DIRS
//
// It sees what is written as msg, is, sel, class, newObj, objc.Send and objc.MethodDef, and any text that has the shape of
// a selector. It does not see whether the receiver answers to it.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
)

// gnustep is where Debian's libgnustep-gui-dev puts its headers.
const gnustep = "/usr/include/GNUstep"

//go:embed newer.txt
var newer string

func main() {
	headers := flag.String("headers", gnustep, "directory of Objective-C headers")
	flag.Parse()
	known, err := readHeaders(*headers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "objclint:", err)
		os.Exit(2)
	}
	if known.empty() {
		fmt.Printf("objclint: no headers in %s: only the number of arguments is checked\n", *headers)
	} else {
		known.add(newer)
	}
	wrong, uses := 0, 0
	for _, dir := range flag.Args() {
		told, seen, err := lint(known, dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "objclint:", err)
			os.Exit(2)
		}
		for _, line := range told {
			fmt.Fprintln(os.Stderr, line)
		}
		wrong, uses = wrong+len(told), uses+seen
	}
	if wrong > 0 {
		os.Exit(1)
	}
	fmt.Printf("objclint: %d selectors are right\n", uses)
}
