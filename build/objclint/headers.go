package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// vocabulary is what may be said: selectors, and the classes to say it to.
type vocabulary struct{ selectors, classes map[string]bool }

// empty: no headers were found, so spelling cannot be judged.
func (v vocabulary) empty() bool { return len(v.selectors) == 0 }

// add takes over a list of names, one a line; what follows # is a remark. A name is both, since no class is spelled like
// a selector.
func (v vocabulary) add(list string) {
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name != "" {
			v.selectors[name], v.classes[name] = true, true
		}
	}
}

// readHeaders collects what the Objective-C headers below dir declare. A directory that is not there gives an empty
// vocabulary.
func readHeaders(dir string) (vocabulary, error) {
	v := vocabulary{map[string]bool{}, map[string]bool{}}
	if _, err := os.Stat(dir); err != nil {
		return v, nil
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".h" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v.read(string(text))
		return nil
	})
	if err != nil {
		return v, fmt.Errorf("reading headers: %w", err)
	}
	return v, nil
}

var (
	comment   = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	class     = regexp.MustCompile(`@interface\s+(\w+)`)
	property  = regexp.MustCompile(`@property[^;]*?(\w+)\s*;`)
	getter    = regexp.MustCompile(`getter\s*=\s*(\w+)`)
	method    = regexp.MustCompile(`(?m)^\s*[-+]\s*(?:\([^;{]*?\))?\s*([A-Za-z_][^;{]*)[;{]`)
	innermost = regexp.MustCompile(`\([^()]*\)`)
	keyword   = regexp.MustCompile(`\w+\s*:`)
)

func (v vocabulary) read(header string) {
	header = comment.ReplaceAllString(header, "")
	for _, m := range class.FindAllStringSubmatch(header, -1) {
		v.classes[m[1]] = true
	}
	for _, m := range property.FindAllStringSubmatch(header, -1) {
		v.selectors[m[1]] = true
		v.selectors["set"+strings.ToUpper(m[1][:1])+m[1][1:]+":"] = true
		if g := getter.FindStringSubmatch(m[0]); g != nil {
			v.selectors[g[1]] = true
		}
	}
	for _, m := range method.FindAllStringSubmatch(header, -1) {
		v.selectors[selector(m[1])] = true
	}
}

// selector is the name of a declared method: "(BOOL)openURL: (NSURL *)url" is "openURL:".
func selector(declared string) string {
	for { // types nest, and hold colons of their own where they are blocks
		bare := innermost.ReplaceAllString(declared, " ")
		if bare == declared {
			break
		}
		declared = bare
	}
	var name strings.Builder
	for _, part := range keyword.FindAllString(declared, -1) {
		name.WriteString(strings.Join(strings.Fields(part), ""))
	}
	if name.Len() == 0 {
		return strings.Fields(declared)[0]
	}
	return name.String()
}
