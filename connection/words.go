package connection

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"handline/connection/network"
)

// phrase is what people read about a cause. The rules are: first what is, then what it means, then what to do,
// beginning with a verb; no code without words; the headline is at most 50 characters with a usual address and ends
// without a period, because the menu bar shows "Error: " and then it. {at} stands for host:port and {host} for the
// host, shortened in the headline; {fact} is the failure's own fact. Advice needs neither.
type phrase struct{ text, means, advice string }

// phrases holds the words of every cause, and after a slash those of a variant that asks for something else.
var phrases = map[string]phrase{
	"no-network": {"No network connection",
		"This computer has no route to {at}.",
		"Check Wi-Fi or the network cable. Handline reconnects by itself."},
	"no-network/firewall": {"A firewall stops Handline",
		"This computer's own firewall did not permit a connection to {at}.",
		"Allow Handline in the firewall, then reconnect."},
	"dns": {"No server is named {host}",
		"The name has no address. It may be mistyped, or known only inside another network or VPN.",
		"Check the server's address in Settings."},
	"dns/silent": {"{host} could not be looked up",
		"This network's name server did not answer.",
		"Check the network connection. Handline keeps trying."},
	"refused": {"Nothing is listening at {at}",
		"The computer answers, but the server is not running on that port.",
		"Start OpenHands, or check the port in Settings."},
	"timeout": {"{at} stopped answering",
		"The server took the connection and then said nothing in time. It may be starting, busy or stuck.",
		"Wait a moment. Restart the server if it stays so."},
	"timeout/silent": {"{at} does not answer",
		"Nothing came back in time. The computer may be off or asleep, or a firewall is in the way.",
		"Check that the server is on and that this network reaches it. Handline keeps trying."},
	"reset": {"The connection to {at} was cut",
		"The server, or something on the way to it, ended the connection.",
		"Wait a moment. Handline reconnects by itself."},
	"tls-expired": {"The server's certificate has expired",
		"It ran out {fact}, and cannot be trusted after that.",
		"Renew it on the server. If it is new, check this computer's date."},
	"tls-name": {"The certificate is not for {host}",
		"It was {fact}. Another server, or this network's login page, answers in place of yours.",
		"Check the server's address, or log in to this network first."},
	"tls-authority": {"The server's certificate is not trusted",
		"Nobody this computer trusts has signed it.",
		"Install a certificate from a public authority, or make this computer trust the one that signed it."},
	"tls-clock": {"The server's certificate is not valid yet",
		"Your clock says {fact}.",
		"Set the date and time."},
	"proxy": {"The proxy {at} cannot be used",
		"It could not be reached, or did not behave like a proxy.",
		"Check the proxy in Settings, or turn it off."},
	"proxy/refused": {"The proxy {at} said no",
		"It answers, but would not connect Handline with your server.",
		"Ask whoever runs the proxy to allow the server, or choose another proxy in Settings."},
	"proxy/setting": {"The proxy setting cannot be used",
		"It is not an address that Handline understands.",
		"Enter it like http://proxy.example:3128, or leave it empty."},
	"proxy-auth": {"The proxy {at} wants a password",
		"It lets nobody through without one.",
		"Add your name and password to the proxy's address in Settings."},
	"captive": {"This network wants you to log in",
		"It answers in place of your server until you do.",
		"Log in to the network. Handline reconnects by itself."},
	"not-a-backend": {"No backend answers at {at}",
		"A server is there, but not one that Handline can talk with.",
		"Check the address and port in Settings."},
	"not-a-backend/path": {"No backend at this path of {at}",
		"A server is there, but it does not know the path. A proxy before it may not pass WebSockets on.",
		"Check the address and path in Settings."},
	"not-a-backend/namespace": {"{at} has no such namespace",
		"A Socket.IO server is there, but it does not know the namespace that Handline asked for.",
		"Check the namespace in Handline's configuration."},
	"not-a-backend/page": {"{at} shows a web page",
		"It is no backend that Handline knows. It may be a website, or this network's login page.",
		"Open the address in a browser and log in if it asks. Otherwise check it in Settings."},
	"not-a-backend/elsewhere": {"{at} sends visitors elsewhere",
		"It redirects to {fact}. That may be this network's login page, or the server's new address.",
		"Open the address in a browser and log in if it asks. Otherwise check it in Settings."},
	"not-a-backend/web": {"{at} is a web server of another kind",
		"It answers requests, but it is no backend that Handline knows.",
		"Check the address and port in Settings."},
	"not-a-backend/ssh": {"{at} is an SSH server",
		"Terminals log in there. OpenHands listens on another port.",
		"Check the port in Settings."},
	"not-a-backend/first": {"{at} is no web server",
		"It speaks first, as mail servers do. OpenHands listens on another port.",
		"Check the port in Settings."},
	"not-a-backend/noise": {"{at} does not speak HTTP",
		"What it says is no web server's answer. It may be another program.",
		"Check the port in Settings."},
	"not-a-backend/https": {"{at} wants https",
		"It sends every http request on to https.",
		"Change http to https in the server's address."},
	"not-a-backend/http": {"{at} does not speak https",
		"It answers without encryption. It may also be this network's login page.",
		"Check the port. A server on your own computer may need http in its address."},
	"auth": {"The server did not accept your key",
		"It is missing, mistyped or has been revoked.",
		"Enter a new key."},
	"forbidden": {"Your key does not open this conversation",
		"The server refused it. The conversation may belong to another account.",
		"Choose another conversation, or enter the key of its owner."},
	"gone": {"This conversation does not exist",
		"The server does not know it. It may have been deleted, or its name is mistyped.",
		"Choose another conversation."},
	"gone/ended": {"This conversation has ended",
		"It was archived, or the computer that it ran on was removed. It takes no more messages.",
		"Choose another conversation. This one can still be read in the browser."},
	"asleep": {"This conversation is asleep",
		"Its sandbox was paused; nothing is lost.",
		"Resume it when you need it."},
	"throttled": {"The server asks for a pause",
		"Too many connections or requests reached it in a short time.",
		"Wait. Handline returns by itself. Close other clients if this goes on."},
	"throttled/crowd": {"Too many follow this conversation",
		"The server lets only so many clients follow one conversation at a time, and all places are taken.",
		"Close other windows and clients of this conversation. Handline keeps trying."},
	"throttled/slow": {"Events came faster than the line took them",
		"The server cut the line, and keeps what is left.",
		"Wait a moment. Handline goes on where it stopped."},
	"draining": {"The server is restarting",
		"It said so before it went.",
		"Wait a moment. Handline reconnects by itself."},
	"unavailable": {"The server is not ready",
		"It, or a proxy before it, cannot serve anybody right now.",
		"Wait a moment. Look at the server's log if it stays so."},
	"unavailable/starting": {"The sandbox is starting",
		"The computer that the conversation runs on is not up yet. That can take a minute.",
		"Wait. Handline connects as soon as it is."},
	"protocol": {"The server speaks another version",
		"What it says does not follow the protocol that Handline expects.",
		"Update the server or Handline, then reconnect."},
	"protocol/blocked": {"WebSockets do not get through",
		"The server answers requests, but not WebSockets. A proxy before it may hold them back.",
		"Allow WebSockets in the proxy, or enter the server's own address in Settings."},
	"too-big": {"A message was too big",
		"One message was larger than Handline or the server accepts.",
		"Shorten what you send, or read the conversation in the browser."},
	"too-big/event": {"An event was too big for the line",
		"The server's newer socket does not carry it. Handline changes to the older one, which does.",
		"Wait a moment. Handline reconnects by itself."},
	"plaintext": {"Your key would travel unencrypted",
		"Anybody on the way to {host} could read it, because the address begins with http.",
		"Use https, or tick Allow on this network in Settings."},
	"local-network": {"macOS keeps Handline off the local network",
		"Handline may lack the permission to reach {host}, or that computer is off.",
		"Allow Handline in System Settings, Privacy & Security, Local Network."},
	"keychain-locked": {"The keychain is locked",
		"Your key is in it, and Handline cannot read it now.",
		"Unlock the keychain, then reconnect."},
	"keychain-denied": {"The keychain refused Handline",
		"Your key is in it, but Handline was not allowed to read it.",
		"Reconnect and choose Allow, or enter the key again."},
	"not-set-up": {"Handline is not set up",
		"It has no server to connect to.",
		"Enter your server's address in Settings."},
	"not-set-up/conversation": {"No conversation is chosen",
		"Handline knows the server, but not which conversation to follow.",
		"Choose a conversation."},
}

