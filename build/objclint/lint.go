package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// linter reads the Go files of one room.
type linter struct {
	known vocabulary
	files *token.FileSet
	ours  map[string]bool // selectors that the room's own classes answer to
	seen  int             // uses of a selector
	told  []string
}

// lint checks the files that only macOS compiles in dir. It gives what is wrong, and how many selectors were looked at.
func lint(known vocabulary, dir string) (told []string, seen int, err error) {
	l := &linter{known: known, files: token.NewFileSet(), ours: map[string]bool{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*_darwin*.go"))
	if err != nil {
		return nil, 0, err
	}
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(l.files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, 0, err
		}
		files = append(files, f)
	}
	for _, f := range files {
		ast.Inspect(f, l.define)
	}
	for _, f := range files {
		ast.Inspect(f, l.look)
	}
	return l.told, l.seen, nil
}

func (l *linter) say(at ast.Node, format string, a ...any) {
	l.told = append(l.told, fmt.Sprintf("%s: %s", l.files.Position(at.Pos()), fmt.Sprintf(format, a...)))
}

// define takes down the methods of our own classes, {Cmd: sel("a:b:"), Fn: func(self, cmd, a, b)}, and counts their
// parameters: a method is called with itself and its selector first.
func (l *linter) define(n ast.Node) bool {
	def, ok := n.(*ast.CompositeLit)
	if !ok {
		return true
	}
	fields := map[string]ast.Expr{}
	for _, e := range def.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				fields[key.Name] = pair.Value
			}
		}
	}
	name, ok := named(fields["Cmd"])
	if !ok {
		return true
	}
	l.ours[name] = true
	if f, ok := fields["Fn"].(*ast.FuncLit); ok {
		if want, got := strings.Count(name, ":")+2, f.Type.Params.NumFields(); want != got {
			l.say(def, "method %s is called with %d arguments, its function takes %d", name, want, got)
		}
	}
	return true
}

// shape is how a selector looks that takes arguments. Any text of that shape is taken for one, since tables and
// variables carry them, too.
var shape = regexp.MustCompile(`^[a-z_]\w*:(\w+:)*$`)

func (l *linter) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		l.call(n)
	case *ast.BasicLit:
		if s, ok := text(n); ok && shape.MatchString(s) {
			l.spell(n, s)
		}
	}
	return true
}

func (l *linter) call(c *ast.CallExpr) {
	switch name := callee(c); {
	case name == "class" || name == "GetClass" || name == "newObj":
		if s, ok := argument(c, 0); ok && !l.known.empty() && !l.known.classes[s] {
			l.say(c, "no class %s", s)
		}
	case name == "sel" || name == "RegisterName":
		if s, ok := argument(c, 0); ok && !shape.MatchString(s) {
			l.spell(c, s)
		}
	case name == "msg" || name == "is":
		if s, ok := argument(c, 1); ok {
			if !shape.MatchString(s) {
				l.spell(c, s)
			}
			l.count(c, s, len(c.Args)-2)
		}
	case name == "Send": // objc.Send[T](o, sel("a:"), args) or o.Send(sel("a:"), args)
		at := 0
		if _, generic := c.Fun.(*ast.IndexExpr); generic {
			at = 1
		}
		if at < len(c.Args) {
			if s, ok := named(c.Args[at]); ok {
				l.count(c, s, len(c.Args)-at-1)
			}
		}
	}
}

func (l *linter) spell(at ast.Node, s string) {
	l.seen++
	if !l.known.empty() && !l.known.selectors[s] && !l.ours[s] {
		l.say(at, "no selector %s", s)
	}
}

func (l *linter) count(c *ast.CallExpr, s string, got int) {
	if want := strings.Count(s, ":"); want != got && !c.Ellipsis.IsValid() {
		l.say(c, "selector %s takes %d arguments, %d are given", s, want, got)
	}
}

func callee(c *ast.CallExpr) string {
	f := c.Fun
	if generic, ok := f.(*ast.IndexExpr); ok {
		f = generic.X
	}
	switch f := f.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// named is the name in sel("name") or objc.RegisterName("name").
func named(e ast.Expr) (string, bool) {
	c, ok := e.(*ast.CallExpr)
	if !ok || callee(c) != "sel" && callee(c) != "RegisterName" {
		return "", false
	}
	return argument(c, 0)
}

func argument(c *ast.CallExpr, i int) (string, bool) {
	if i >= len(c.Args) {
		return "", false
	}
	lit, ok := c.Args[i].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	return text(lit)
}

func text(lit *ast.BasicLit) (string, bool) {
	if lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
