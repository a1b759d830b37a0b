// Command typecheck type-checks packages for another system, cgo files included, without its C compiler or headers:
// go/types accepts whatever is asked of package C. It finds wrong names, types and arguments of Go code; it cannot judge
// what is said to C itself.
//
//	typecheck [-goos darwin] [-goarch arm64] PACKAGES
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	c := checker{}
	flag.StringVar(&c.goos, "goos", "darwin", "system to check for")
	flag.StringVar(&c.goarch, "goarch", "arm64", "processor to check for")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	n, errs := c.check(patterns)
	for _, err := range errs {
		fmt.Fprintln(os.Stderr, err)
	}
	if len(errs) > 0 {
		os.Exit(1)
	}
	fmt.Printf("typecheck: %d packages are right for %s/%s\n", n, c.goos, c.goarch)
}

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath, Dir   string
	DepOnly           bool
	GoFiles, CgoFiles []string
	ImportMap         map[string]string
	Module            *struct{ GoVersion string }
	Error             *struct{ Err string }
}

type checker struct {
	goos, goarch string
	// instead holds the text that stands for a file's own, by its path. nil: every file stands for itself.
	instead map[string]string
	files   *token.FileSet
	done    map[string]*types.Package
	errs    []error
}

// check gives the number of packages that the patterns name, and everything that is wrong with them. Of the packages they
// depend on only the declarations are read: their faults are not ours, unless we use them.
func (c *checker) check(patterns []string) (int, []error) {
	c.files, c.done, c.errs = token.NewFileSet(), map[string]*types.Package{"unsafe": types.Unsafe}, nil
	packages, err := c.list(patterns)
	if err != nil {
		return 0, []error{err}
	}
	ours := 0
	for _, p := range packages {
		if p.Error != nil {
			c.errs = append(c.errs, fmt.Errorf("%s: %s", p.ImportPath, p.Error.Err))
			continue
		}
		if p.ImportPath != "unsafe" {
			c.done[p.ImportPath] = c.one(p)
		}
		if !p.DepOnly {
			ours++
		}
	}
	return ours, c.errs
}

// list asks the go command, which prints dependencies before those that need them.
func (c *checker) list(patterns []string) ([]listed, error) {
	args := []string{"list", "-e", "-deps", "-json=ImportPath,Dir,DepOnly,GoFiles,CgoFiles,ImportMap,Module,Error", "--"}
	cmd := exec.Command("go", append(args, patterns...)...)
	cmd.Env = append(os.Environ(), "GOOS="+c.goos, "GOARCH="+c.goarch, "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("listing packages: %w", err)
		}
		all = append(all, p)
	}
}

func (c *checker) one(p listed) *types.Package {
	fault := func(err error) {
		if !p.DepOnly {
			c.errs = append(c.errs, err)
		}
	}
	var files []*ast.File
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		path := filepath.Join(p.Dir, name)
		var text any
		if t, ok := c.instead[path]; ok {
			text = t
		}
		f, err := parser.ParseFile(c.files, path, text, parser.SkipObjectResolution)
		if err != nil {
			fault(err)
			continue
		}
		files = append(files, f)
	}
	conf := types.Config{
		FakeImportC:      true,
		IgnoreFuncBodies: p.DepOnly,
		Sizes:            types.SizesFor("gc", c.goarch),
		Importer:         importer{c.done, p.ImportMap},
		Error:            fault,
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	checked, _ := conf.Check(p.ImportPath, c.files, files, nil) // faults have been told one by one
	return checked
}

// importer finds what was checked before.
type importer struct {
	done   map[string]*types.Package
	rename map[string]string // of vendored packages
}

func (i importer) Import(path string) (*types.Package, error) {
	if to, ok := i.rename[path]; ok {
		path = to
	}
	if p := i.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("package %s is not there", path)
}
