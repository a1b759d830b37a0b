package network

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// tunnels is an HTTP proxy that wants a password, speaks HTTP without reason phrases and relays.
func tunnels(login string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil || req.Method != http.MethodConnect {
			return
		}
		if req.Header.Get("Proxy-Authorization") != login {
			io.WriteString(c, "HTTP/1.1 407\r\nProxy-Authenticate: Basic\r\n\r\n")
			return
		}
		to, err := net.Dial("tcp", req.Host)
		if err != nil {
			io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n")
			return
		}
		defer to.Close()
		io.WriteString(c, "HTTP/1.1 200\r\n\r\n")
		relay(c, r, to)
	}
}

func relay(c net.Conn, r io.Reader, to net.Conn) {
	back := make(chan struct{})
	go func() { defer close(back); io.Copy(c, to); c.Close() }()
	io.Copy(to, r)
	to.Close()
	<-back
}

func TestThroughAProxy(t *testing.T) {
	ca := newAuthority(t, "Ours")
	year := time.Now().Year()
	cert := ca.serves(t, "127.0.0.1", 2020, year+1)
	plain, secure := "ws://"+peer(t, upgrades), "wss://"+peer(t, over(cert, upgrades))
	const login = "Basic bmFtZTpwYTpzcw==" // name:pa:ss
	web, secureWeb := peer(t, tunnels(login)), peer(t, over(cert, tunnels(login)))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	gone := closed.Addr().String()
	early := peer(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		http.ReadRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nSSH-2.0-early bird\r\n") // the target speaks before we do
		io.Copy(io.Discard, r)
	})

	for _, row := range []struct {
		name, proxy, target string
		want                Failure
	}{
		{"http, plain", "http://name:pa%3Ass@" + web, plain, Failure{}},
		{"http, TLS", "http://name:pa%3Ass@" + web, secure, Failure{}},
		{"https, TLS in TLS", "https://name:pa%3Ass@" + secureWeb, secure, Failure{}},
		{"no password", "http://" + web, secure, Failure{Cause: ProxyAuth, Host: web, Status: 407, Detail: "HTTP 407"}},
		{"a wrong password", "https://name:no@" + secureWeb, plain, Failure{Cause: ProxyAuth, Host: secureWeb, Status: 407, Detail: "HTTP 407"}},
		{"the target is down", "http://name:pa%3Ass@" + web, "ws://" + gone, Failure{Cause: Proxy, Host: web, Status: 502, Detail: "HTTP 502"}},
		{"the proxy is down", "http://" + gone, plain, Failure{Cause: Proxy, Host: gone, Detail: "refused"}},
		{"the proxy hangs up", "http://" + peer(t, says("")), plain, Failure{Cause: Proxy, Detail: "reset"}},
		{"the proxy is none", "http://" + peer(t, says("SSH-2.0-x\r\n\r\n")), plain, Failure{Cause: Proxy, Suspect: true, Detail: "the answer is not HTTP"}},
		{"the proxy asks for a pause", "http://" + peer(t, says("HTTP/1.1 503 Busy\r\nRetry-After: 9\r\n\r\n")), plain,
			Failure{Cause: Proxy, Status: 503, After: 9 * time.Second, Detail: "HTTP 503"}},
		{"an unknown kind", "ftp://127.0.0.1:1", plain, Failure{Cause: Proxy, Host: "127.0.0.1:1", Detail: `scheme "ftp" is not supported`}},
		{"early bytes are kept", "http://" + early, plain, Failure{Cause: NotABackend, About: Noise, Suspect: true, Detail: "the answer is not HTTP"}},
	} {
		got := upgrade(t, t.Context(), Dialer{TLS: ca.trust(), Proxy: through(t, row.proxy)}, row.target)
		if row.want.Host == "" {
			row.want.Host = got.Host
		}
		require.Equal(t, row.want, got, row.name)
	}
	_, err = Dialer{Proxy: Proxies("nonsense:secret@x")}.Dial(t.Context(), parse(t, "ws://server.example"))
	require.Equal(t, Proxy, Classify(err, nil, nil, nil).Cause)
	require.NotContains(t, err.Error(), "secret")
}

