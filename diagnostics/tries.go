package diagnostics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"handline/connection/network"
)

// brief is a cause in a word or two, for a count of it. What is the same to a reader has the same words.
var brief = map[network.Cause]string{
	network.NoNetwork:      "no network",
	network.DNS:            "name not found",
	network.Refused:        "nothing listening",
	network.Timeout:        "no answer",
	network.Reset:          "cut off",
	network.TLSExpired:     "certificate",
	network.TLSName:        "certificate",
	network.TLSAuthority:   "certificate",
	network.TLSClock:       "certificate",
	network.Proxy:          "proxy",
	network.ProxyAuth:      "proxy",
	network.Captive:        "login page",
	network.NotABackend:    "no backend",
	network.Auth:           "key refused",
	network.Forbidden:      "not allowed",
	network.Gone:           "no such conversation",
	network.Asleep:         "asleep",
	network.Throttled:      "asked to wait",
	network.Draining:       "restarting",
	network.Unavailable:    "not ready",
	network.Protocol:       "not understood",
	network.TooBig:         "too big",
	network.Plaintext:      "unencrypted",
	network.LocalNetwork:   "not permitted",
	network.KeychainLocked: "keychain",
	network.KeychainDenied: "keychain",
	network.NotSetUp:       "not set up",
}

// mostReasons are named: a line has room for no more.
const mostReasons = 3

// tries says how many dials came to nothing and why, the commonest first: "12 tries failed: nothing listening 9, no answer
// 3". It is "" where none did.
func tries(failed map[string]int) string {
	counts, all := map[string]int{}, 0
	for cause, n := range failed {
		counts[cmp.Or(brief[network.Cause(cause)], cause)] += n
		all += n
	}
	if all == 0 {
		return ""
	}
	reasons := make([]string, 0, len(counts))
	for reason := range counts {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	text, others := counted(all, "try", "tries")+" failed: ", all
	if len(reasons) == 1 {
		return text + reasons[0]
	}
	var named []string
	for _, reason := range reasons[:min(len(reasons), mostReasons)] {
		named = append(named, fmt.Sprintf("%s %d", reason, counts[reason]))
		others -= counts[reason]
	}
	if others > 0 {
		named = append(named, fmt.Sprintf("other %d", others))
	}
	return text + strings.Join(named, ", ")
}
