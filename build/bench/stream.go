//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The stream is made before anybody is measured: a pool of frames, of which only the ids change from one round of the
// pool to the next, so that the server costs next to nothing beside its clients.

const (
	firstID   = 1_000_000 // ids have seven digits: one replaces another in place
	idDigits  = 7
	chunkSize = 512 << 10 // bytes of one write
)

// frame is one unmasked WebSocket frame (RFC 6455 section 5.2) and where its id stands.
type frame struct {
	bytes []byte
	id    int
}

// stream is count events of about size bytes each.
type stream struct {
	pool  []frame
	count int
}

// newStream makes events as OpenHands V0 sends them: mostly actions and observations of a shell, now and then a state.
// Compressed frames follow RFC 7692 without context takeover.
func newStream(size, count int, deflate bool) stream {
	dice := rand.New(rand.NewPCG(1, uint64(size)))
	s := stream{count: count}
	for i := range 64 {
		s.pool = append(s.pool, newFrame(packet(dice, i, size), deflate))
	}
	return s
}

// packet is a Socket.IO packet with the first id, size bytes long where the shape allows it.
func packet(dice *rand.Rand, i, size int) string {
	head := fmt.Sprintf(`42["oh_event",{"id":%d,"timestamp":"2026-11-22T04:19:%02d.874091","source":"agent",`, firstID, i%60)
	switch {
	case i%32 == 31:
		return head + `"message":"","observation":"agent_state_changed","content":"","extras":{"agent_state":"running","reason":""}}]`
	case i%2 == 0:
		head += `"message":"Running a command","action":"run","args":{"command":"`
		tail := `","is_input":false,"thought":"","blocking":false,"hidden":false,"confirmation_state":"confirmed"}}]`
		return head + prose(dice, size-len(head)-len(tail)) + tail
	}
	head += fmt.Sprintf(`"cause":%d,"message":"Command executed","observation":"run","content":"`, firstID)
	tail := `","extras":{"command":"ls","metadata":{"exit_code":0,"pid":4711}},"success":true}]`
	return head + prose(dice, size-len(head)-len(tail)) + tail
}

// prose is text of n bytes inside a JSON string: code and the lines of a log, half and half.
func prose(dice *rand.Rand, n int) string {
	words := strings.Fields(`func return error if nil the of a package import string int byte range for var const type struct
		def self class None True from print list dict value key path file line test build run make warning expected got
		at in to and not is was with without server client socket message event cursor session 0 1 2 404 500`)
	word := func() string { return words[dice.IntN(len(words))] }
	var sb strings.Builder
	for sb.Len() < n {
		if dice.IntN(2) == 0 {
			fmt.Fprintf(&sb, `2026-11-22 04:%02d:%02d,%03d INFO [worker-%d] \"GET /api/%s/%d HTTP/1.1\" 200 in %d ms\n`,
				dice.IntN(60), dice.IntN(60), dice.IntN(1000), dice.IntN(8), word(), dice.IntN(1000), dice.IntN(90))
			continue
		}
		sb.WriteString(strings.Repeat("    ", dice.IntN(4)))
		for range 4 + dice.IntN(8) {
			sb.WriteString(word() + " ")
		}
		sb.WriteString(`= \"` + word() + `\"\n`)
	}
	return strings.TrimRight(sb.String()[:max(n, 0)], `\`)
}

func newFrame(packet string, deflate bool) frame {
	payload, first := []byte(packet), byte(0x81) // FIN, text
	if deflate {
		payload, first = deflated(payload), 0xc1 // and RSV1
	}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	b = append(b, payload...)
	return frame{b, bytes.Index(b, []byte(strconv.Itoa(firstID)))}
}

// deflated compresses a packet so that its id stays readable and can be replaced: up to there it is a stored block
// (RFC 1951 section 3.2.4), and only what follows is compressed.
func deflated(packet []byte) []byte {
	cut := bytes.IndexByte(packet, ':') + 1 + idDigits
	b := []byte{0}
	b = binary.LittleEndian.AppendUint16(b, uint16(cut))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(cut))
	out := bytes.NewBuffer(append(b, packet[:cut]...))
	w, _ := flate.NewWriter(out, flate.DefaultCompression)
	w.Write(packet[cut:])
	w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// write sends the whole stream in large pieces.
func (s stream) write(w io.Writer) error {
	chunk := make([]byte, 0, chunkSize+128<<10)
	for i := range s.count {
		chunk = s.append(chunk, i)
		if len(chunk) < chunkSize && i < s.count-1 {
			continue
		}
		if _, err := w.Write(chunk); err != nil {
			return fmt.Errorf("sending the stream: %w", err)
		}
		chunk = chunk[:0]
	}
	return nil
}

// append adds the nth event.
func (s stream) append(to []byte, n int) []byte {
	f := s.pool[n%len(s.pool)]
	at := len(to) + f.id
	to = append(to, f.bytes...)
	strconv.AppendInt(to[:at], int64(firstID+n), 10)
	return to
}

// last is the id of the stream's last event.
func (s stream) last() int { return firstID + s.count - 1 }
