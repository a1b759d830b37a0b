package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

const (
	grid    = 16.0
	samples = 8 // a side of a pixel
	// The outline: a thin dark band that sets the shape off a light or a tinted bar. On a dark bar it vanishes, and the
	// tint alone reaches 3:1 there; a second, light band around it made the icons restless at 16 pixels.
	band  = 0.5
	alpha = 0.4
)

// draw paints a shape in its tint, with or without the outline.
func draw(s shape, size int, tint uint32, outlined bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, size, size))
	for py := range size {
		for px := range size {
			m.SetNRGBA(px, py, pixel(s, px, py, grid/float64(size), rgb(tint), outlined))
		}
	}
	return m
}

// pixel mixes the samples of one pixel by their alpha.
func pixel(s shape, px, py int, unit float64, tint [3]float64, outlined bool) color.NRGBA {
	var sum [3]float64
	var cover float64
	for i := range samples * samples {
		x := (float64(px) + (float64(i%samples)+0.5)/samples) * unit
		y := (float64(py) + (float64(i/samples)+0.5)/samples) * unit
		c, a := tint, 1.0
		switch d := s(x, y); {
		case d < 0:
		case outlined && d < band:
			c, a = [3]float64{}, alpha
		default:
			continue
		}
		for k := range sum {
			sum[k] += c[k] * a
		}
		cover += a
	}
	if cover == 0 {
		return color.NRGBA{}
	}
	byteOf := func(v float64) uint8 { return uint8(v + 0.5) }
	return color.NRGBA{byteOf(sum[0] / cover), byteOf(sum[1] / cover), byteOf(sum[2] / cover),
		byteOf(255 * cover / (samples * samples))}
}

func rgb(c uint32) [3]float64 {
	return [3]float64{float64(c >> 16 & 255), float64(c >> 8 & 255), float64(c & 255)}
}

func encodePNG(m image.Image) []byte {
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&b, m); err != nil {
		panic(err) // a buffer takes everything, and the picture is ours
	}
	return b.Bytes()
}