// Explain gives a failure outside the line, of a check or a request, the same words. server is the configured server,
// "" = none.
func Explain(f network.Failure, server string) Why { return explain(f, server) }

// explain gives a failure its words. server is the configured server, "" = none.
func explain(f network.Failure, server string) Why {
	if f.Cause == "" {
		return Why{}
	}
	p, ok := phrases[string(f.Cause)+variant(f, server)]
	if !ok {
		p = phrases[string(f.Cause)]
	}
	at := place(f.Host, server)
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		host = at
	}
	text := strings.NewReplacer("{at}", short(at), "{host}", short(host)).Replace(p.text)
	means := strings.NewReplacer("{at}", at, "{host}", host, "{fact}", fact(f)).Replace(p.means)
	return Why{Code: f.Cause, Text: capital(text), Means: capital(means) + pause(f), Advice: p.advice, Detail: f.Detail}
}

// variant picks the words for what differs within a cause, never by a failure's Detail: a server may have written that.
func variant(f network.Failure, server string) string {
	switch {
	case f.About != "":
		return "/" + string(f.About)
	case f.Cause == network.Timeout && f.Silent:
		return "/silent"
	case f.Cause == network.Proxy && f.Host == "":
		return "/setting"
	case f.Cause == network.Proxy && f.Status != 0:
		return "/refused"
	case f.Cause == network.NotSetUp && server != "":
		return "/conversation"
	}
	return ""
}

