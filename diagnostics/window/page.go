package window

import (
	"bufio"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// What the native window decides without a window, so that it can be tried where there is none.

// page is the one that the window shows, by its address.
type page struct{ home *url.URL }

// readPage reads the link to the page, which is the first line.
func readPage(r *bufio.Reader) (page, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return page{}, errors.New("showing the window: there is no link")
	}
	home, err := url.Parse(strings.TrimSpace(line))
	if err != nil || home.Scheme != "http" || home.Hostname() != "127.0.0.1" {
		return page{}, errors.New("showing the window: the link does not lead to Handline")
	}
	return page{home}, nil
}

// obey calls raise for each pane that the parent wants to see ("" = where it is), until it says no more.
func obey(in *bufio.Reader, raise func(pane string)) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if pane, ok := strings.CutPrefix(strings.TrimSpace(line), "raise"); ok {
			raise(strings.TrimSpace(pane))
		}
	}
}

// verdict is what becomes of a navigation.
type verdict int

const (
	stay    verdict = iota // nothing is loaded
	allow                  // it loads
	save                   // it becomes a download
	outside                // the browser opens it
)

// decide lets only our own origin load. What the page made itself is saved; a link elsewhere that the person clicked is
// for their browser.
func (p page) decide(address string, clicked bool) verdict {
	to, err := url.Parse(address)
	switch {
	case err != nil:
		return stay
	case to.Scheme == "blob":
		return save
	case to.Scheme == p.home.Scheme && to.Host == p.home.Host, address == "about:blank":
		return allow
	case clicked && (to.Scheme == "http" || to.Scheme == "https"):
		return outside
	}
	return stay
}

// panePattern keeps everything but a pane's name out of the script.
var panePattern = regexp.MustCompile(`^[a-z]{1,20}$`)

// turn is the script that turns the page to a pane, "" where it is none.
func turn(pane string) string {
	if !panePattern.MatchString(pane) {
		return ""
	}
	return "location.hash = " + strconv.Quote(pane)
}

// freeName is a path in dir for a file of that name, which is not there yet.
func freeName(dir, name string) string {
	name = filepath.Base(name)
	path := filepath.Join(dir, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); err != nil {
			return path
		}
		path = filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name))+"-"+strconv.Itoa(n)+filepath.Ext(name))
	}
}
