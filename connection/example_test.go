package connection_test

import (
	"context"
	"fmt"
	"net"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/demo"
	"handline/connection/network"
	"handline/connection/wire"
)

// A line to a backend on this computer: it finds out by itself how the server speaks, and tells what it does in whole
// snapshots.
func ExampleManager_Watch() {
	server := demo.New(demo.Options{Dialect: demo.AgentServer, Mood: demo.Quiet})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()

	dialer := network.Dialer{}
	asker := &backend.Client{Dialer: dialer}
	line := connection.New(connection.Options{
		Target:  wire.Target{Server: "http://" + ln.Addr().String(), Dialect: wire.Auto},
		Dialer:  dialer,
		Locate:  asker.Locate,
		History: asker.History,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- line.Run(ctx) }()

	if err := line.Do(ctx, connection.Connect{}); err != nil {
		fmt.Println(err)
	}
	for s := range line.Watch(ctx) { // the latest at once, then each newer one
		if s.Status == connection.Connected {
			fmt.Println(s.Text, "by", s.Dialect)
			break
		}
	}
	stop()
	<-ended
	server.Close()
	<-served
	// Output: Connected by session
}
