package main

import "math"

// A shape is a signed distance in units of the 16-unit grid: negative inside, zero on the edge, growing outside. The
// outline is then just the band of small positive distances.
type shape func(x, y float64) float64

const (
	middle = 8.0
	radius = 5.5 // with its outline the shape leaves the margin of 2 units that menu-bar icons keep
)

func disc(cx, cy, r float64) shape {
	return func(x, y float64) float64 { return math.Hypot(x-cx, y-cy) - r }
}

func ring(r, stroke float64) shape {
	return func(x, y float64) float64 { return math.Abs(math.Hypot(x-middle, y-middle)-r) - stroke/2 }
}

// line is a stroke with round ends.
func line(x1, y1, x2, y2, stroke float64) shape {
	return func(x, y float64) float64 {
		dx, dy := x2-x1, y2-y1
		t := ((x-x1)*dx + (y-y1)*dy) / (dx*dx + dy*dy)
		t = min(1, max(0, t))
		return math.Hypot(x-x1-t*dx, y-y1-t*dy) - stroke/2
	}
}

// arc is a stroke along a circle, clockwise from one angle to another, in degrees from twelve o'clock.
func arc(r, from, to, stroke float64) shape {
	whole := ring(r, stroke)
	start, end := polar(r, from), polar(r, to)
	caps := union(disc(start[0], start[1], stroke/2), disc(end[0], end[1], stroke/2))
	return func(x, y float64) float64 {
		angle := math.Mod(math.Atan2(x-middle, middle-y)*180/math.Pi-from+720, 360)
		if angle <= to-from {
			return whole(x, y)
		}
		return caps(x, y)
	}
}

func polar(r, degrees float64) [2]float64 {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return [2]float64{middle + r*sin, middle - r*cos}
}

// triangle takes its corners clockwise; round softens them.
func triangle(a, b, c [2]float64, round float64) shape {
	edge := func(p, q [2]float64, x, y float64) float64 {
		dx, dy := q[0]-p[0], q[1]-p[1]
		return ((x-p[0])*dy - (y-p[1])*dx) / math.Hypot(dx, dy)
	}
	rim := union(line(a[0], a[1], b[0], b[1], 0), line(b[0], b[1], c[0], c[1], 0), line(c[0], c[1], a[0], a[1], 0))
	return func(x, y float64) float64 {
		d := rim(x, y)
		if max(edge(a, b, x, y), edge(b, c, x, y), edge(c, a, x, y)) < 0 {
			d = -d
		}
		return d - round
	}
}

// head is an arrow's head at an angle of the circle, pointing clockwise along it.
func head(r, at, length, width float64) shape {
	base := polar(r, at)
	sin, cos := math.Sincos(at * math.Pi / 180)
	out, along := [2]float64{sin, -cos}, [2]float64{cos, sin}
	point := func(o, l float64) [2]float64 {
		return [2]float64{base[0] + out[0]*o + along[0]*l, base[1] + out[1]*o + along[1]*l}
	}
	return triangle(point(width/2, 0), point(0, length), point(-width/2, 0), 0.25)
}

func union(s ...shape) shape {
	return func(x, y float64) float64 {
		d := s[0](x, y)
		for _, f := range s[1:] {
			d = min(d, f(x, y))
		}
		return d
	}
}

func without(s, hole shape) shape {
	return func(x, y float64) float64 { return max(s(x, y), -hole(x, y)) }
}

// icons are the data: a shape a state, and its tint. Each tint reaches a contrast of 3:1 against both #f0f0f0 and
// #2b2b2b, because most systems cannot say how dark their bar is.
var icons = []struct {
	name   string
	tint   uint32
	colour shape
	mono   shape
}{
	{"disconnected", 0x85858A, disc(middle, middle, radius), crossed()},
	{"connecting", 0xAB7C00, gapped(), gapped()},
	{"reconnecting", 0xAB7C00, arrow(), arrow()},
	{"connected", 0x23913F, disc(middle, middle, radius), disc(middle, middle, radius)},
	{"poor", 0x23913F, ring(radius-1, 2), ring(radius-0.9, 1.8)},
	{"error", 0xEB2A35, alarmed(), alarmed()},
}

// gapped is a disc with a gap at the top right, as if it were still filling.
func gapped() shape {
	near, far := polar(1.6, 45), polar(8, 45)
	return without(disc(middle, middle, radius), line(near[0], near[1], far[0], far[1], 2.7))
}

func arrow() shape {
	const r, end = 4.4, 4
	return union(arc(r, 80, 360+end, 1.8), head(r, end, 3.6, 4.4))
}

func alarmed() shape {
	mark := union(line(8, 4.9, 8, 8.2, 2), disc(8, 11, 1.15))
	return without(disc(middle, middle, radius), mark)
}

// crossed is an outline with a slash: in one colour a filled disc already means connected.
func crossed() shape {
	slash := line(3.6, 3.6, 12.4, 12.4, 1.5)
	gap := line(3.1, 4.9, 11.1, 12.9, 1.1)
	return union(without(ring(radius-0.75, 1.5), gap), slash)
}
