package main

import (
	"bytes"
	"encoding/binary"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const committed = "../../assets/icons"

// What lies in assets/icons is what the data draw, byte for byte, and nothing else.
func TestCommittedIconsAreDrawnFromTheData(t *testing.T) {
	drawn := files()
	for name, want := range drawn {
		got, err := os.ReadFile(filepath.Join(committed, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s differs: run `make icons`", name)
	}
	there, err := os.ReadDir(committed)
	require.NoError(t, err)
	require.Len(t, there, len(drawn))
}

// The library cannot adapt an icon to the bar, so each tint must do on a light and on a dark one (WCAG 1.4.11).
func TestTintsContrastWithBothBars(t *testing.T) {
	for _, i := range icons {
		for _, bar := range []uint32{0xF0F0F0, 0x2B2B2B} {
			require.GreaterOrEqual(t, contrast(i.tint, bar), 3.0, "%s on #%06X", i.name, bar)
		}
	}
}

func TestContrast(t *testing.T) {
	require.InDelta(t, 21, contrast(0, 0xFFFFFF), 0.01)
	require.InDelta(t, 1, contrast(0x85858A, 0x85858A), 0.01)
	require.Less(t, contrast(0xFFD60A, 0xF0F0F0), 3.0, "Apple's yellow is lost on a light bar")
}

// In grey, at the 16 pixels of a menu bar, any two states that share a tint must still differ.
func TestShapesDifferWithoutColour(t *testing.T) {
	for a := range icons {
		for b := range a {
			if icons[a].name == "connected" && icons[b].name == "disconnected" {
				continue // both are discs (DESIGN 2): told apart by tint, and in one colour by the slash
			}
			require.Greater(t, difference(icons[a].colour, icons[b].colour), 12, "%s and %s", icons[a].name, icons[b].name)
		}
		for b := range a {
			require.Greater(t, difference(icons[a].mono, icons[b].mono), 12, "%s and %s, monochrome", icons[a].name, icons[b].name)
		}
	}
}

// difference counts the pixels of 16 × 16 that clearly differ.
func difference(a, b shape) int {
	p, q := draw(a, 16, 0, false), draw(b, 16, 0, false)
	n := 0
	for i := 3; i < len(p.Pix); i += 4 {
		if math.Abs(float64(p.Pix[i])-float64(q.Pix[i])) > 80 {
			n++
		}
	}
	return n
}

// contrast is WCAG's ratio of relative luminances.
func contrast(a, b uint32) float64 {
	luminance := func(c uint32) float64 {
		l := 0.0
		for k, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
			v := rgb(c)[k] / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			l += v * weight
		}
		return l
	}
	hi, lo := luminance(a), luminance(b)
	if hi < lo {
		hi, lo = lo, hi
	}
	return (hi + 0.05) / (lo + 0.05)
}

// Every entry of the bundle's icon is a square picture of the size that its type names.
func TestICNSIsWellFormed(t *testing.T) {
	b := appICNS()
	be := binary.BigEndian
	require.Equal(t, "icns", string(b[:4]))
	require.EqualValues(t, len(b), be.Uint32(b[4:]))
	seen := 0
	for rest := b[8:]; len(rest) > 0; seen++ {
		n := be.Uint32(rest[4:])
		c, err := png.DecodeConfig(bytes.NewReader(rest[8:n]))
		require.NoError(t, err)
		require.Equal(t, c.Width, c.Height)
		require.Contains(t, icnsKinds[c.Width], string(rest[:4]))
		rest = rest[n:]
	}
	require.Equal(t, 10, seen)
}

func TestICOIsWellFormed(t *testing.T) {
	b := files()["error.ico"]
	le := binary.LittleEndian
	require.Equal(t, []byte{0, 0, 1, 0, 4, 0}, b[:6])
	end := uint32(0)
	for i := range 4 {
		entry := b[6+16*i:]
		size, at := le.Uint32(entry[8:]), le.Uint32(entry[12:])
		require.EqualValues(t, 40, le.Uint32(b[at:]), "a bitmap header")
		require.EqualValues(t, entry[0], le.Uint32(b[at+4:]))
		end = at + size
	}
	require.Len(t, b, int(end))
}
