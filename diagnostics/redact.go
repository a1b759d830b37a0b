package diagnostics

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// redactor takes out of a text what nobody else may read: keys, tokens, logins, queries, the user's name. It would
// rather blot out a harmless word than let a key pass.
type redactor struct {
	exact []string // longest first
	keep  []string // ids that look like tokens and are none
	home  string
	rules []rule
	word  *regexp.Regexp // long enough for a token
	uuid  *regexp.Regexp
	homes *regexp.Regexp
}

// rule is one pattern with what takes its place.
type rule struct {
	find *regexp.Regexp
	put  string
}

// blot stands for what was taken out. No rule finds more in it than it put there.
const blot = "‹redacted›"

// newRedactor knows the given secrets in every spelling they travel in. home is the user's home directory.
func newRedactor(secrets, keep []string, home string) redactor {
	r := redactor{
		keep: keep, home: strings.TrimRight(home, `/\`), rules: rules(),
		word:  regexp.MustCompile(`[A-Za-z0-9_+=-]{20,}`),
		uuid:  regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`),
		homes: regexp.MustCompile(`((?:/Users|/home)/)[^/\s"']+`),
	}
	for _, s := range secrets {
		if len(s) < 4 {
			continue // it would blot out half of all words, and is no key
		}
		r.exact = append(r.exact, s, url.QueryEscape(s), url.PathEscape(s),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)))
	}
	slices.SortFunc(r.exact, func(a, b string) int { return len(b) - len(a) })
	return r
}

// rules go from what is most certain to what is guessed.
func rules() []rule {
	r := func(find, put string) rule { return rule{regexp.MustCompile(find), put} }
	return []rule{
		// user:pass@ of any URL; a user alone may be a token too.
		r(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'@]+@`, "${1}"+blot+"@"),
		// Queries, with a scheme or without.
		r(`([A-Za-z][A-Za-z0-9+.-]*://[^\s"'?]+)\?[^\s"']+`, "${1}?"+blot),
		r(`(/[^\s"'?]*)\?[A-Za-z0-9_.%\[\]-]+=[^\s"']*`, "${1}?"+blot),
		// Headers: everything up to the end of the line or the quote.
		r(`(?i)\b((?:proxy-)?authorization|x-[a-z-]*(?:key|token)|(?:set-)?cookie)(["'\]]*\s*[:=]\s*["'\[]*)[^\r\n"'\]]+`, "${1}${2}"+blot),
		r(`(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{6,}`, "${1}${2}"+blot),
		// Fields whose name says it. In prose no colon or equals sign follows such a word.
		r(`(?i)([a-z0-9_-]*(?:api[_-]?key|token|secret|passw(?:or)?d|\bkey))(\\?["']?\s*[:=]\s*\\?["']?)[^\s"'\\,;&}\]]+`, "${1}${2}"+blot),
		// The best known makers of keys.
		r(`\b(?:sk-|gh[opsu]_|github_pat_|glpat-|xox[abprs]-|AKIA|AIza|eyJ)[A-Za-z0-9._-]{8,}`, blot),
	}
}

// clean takes out everything. Doing it twice changes nothing more.
func (r redactor) clean(text string) string {
	for _, s := range r.exact {
		text = strings.ReplaceAll(text, s, blot)
	}
	for _, rule := range r.rules {
		text = rule.find.ReplaceAllString(text, rule.put)
	}
	text = r.word.ReplaceAllStringFunc(text, func(w string) string {
		if r.uuid.MatchString(w) || slices.Contains(r.keep, w) || !diced(w) {
			return w
		}
		return blot
	})
	if len(r.home) > 1 {
		text = strings.ReplaceAll(text, r.home, "~")
	}
	return r.homes.ReplaceAllString(text, "${1}"+blot)
}

// diced says whether a long word looks drawn by dice: its letters and digits, or capitals and small letters, take turns
// oftener than those of a name do.
func diced(w string) bool {
	digits, cases := 0, 0
	var last rune
	for _, c := range w {
		if !unicode.IsDigit(c) && !unicode.IsLetter(c) {
			continue
		}
		if last != 0 && unicode.IsDigit(c) != unicode.IsDigit(last) {
			digits++
		}
		if last != 0 && unicode.IsUpper(c) != unicode.IsUpper(last) {
			cases++
		}
		last = c
	}
	return digits > 1 || cases*3 > len(w)
}
