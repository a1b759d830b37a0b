package assets

import (
	"embed"
	"io/fs"
)

//go:embed window/*.html window/*.css window/*.js
var window embed.FS

// Window holds the files of the diagnostics window: page.html, a template in several files, with what it loads beside it.
func Window() fs.FS {
	files, err := fs.Sub(window, "window")
	if err != nil {
		panic(err) // fs.Sub refuses invalid names only
	}
	return files
}
