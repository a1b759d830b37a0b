// Command icons draws Handline's icons from the data in shapes.go.
//
//	icons -out DIR      every icon as PNG, template PNG and ICO, and app.png
//	icons -icns FILE    the app's icon for a macOS bundle
package main

import (
	"errors"
	"flag"
	"fmt"
	"image"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "", "write the icons into this directory")
	bundle := flag.String("icns", "", "write the app's icon into this file")
	flag.Parse()
	if err := run(*out, *bundle); err != nil {
		fmt.Fprintln(os.Stderr, "icons:", err)
		os.Exit(1)
	}
}

func run(out, bundle string) error {
	if out == "" && bundle == "" {
		return errors.New("nothing to do: give -out or -icns")
	}
	if out != "" {
		for name, b := range files() {
			if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
				return fmt.Errorf("writing icons: %w", err)
			}
		}
	}
	if bundle != "" {
		if err := os.WriteFile(bundle, appICNS(), 0o644); err != nil {
			return fmt.Errorf("writing the app's icon: %w", err)
		}
	}
	return nil
}

// files are all pictures by name. Drawing is exact: the same data give the same bytes on every machine.
func files() map[string][]byte {
	all := map[string][]byte{"app.png": encodePNG(appIcon(512))}
	for _, i := range icons {
		all[i.name+".png"] = encodePNG(draw(i.colour, 48, i.tint, true))
		all[i.name+"-template.png"] = encodePNG(draw(i.mono, 48, 0, false))
		var sizes []*image.NRGBA // what Windows draws at 100 to 200 %
		for _, n := range []int{16, 20, 24, 32} {
			sizes = append(sizes, draw(i.colour, n, i.tint, true))
		}
		all[i.name+".ico"] = ico(sizes...)
	}
	return all
}

func appICNS() []byte {
	var sizes []*image.NRGBA
	for _, n := range []int{16, 32, 64, 128, 256, 512, 1024} {
		sizes = append(sizes, appIcon(n))
	}
	return icns(sizes...)
}
