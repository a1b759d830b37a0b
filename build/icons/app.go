package main

import (
	"image"
	"image/color"
	"math"
)

// appIcon is Handline's own picture: a line that swings up to a lamp that is lit, on a rounded square with the margin
// that Apple's grid asks for (824 of 1024).
func appIcon(size int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, size, size))
	for py := range size {
		for px := range size {
			var r, g, b, a float64
			const n = 4
			for i := range n * n {
				x := (float64(px) + (float64(i%n)+0.5)/n) * grid / float64(size)
				y := (float64(py) + (float64(i/n)+0.5)/n) * grid / float64(size)
				if c, ok := appColour(x, y); ok {
					r, g, b, a = r+c[0], g+c[1], b+c[2], a+1
				}
			}
			if a > 0 {
				m.SetNRGBA(px, py, color.NRGBA{uint8(r/a + 0.5), uint8(g/a + 0.5), uint8(b/a + 0.5), uint8(255*a/(n*n) + 0.5)})
			}
		}
	}
	return m
}

func appColour(x, y float64) ([3]float64, bool) {
	white := [3]float64{255, 255, 255}
	switch {
	case squircle(x, y) > 0:
		return white, false
	case lamp(x, y) < 0:
		return rgb(0x34D668), true
	case halo(x, y) < 0 || rope(x, y) < 0:
		return white, true
	}
	t := (y - 1.6) / 12.8
	top, bottom := rgb(0x3B82F6), rgb(0x1E3A8A)
	return [3]float64{top[0] + (bottom[0]-top[0])*t, top[1] + (bottom[1]-top[1])*t, top[2] + (bottom[2]-top[2])*t}, true
}

var (
	lamp = disc(10.1, 6.2, 1.75)
	halo = without(disc(10.1, 6.2, 3.1), disc(10.1, 6.2, 2.2))
	rope = union(line(10.1, 9, 10.1, 9.3, 0.9), bend, line(0, 12, 7.4, 12, 0.9))
)

// bend is the quarter circle in which the rope turns from the lamp to the left edge.
func bend(x, y float64) float64 {
	const cx, cy, r, stroke = 7.4, 9.3, 2.7, 0.9
	return max(math.Abs(math.Hypot(x-cx, y-cy)-r)-stroke/2, cx-x, cy-y)
}

// squircle is the superellipse of macOS icons: |x|⁵ + |y|⁵ = half⁵.
func squircle(x, y float64) float64 {
	const half = 6.44
	fifth := func(v float64) float64 {
		v = math.Abs(v-middle) / half
		return v * v * v * v * v
	}
	return fifth(x) + fifth(y) - 1
}
