package network

import (
	"fmt"
	"time"
)

// Cause is the public code of a reason why the line is not up. Codes are part of the API: they are never renamed.
// The words that people read for each live in connection/words.go.
type Cause string

const (
	NoNetwork      Cause = "no-network"      // no route from this machine to the server
	DNS            Cause = "dns"             // the server's name has no address
	Refused        Cause = "refused"         // the computer answers, the port does not
	Timeout        Cause = "timeout"         // nothing answered in time
	Reset          Cause = "reset"           // the connection was cut
	TLSExpired     Cause = "tls-expired"     // the certificate is out of date
	TLSName        Cause = "tls-name"        // the certificate is for another name
	TLSAuthority   Cause = "tls-authority"   // nobody this machine trusts signed the certificate
	TLSClock       Cause = "tls-clock"       // the certificate is not valid yet: most likely this machine's clock is wrong
	Proxy          Cause = "proxy"           // the proxy could not be used
	ProxyAuth      Cause = "proxy-auth"      // the proxy wants a password (407)
	Captive        Cause = "captive"         // a captive portal answers in place of the server
	NotABackend    Cause = "not-a-backend"   // something answers, and it is not a backend Handline knows
	Auth           Cause = "auth"            // the key was not accepted
	Forbidden      Cause = "forbidden"       // the key is good and may not open this conversation
	Gone           Cause = "gone"            // the conversation does not exist (any more)
	Asleep         Cause = "asleep"          // the conversation's sandbox is paused
	Throttled      Cause = "throttled"       // too many requests or subscribers (429, 1013)
	Draining       Cause = "draining"        // the server said that it is about to go (1001, 1012)
	Unavailable    Cause = "unavailable"     // the server or the proxy before it is not ready (502, 503, 504)
	Protocol       Cause = "protocol"        // the peer broke the protocol, or speaks another version of it
	TooBig         Cause = "too-big"         // a frame exceeded the read limit
	Plaintext      Cause = "plaintext"       // the key would have travelled unencrypted
	LocalNetwork   Cause = "local-network"   // macOS denies access to the local network
	KeychainLocked Cause = "keychain-locked" // the keychain is locked
	KeychainDenied Cause = "keychain-denied" // the keychain refused
	NotSetUp       Cause = "not-set-up"      // there is no server, or no conversation, to connect to
)

// About is a variety of a cause that asks for words of its own, "" = the usual. connection/words.go has those under the
// cause, a slash and this.
type About string

const (
	Firewall    About = "firewall"  // NoNetwork: this computer's own firewall
	Unresolved  About = "silent"    // DNS: the name server did not answer
	Blocked     About = "blocked"   // Protocol: requests get through, WebSockets do not
	Starting    About = "starting"  // Unavailable: a sandbox is on its way up
	Ended       About = "ended"     // Gone: the conversation was archived, or its computer removed
	Crowd       About = "crowd"     // Throttled: too many follow this conversation
	SlowReader  About = "slow"      // Throttled: events came faster than they were read
	BigEvent    About = "event"     // TooBig: the session socket does not carry the next event
	SSH         About = "ssh"       // NotABackend, and so are all below: an SSH server
	SpeaksFirst About = "first"     // a server that speaks before it is asked
	OtherWeb    About = "web"       // a web server of another kind
	NoPath      About = "path"      // a server that does not know the path
	NoNamespace About = "namespace" // a Socket.IO server that does not know the namespace
	WebPage     About = "page"      // a web page
	Elsewhere   About = "elsewhere" // a redirect to another host
	WantsTLS    About = "https"     // a redirect from http to https
	NoTLS       About = "http"      // the answer is not TLS
	Noise       About = "noise"     // the answer is not HTTP
)

// Verdict says how often a failure may be met before trying again is pointless.
type Verdict uint8

const (
	Retry  Verdict = iota // the ladder of DESIGN 3: try again
	Thrice                // final when it was met three times in a row (within 10 min)
	Final                 // final until the key, the server, the conversation or the user changes something
)

// Failure is why a dial, a session or a request ended. It is comparable and holds nothing secret: no URL query, no
// header, no body beyond a cleaned fact.
type Failure struct {
	Cause Cause
	// About says more exactly what it is. It is set where the failure is made and never picked from words that a server
	// wrote.
	About   About
	Verdict Verdict
	// Silent: nothing answered (a dial timed out, there was no route), so quick retries storm nobody.
	Silent bool
	// Suspect: a captive portal may have answered in place of the server (a redirect elsewhere, HTML with 200, 511, a
	// certificate for another name, bytes that are not HTTP).
	Suspect bool
	// Host is host:port that was dialled (a proxy's, where the proxy failed).
	Host string
	// Status is the HTTP status or the WebSocket close code, 0 where there was none.
	Status int
	// After is the time the server asked to wait (Retry-After, retry_after_ms), 0 where it did not.
	After time.Duration
	// Detail is one short fact for diagnostics: "HTTP 403", "expired 2026-03-01", the server's cleaned words. May be "".
	Detail string
}

// Error implements error: one line for logs, "cause host: detail".
func (f Failure) Error() string {
	s := string(f.Cause)
	if f.Host != "" {
		s += " " + f.Host
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	} else if f.Status != 0 {
		s += fmt.Sprintf(": status %d", f.Status)
	}
	return s
}