// Wherever the line is cut in the answer, it was cut: only what a server said in full is nonsense.
func TestAnAnswerCutAnywhere(t *testing.T) {
	const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for n := range len(answer) {
		cut := peer(t, says(answer[:n]))
		require.Equal(t, Reset, upgrade(t, t.Context(), Dialer{}, "ws://"+cut).Cause, "%q", answer[:n])
		_, err := http.Get("http://" + cut)
		require.Equal(t, Reset, Classify(err, parse(t, "http://"+cut), nil, nil).Cause, "%q", answer[:n])
	}
	for _, noise := range []string{"SSH-2.0-x\r\n", "hello", "220 mail.example\r\n", "HELO\r\n"} {
		require.Equal(t, Noise, upgrade(t, t.Context(), Dialer{}, "ws://"+peer(t, says(noise))).About, noise)
	}
}

func TestThroughARealTinyproxy(t *testing.T) {
	program, err := exec.LookPath("tinyproxy")
	if err != nil {
		missing(t, "tinyproxy is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	config := filepath.Join(t.TempDir(), "tinyproxy.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "Listen 127.0.0.1\nPort %d\nBasicAuth name word\nMaxClients 9\n", address.Port), 0o600))
	cmd := exec.Command(program, "-d", "-c", config)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", address.String())
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)

	ca := newAuthority(t, "Ours")
	cert := ca.serves(t, "127.0.0.1", 2020, time.Now().Year()+1)
	d := Dialer{TLS: ca.trust(), Proxy: through(t, "http://name:word@"+address.String())}
	require.Equal(t, Failure{}, upgrade(t, t.Context(), d, "ws://"+peer(t, upgrades)))
	require.Equal(t, Failure{}, upgrade(t, t.Context(), d, "wss://"+peer(t, over(cert, upgrades))))
	for _, target := range []string{"ws://" + peer(t, upgrades), "wss://" + peer(t, over(cert, upgrades))} {
		d.Proxy = through(t, "http://name:wrong@"+address.String())
		f := upgrade(t, t.Context(), d, target)
		require.Equal(t, ProxyAuth, f.Cause, "tinyproxy answers a wrong password with 401 and none with 407")
		d.Proxy = through(t, "http://"+address.String())
		require.Equal(t, Failure{Cause: ProxyAuth, Host: address.String(), Status: 407, Detail: "HTTP 407"},
			upgrade(t, t.Context(), d, target))
	}
}

// A password that is kept apart from the proxy's address is asked for where the proxy wants one, and nowhere else.
func TestAProxysPasswordIsAskedForWhenItIsWanted(t *testing.T) {
	target := "ws://" + peer(t, upgrades)
	const word = "Basic bmFtZTp3b3Jk"
	locked, open := peer(t, tunnels(word)), peer(t, tunnels(""))
	for _, row := range []struct {
		name, proxy string
		login       *url.Userinfo // nil = none is known
		asked       int
		want        Cause
	}{
		{"it is known", "http://" + locked, url.UserPassword("name", "word"), 1, ""},
		{"it is wrong", "http://" + locked, url.UserPassword("name", "no"), 1, ProxyAuth},
		{"it is not known", "http://" + locked, nil, 1, ProxyAuth},
		{"the address has one", "http://name:no@" + locked, url.UserPassword("name", "word"), 0, ProxyAuth},
		{"none is wanted", "http://" + open, url.UserPassword("name", "word"), 0, ""},
		{"by SOCKS", "socks5://" + peer(t, socks5("name", "word", 0)), url.UserPassword("name", "word"), 1, ""},
	} {
		asked := 0
		d := Dialer{Proxy: through(t, row.proxy), Login: func(_ context.Context, proxy *url.URL) *url.Userinfo {
			require.Nil(t, proxy.User)
			asked++
			return row.login
		}}
		require.Equal(t, row.want, upgrade(t, t.Context(), d, target).Cause, row.name)
		require.Equal(t, row.asked, asked, row.name)
	}
}