// fact is the failure's own fact as part of a sentence: dates as people write them.
func fact(f network.Failure) string {
	words := strings.Fields(f.Detail)
	if len(words) > 0 {
		if day, err := time.Parse(time.DateOnly, words[len(words)-1]); err == nil {
			if f.Cause == network.TLSExpired {
				return "on " + day.Format("2 January 2006")
			}
			return day.Format("2 January 2006")
		}
	}
	switch {
	case f.Cause == network.TLSExpired:
		return "some time ago"
	case f.Cause == network.TLSClock:
		return "an earlier day"
	case f.Cause == network.TLSName && f.Detail == "":
		return "issued for another name"
	case f.Cause == network.NotABackend:
		_, to, _ := strings.Cut(f.Detail, " to ")
		return to
	}
	return f.Detail
}

// pause says how long the server asked to be left alone. Before a sandbox, and after a close frame, which cannot name a
// time, the waiting is Handline's own manners.
func pause(f network.Failure) string {
	switch {
	case f.After <= 0, f.Cause == network.Asleep, f.About == network.Starting, f.Status == 1013:
		return ""
	case f.After < 100*time.Second:
		return fmt.Sprintf(" It asks for %d s.", (f.After+time.Second-1)/time.Second)
	}
	return fmt.Sprintf(" It asks for %d min.", (f.After+time.Minute-1)/time.Minute)
}

// place is where the trouble is, without the ports that go without saying.
func place(host, server string) string {
	if host == "" {
		if u, err := url.Parse(server); err == nil {
			host = u.Host
		}
	}
	host = strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
	if host == "" {
		return "the server"
	}
	return host
}

// short keeps both ends of a name that would not fit into a menu.
func short(s string) string {
	r := []rune(s)
	if len(r) <= 28 {
		return s
	}
	return string(r[:12]) + "…" + string(r[len(r)-15:])
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if !strings.HasPrefix(s, "the ") { // a host or "macOS" keeps its own spelling
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
