package demo_test

import (
	"fmt"
	"net"

	"handline/connection/demo"
)

// A backend on loopback that has just crashed, for somebody to see how a client takes it.
func Example() {
	s := demo.New(demo.Options{Dialect: demo.V0, Key: "sesame"})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- s.Serve(ln) }()
	s.SetMood(demo.Down)
	fmt.Println(s.Mood().Says())
	s.Close()
	fmt.Println(<-served)
	// Output:
	// The server has crashed: its port is closed.
	// <nil>
}