// socks5 is a SOCKS 5 proxy with an optional password that answers each request with the given reply.
func socks5(user, password string, reply byte) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		head := make([]byte, 2)
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		methods := make([]byte, head[1])
		io.ReadFull(r, methods)
		if user != "" && !bytes.Contains(methods, []byte{2}) {
			c.Write([]byte{5, 0xff})
			return
		}
		if user == "" {
			c.Write([]byte{5, 0})
		} else {
			c.Write([]byte{5, 2})
			io.ReadFull(r, head)
			name := make([]byte, head[1])
			io.ReadFull(r, name)
			n, _ := r.ReadByte()
			word := make([]byte, n)
			io.ReadFull(r, word)
			if string(name) != user || string(word) != password {
				c.Write([]byte{1, 1})
				return
			}
			c.Write([]byte{1, 0})
		}
		ask := make([]byte, 10) // IPv4
		if _, err := io.ReadFull(r, ask); err != nil {
			return
		}
		c.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0})
		to, err := net.Dial("tcp", fmt.Sprintf("%d.%d.%d.%d:%d", ask[4], ask[5], ask[6], ask[7], int(ask[8])<<8|int(ask[9])))
		if reply != 0 || err != nil {
			return
		}
		relay(c, r, to)
	}
}

func TestThroughSOCKS(t *testing.T) {
	target := "ws://" + peer(t, upgrades)
	open, locked, refuses := peer(t, socks5("", "", 0)), peer(t, socks5("name", "word", 0)), peer(t, socks5("", "", 5))
	for _, row := range []struct {
		name, proxy string
		want        Failure
	}{
		{"open", "socks5://" + open, Failure{}},
		{"with a password", "socks5h://name:word@" + locked, Failure{}},
		{"with a wrong one", "socks5://name:no@" + locked, Failure{Cause: ProxyAuth, Host: locked, Detail: "username/password authentication failed"}},
		{"the target is down", "socks5://" + refuses, Failure{Cause: Proxy, Host: refuses, Detail: "connection refused"}},
		{"no SOCKS there", "socks5://" + peer(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400\r\n\r\n") }), Failure{Cause: Proxy, Detail: "unexpected protocol version 72"}},
	} {
		got := upgrade(t, t.Context(), Dialer{Proxy: through(t, row.proxy)}, target)
		if row.want.Cause != "" && row.want.Host == "" {
			row.want.Host = got.Host
		}
		require.Equal(t, row.want, got, row.name)
	}
}

// In each stage the peer falls silent; cancelling must free the caller at once, hang up, and leave no goroutine.
func TestCancelFreesEveryStage(t *testing.T) {
	stall := func(t *testing.T) (string, chan struct{}) {
		hungUp := make(chan struct{})
		return peer(t, func(c net.Conn) { mute(c); close(hungUp) }), hungUp
	}
	for _, stage := range []struct {
		name, target string
		proxy        func(address string) string
	}{
		{"TLS", "wss://", nil},
		{"CONNECT", "ws://127.0.0.1:1", func(a string) string { return "http://" + a }},
		{"TLS to the proxy", "ws://127.0.0.1:1", func(a string) string { return "https://" + a }},
		{"SOCKS", "ws://127.0.0.1:1", func(a string) string { return "socks5://u:p@" + a }},
	} {
		t.Run(stage.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			address, hungUp := stall(t)
			d := Dialer{}
			target := stage.target
			if stage.proxy == nil {
				target += address
			} else {
				d.Proxy = through(t, stage.proxy(address))
			}
			ctx, cancel := context.WithCancel(t.Context())
			var at time.Time
			timer := time.AfterFunc(50*time.Millisecond, func() { at = time.Now(); cancel() })
			defer timer.Stop()
			conn, err := d.Dial(ctx, parse(t, target))
			took := time.Since(at)
			require.Nil(t, conn)
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, took, promised(100*time.Millisecond))
			f := Classify(err, parse(t, target), nil, nil)
			require.Equal(t, "cancelled", f.Detail)
			<-hungUp
			for left := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+1; runtime.Gosched() { // the listener's own stays
				require.True(t, time.Now().Before(left), "a goroutine is left over")
			}
		})
	}
	t.Run("TCP", func(t *testing.T) {
		d := Dialer{Raw: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := d.Dial(ctx, parse(t, "wss://h"))
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestACancelledContextLeavesADialledConnectionAlone(t *testing.T) {
	ca := newAuthority(t, "Ours")
	cert := ca.serves(t, "127.0.0.1", 2020, time.Now().Year()+1)
	echo := func(c net.Conn) { io.Copy(c, c) }
	for target, proxy := range map[string]string{
		"ws://" + peer(t, echo):              "",
		"wss://" + peer(t, over(cert, echo)): "",
		"ws://" + peer(t, echo) + "/1":       "http://" + peer(t, tunnels("")),
		"ws://" + peer(t, echo) + "/2":       "socks5://" + peer(t, socks5("", "", 0)),
	} {
		d := Dialer{TLS: ca.trust()}
		if proxy != "" {
			d.Proxy = through(t, proxy)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		conn, err := d.Dial(ctx, parse(t, target))
		require.NoError(t, err, target)
		cancel()
		got := make([]byte, 5)
		_, err = conn.Write([]byte("hello"))
		require.NoError(t, err)
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err, target)
		require.Equal(t, "hello", string(got))
		if secure, ok := conn.(*tls.Conn); ok {
			require.NotEqual(t, "h2", secure.ConnectionState().NegotiatedProtocol)
		}
		conn.Close()
	}
}

// All of it works on in-memory pipes in a bubble, where a connect that never ends takes its ten seconds in no time.
func TestConnectIsBoundedApartFromTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		start := time.Now()
		_, err := Dialer{Raw: hang}.Dial(t.Context(), &url.URL{Scheme: "wss", Host: "h"})
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Equal(t, Failure{Cause: Timeout, Silent: true, Host: "h:443"}, Classify(err, &url.URL{Scheme: "wss", Host: "h"}, nil, nil))

		start = time.Now()
		_, err = Dialer{Raw: hang, Connect: 2 * time.Second, Proxy: through(t, "http://proxy:8080")}.Dial(t.Context(), &url.URL{Scheme: "ws", Host: "h"})
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, Failure{Cause: Proxy, Silent: true, Host: "proxy:8080", Detail: "timeout"}, Classify(err, nil, nil, nil))

		// Once TCP is up, only ctx bounds: here a proxy that never answers, over a pipe.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		pipe := func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go mute(theirs)
			return ours, nil
		}
		start = time.Now()
		_, err = Dialer{Raw: pipe, Connect: 2 * time.Second, Proxy: through(t, "http://proxy:8080")}.Dial(ctx, &url.URL{Scheme: "ws", Host: "h"})
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, Failure{Cause: Proxy, Host: "proxy:8080", Detail: "timeout"}, Classify(err, nil, nil, nil))
	})
}

func TestTheClientFollowsAndKeepsNothing(t *testing.T) {
	requests := make(chan *http.Request, 2)
	address := peer(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			requests <- req
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
		}
	})
	d := Dialer{Raw: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != address {
			return nil, errors.New("dialled " + addr)
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	client := d.Client()
	for range 2 {
		res, err := client.Get("http://" + address + "/path")
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 302, res.StatusCode)
		req := <-requests
		require.True(t, req.Close)
		require.Empty(t, req.Cookies())
	}
	slow := peer(t, mute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+slow+"/?key=secret", nil)
	require.NoError(t, err)
	_, err = Dialer{}.Client().Do(req)
	require.Equal(t, Failure{Cause: Timeout, Host: slow}, Classify(err, req.URL, nil, nil))
	endless := peer(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "X-%d: %01000d\r\n", i, 0); err != nil {
				return
			}
		}
	})
	_, err = Dialer{}.Client().Get("http://" + endless)
	require.ErrorContains(t, err, "exceeded")
}
