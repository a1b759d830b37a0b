package main

import (
	"bytes"
	"encoding/binary"
	"image"
)

// ico is a Windows icon of pictures in ascending size, as 32-bit bitmaps: the oldest and most widely read form.
func ico(pictures ...*image.NRGBA) []byte {
	le := binary.LittleEndian
	out := le.AppendUint16(le.AppendUint16(le.AppendUint16(nil, 0), 1), uint16(len(pictures)))
	offset := 6 + 16*len(pictures)
	var bodies []byte
	for _, m := range pictures {
		b := bitmap(m)
		n := m.Rect.Dx()
		out = append(out, byte(n), byte(n), 0, 0)
		out = le.AppendUint16(le.AppendUint16(out, 1), 32)
		out = le.AppendUint32(le.AppendUint32(out, uint32(len(b))), uint32(offset+len(bodies)))
		bodies = append(bodies, b...)
	}
	return append(out, bodies...)
}

// bitmap is a picture as an icon holds it: a header of twice the height, rows from the bottom up as blue, green, red
// and alpha, then an empty mask.
func bitmap(m *image.NRGBA) []byte {
	le := binary.LittleEndian
	n := m.Rect.Dx()
	b := le.AppendUint32(nil, 40)
	b = le.AppendUint32(le.AppendUint32(b, uint32(n)), uint32(2*n))
	b = le.AppendUint16(le.AppendUint16(b, 1), 32)
	b = append(b, make([]byte, 24)...)
	for y := n - 1; y >= 0; y-- {
		for x := range n {
			c := m.NRGBAAt(x, y)
			b = append(b, c.B, c.G, c.R, c.A)
		}
	}
	return append(b, make([]byte, (n+31)/32*4*n)...)
}

// icnsKinds are the entry types that macOS reads PNG pictures from, by the picture's size in pixels.
var icnsKinds = map[int][]string{
	16: {"icp4"}, 32: {"icp5", "ic11"}, 64: {"ic12"}, 128: {"ic07"}, 256: {"ic08", "ic13"}, 512: {"ic09", "ic14"},
	1024: {"ic10"},
}

// icns is a macOS icon of square pictures.
func icns(pictures ...*image.NRGBA) []byte {
	var body bytes.Buffer
	for _, m := range pictures {
		b := encodePNG(m)
		for _, kind := range icnsKinds[m.Rect.Dx()] {
			body.WriteString(kind)
			body.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)+8)))
			body.Write(b)
		}
	}
	head := binary.BigEndian.AppendUint32([]byte("icns"), uint32(body.Len()+8))
	return append(head, body.Bytes()...)
}
