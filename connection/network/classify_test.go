package network

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// accept is Sec-WebSocket-Accept (RFC 6455 section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// The golden file shows what every answer to an upgrade is taken for. All servers are real and on loopback.
func TestEveryAnswerToAnUpgrade(t *testing.T) {
	const page = "Content-Type: text/html; charset=utf-8\r\n\r\n<html>Welcome to the hotel</html>"
	var b strings.Builder
	for _, row := range []struct{ name, answer string }{
		{"101 with a wrong accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n"},
		{"200 with a web page", "HTTP/1.1 200 OK\r\n" + page},
		{"200 with a page of no type", "HTTP/1.0 200 OK\r\n\r\n\xef\xbb\xbf<!doctype HTML>"},
		{"200 with JSON", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}"},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"301 to https", "HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/x?key=secret\r\n\r\n"},
		{"302 elsewhere", "HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/?mac=secret\r\n\r\n"},
		{"302 on the same host", "HTTP/1.1 302 Found\r\nLocation: /oauth2/start\r\n\r\n"},
		{"307 elsewhere", "HTTP/1.1 307 Temporary Redirect\r\nLocation: //login.hotel.example\r\n\r\n"},
		{"400", "HTTP/1.1 400 Bad Request\r\n\r\nInvalid websocket upgrade"},
		{"401", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\n{}"},
		{"401 with a web page", "HTTP/1.1 401 Unauthorized\r\n" + page},
		{"403", "HTTP/1.1 403 Forbidden\r\n\r\n"},
		{"403 with a web page", "HTTP/1.1 403 Forbidden\r\n" + page},
		{"404", "HTTP/1.1 404 Not Found\r\n\r\n404 page not found"},
		{"405", "HTTP/1.1 405 Method Not Allowed\r\n\r\n"},
		{"407", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"},
		{"407 without a reason phrase", "HTTP/1.1 407\r\n\r\n"},
		{"408", "HTTP/1.1 408 Request Timeout\r\n\r\n"},
		{"409", "HTTP/1.1 409 Conflict\r\n\r\n"},
		{"410", "HTTP/1.1 410 Gone\r\n\r\n"},
		{"426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\n\r\n"},
		{"429 with a pause", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 42\r\n\r\n"},
		{"500", "HTTP/1.1 500 Internal Server Error\r\n\r\n"},
		{"502", "HTTP/1.1 502 Bad Gateway\r\n" + page},
		{"503 until a date", "HTTP/1.1 503 Busy\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:07 GMT\r\n\r\n"},
		{"504", "HTTP/1.1 504 Gateway Timeout\r\n\r\n"},
		{"511", "HTTP/1.1 511 Network Authentication Required\r\n" + page},
		{"an SSH server", "SSH-2.0-OpenSSH_9.6\r\n"},
		{"garbage", "\x00\x01\x02\x16\x03 no HTTP here\r\n\r\n"},
		{"half a status line", "HTTP/1.1 20"},
		{"nothing, then the end", ""},
	} {
		address := peer(t, says(row.answer))
		f := upgrade(t, t.Context(), Dialer{}, "ws://"+address+"/socket?key=secret")
		require.Equal(t, address, f.Host, row.name)
		fmt.Fprintf(&b, "%-28s %s\n", row.name, line(f))
	}
	golden(t, "upgrades.golden", b.String())
	require.NotContains(t, b.String(), "secret")
	require.Equal(t, Failure{}, upgrade(t, t.Context(), Dialer{}, "ws://"+peer(t, upgrades)+"/socket"))
}

func TestWhatTLSSays(t *testing.T) {
	ours, theirs := newAuthority(t, "Ours"), newAuthority(t, "Theirs")
	d := Dialer{TLS: ours.trust()}
	year := time.Now().Year()
	tls := func(a authority, name string, from, to int) string {
		return "wss://" + peer(t, over(a.serves(t, name, from, to), upgrades))
	}
	for _, row := range []struct {
		name, target string
		want         Failure
	}{
		{"good", tls(ours, "127.0.0.1", 2020, year+1), Failure{}},
		{"expired", tls(ours, "127.0.0.1", 2020, 2021), Failure{Cause: TLSExpired, Detail: "expired 2021-03-01"}},
		{"not yet valid", tls(ours, "127.0.0.1", year+1, year+2), Failure{Cause: TLSClock, Detail: "the clock says " + time.Now().Format(time.DateOnly)}},
		{"another name", tls(ours, "portal.example", 2020, year+1), Failure{Cause: TLSName, Suspect: true, Detail: "issued for portal.example"}},
		{"another name, expired", tls(theirs, "portal.example", 2020, 2021), Failure{Cause: TLSName, Suspect: true, Detail: "issued for portal.example"}},
		{"unknown authority", tls(theirs, "127.0.0.1", 2020, year+1), Failure{Cause: TLSAuthority, Suspect: true, Detail: "issued by Theirs"}},
		{"no TLS at all", "wss://" + peer(t, says("")), Failure{Cause: Reset}},
		{"plain HTTP", "wss://" + peer(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); mute(c) }),
			Failure{Cause: NotABackend, About: NoTLS, Suspect: true, Detail: "the answer is not TLS"}},
		{"an alert", "wss://" + peer(t, func(c net.Conn) { c.Write([]byte{21, 3, 3, 0, 2, 2, 40}); mute(c) }),
			Failure{Cause: Protocol, Detail: "TLS was refused: tls: handshake failure"}},
	} {
		got := upgrade(t, t.Context(), d, row.target)
		if row.want != (Failure{}) {
			row.want.Host = strings.TrimPrefix(row.target, "wss://")
		}
		require.Equal(t, row.want, got, row.name)
		if row.want.Cause == NotABackend || row.want.Cause == "" {
			continue
		}
		// A request meets the same.
		u := parse(t, strings.Replace(row.target, "wss", "https", 1)+"/?key=secret")
		_, err := d.Client().Get(u.String())
		require.Equal(t, row.want, Classify(err, u, nil, nil), row.name)
	}
}

func TestASelfSignedCertificateIsSaidToBeOne(t *testing.T) {
	a := newAuthority(t, "127.0.0.1")
	leaf := *a.cert
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	f := Classify(&certError{host: "127.0.0.1", leaf: &leaf, now: time.Now(), err: errors.New("whatever a system says")}, nil, nil, nil)
	require.Equal(t, Failure{Cause: TLSAuthority, Suspect: true, Detail: "signed by itself"}, f)
}

func TestWhatSocketsSay(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	cut := peer(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	dial := Dialer{Connect: 2 * time.Second}
	require.Equal(t, Failure{Cause: Refused, Host: closed.Addr().String()}, upgrade(t, t.Context(), dial, "ws://"+closed.Addr().String()))
	require.Equal(t, Failure{Cause: Reset, Host: cut}, upgrade(t, t.Context(), dial, "ws://"+cut))

	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the dial before it must be through
	defer cancel()
	slow := peer(t, mute)
	require.Equal(t, Failure{Cause: Timeout, Host: slow}, upgrade(t, ctx, dial, "ws://"+slow), "something answered: not silent")
}

func TestErrorsThatCannotBeMadeHere(t *testing.T) {
	op := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 168, 1, 20), Port: 3000}, Err: err}
	}
	call := func(e syscall.Errno) error { return os.NewSyscallError("connect", e) }
	far := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(9, 9, 9, 9), Port: 443}, Err: call(syscall.EHOSTUNREACH)}
	for _, row := range []struct {
		name, goos string
		err        error
		want       Failure
	}{
		{"nothing", "linux", nil, Failure{}},
		{"a failure in the chain", "linux", fmt.Errorf("locating: %w", Failure{Cause: Asleep, Host: "h:1"}), Failure{Cause: Asleep, Host: "h:1"}},
		{"no such name", "linux", op("dial", &net.DNSError{Name: "host", IsNotFound: true}), Failure{Cause: DNS, Silent: true, Detail: "no such name"}},
		{"a resolver's timeout", "linux", op("dial", &net.DNSError{Name: "host", IsTimeout: true}), Failure{Cause: DNS, About: Unresolved, Silent: true, Detail: "the name server did not answer"}},
		{"no network", "darwin", op("dial", call(syscall.ENETUNREACH)), Failure{Cause: NoNetwork, Silent: true, Detail: "network is unreachable"}},
		{"no source address", "darwin", op("dial", call(syscall.EADDRNOTAVAIL)), Failure{Cause: NoNetwork, Silent: true, Detail: "cannot assign requested address"}},
		{"local network privacy", "darwin", op("dial", call(syscall.EHOSTUNREACH)), Failure{Cause: LocalNetwork, Silent: true}},
		{"a far host on macOS", "darwin", far, Failure{Cause: NoNetwork, Silent: true, Detail: "no route to host"}},
		{"a near host on Linux", "linux", op("dial", call(syscall.EHOSTUNREACH)), Failure{Cause: NoNetwork, Silent: true, Detail: "no route to host"}},
		{"a firewall here", "linux", op("dial", call(syscall.EPERM)), Failure{Cause: NoNetwork, About: Firewall, Silent: true, Detail: "this computer's firewall did not permit it"}},
		{"no SYN-ACK", "linux", op("dial", call(syscall.ETIMEDOUT)), Failure{Cause: Timeout, Silent: true}},
		{"no SYN-ACK for a request", "linux", &url.Error{Op: "Get", Err: fmt.Errorf("dialing host: %w", op("dial", os.ErrDeadlineExceeded))}, Failure{Cause: Timeout, Silent: true}},
		{"unacknowledged data", "linux", op("read", call(syscall.ETIMEDOUT)), Failure{Cause: Timeout}},
		{"a deadline", "linux", context.DeadlineExceeded, Failure{Cause: Timeout}},
		{"cancelled", "linux", op("dial", context.Canceled), Failure{Cause: Timeout, Detail: "cancelled"}},
		{"closed under us", "linux", op("read", net.ErrClosed), Failure{Cause: Reset}},
		{"broken pipe", "linux", op("write", call(syscall.EPIPE)), Failure{Cause: Reset}},
		{"anything else keeps its words", "linux", &url.Error{Op: "Get", URL: "https://host/?key=secret", Err: errors.New("odd\nthing at wss://u:p@host/x?key=secret")},
			Failure{Cause: Reset, Detail: "odd thing at wss://host/x"}},
		{"a bad proxy setting has no host", "linux", &ProxyError{Err: errors.New("the setting is odd")}, Failure{Cause: Proxy, Detail: "the setting is odd"}},
	} {
		got := classify(row.goos, row.err, &url.URL{Scheme: "wss", Host: "host"}, nil, nil)
		if row.want.Host == "" && row.err != nil && row.want.Cause != Proxy {
			row.want.Host = "host:443"
		}
		require.Equal(t, row.want, got, row.name)
	}
}
