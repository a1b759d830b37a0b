// Command loop receives a Socket.IO stream with nothing but gorilla's ReadMessage: what is left to gain.
package main

import (
	"fmt"
	"os"

	"github.com/gorilla/websocket"
)

func main() {
	if err := receive(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "loop:", err)
		os.Exit(1)
	}
}

// receive joins the conversation and counts its events until the server hangs up. It looks at no more of a frame than
// at the packet's type.
func receive(server, conversation string) error {
	d := websocket.Dialer{ReadBufferSize: 64 << 10, EnableCompression: true}
	ws, _, err := d.Dial(server+"/socket.io/?EIO=4&transport=websocket&conversation_id="+conversation, nil)
	if err != nil {
		return fmt.Errorf("dialing: %w", err)
	}
	defer ws.Close()
	count := 0
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			fmt.Printf("{\"count\":%d}\n", count)
			return nil
		}
		answer := ""
		switch {
		case b[0] == '0':
			answer = "40"
		case b[0] == '2':
			answer = "3"
		case b[1] == '2':
			count++
		}
		if answer != "" {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(answer)); err != nil {
				return fmt.Errorf("answering: %w", err)
			}
		}
	}
}
