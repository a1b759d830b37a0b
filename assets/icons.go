// Package assets holds what Handline shows: icons, and the page's files.
package assets

import (
	"embed"
	"fmt"
)

//go:generate go run handline/build/icons -out icons

//go:embed icons/*.png icons/*.ico
var icons embed.FS

// Icon names a state's picture. The shapes differ, so that nobody depends on colour.
type Icon string

const (
	Disconnected Icon = "disconnected" // a disc
	Connecting   Icon = "connecting"   // a disc with a gap at the top right
	Reconnecting Icon = "reconnecting" // an open circular arrow
	Connected    Icon = "connected"    // a disc
	Poor         Icon = "poor"         // a ring: connected, but slow
	Error        Icon = "error"        // a disc with an exclamation mark
)

// Icons are all of them, in the order of a line's life.
func Icons() []Icon { return []Icon{Disconnected, Connecting, Reconnecting, Connected, Poor, Error} }

// PNG is the icon in colour, 48 × 48 pixels.
func (i Icon) PNG() []byte { return i.file(".png") }

// ICO is the icon in colour in the sizes that Windows asks for.
func (i Icon) ICO() []byte { return i.file(".ico") }

// Template is the icon in black, 48 × 48 pixels, for systems that tint it themselves.
func (i Icon) Template() []byte { return i.file("-template.png") }

// AppIcon is the app's own picture, 512 × 512 pixels, PNG.
func AppIcon() []byte { return Icon("app").file(".png") }

// file panics for a name that is none of the constants: the set is drawn by build/icons and tested to be whole.
func (i Icon) file(end string) []byte {
	b, err := icons.ReadFile("icons/" + string(i) + end)
	if err != nil {
		panic(fmt.Sprintf("icon %q: %v", i, err))
	}
	return b
}
