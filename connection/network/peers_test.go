package network

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// peer is a real TCP server on loopback that treats every connection alike. It gives its address; when the test ends
// it hangs up and waits for its goroutines.
func peer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveOn(t, l, serve)
	return l.Addr().String()
}

func serveOn(t *testing.T, l net.Listener, serve func(net.Conn)) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			all.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

// says reads a request and answers it with fixed bytes.
func says(answer string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, answer)
		}
	}
}

// upgrades answers every request like a WebSocket server and keeps the line until the other side hangs up.
func upgrades(c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		accept(req.Header.Get("Sec-Websocket-Key")))
	io.Copy(io.Discard, r)
}

// mute takes connections and never says a word.
func mute(c net.Conn) { io.Copy(io.Discard, c) }

// upgrade dials as a session does and gives the failure, zero = the socket is open.
func upgrade(t *testing.T, ctx context.Context, d Dialer, target string) Failure {
	t.Helper()
	u := parse(t, target)
	ws, res, err := d.Upgrade(ctx, u, nil, Upgrade{Limit: 5 * time.Second})
	if err == nil {
		ws.Close()
		return Failure{}
	}
	var body []byte
	if res != nil {
		body, _ = io.ReadAll(io.LimitReader(res.Body, 1<<10))
	}
	return Classify(err, u, res, body)
}

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{cert, key}
}

// trust is a client configuration that knows this authority alone.
func (a authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

// serves is a server configuration with a certificate for a name or address, good between two years.
func (a authority) serves(t *testing.T, name string, from, to int) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(from, 3, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(to, 3, 1, 0, 0, 0, 0, time.UTC)}
	if ip, err := netip.ParseAddr(name); err == nil {
		tmpl.IPAddresses = []net.IP{ip.AsSlice()}
	} else {
		tmpl.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// over puts TLS under a server.
func over(cfg *tls.Config, serve func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		secure := tls.Server(c, cfg)
		if secure.Handshake() == nil {
			serve(secure)
			secure.Close()
		}
	}
}

// through gives every target the same proxy.
func through(t *testing.T, proxy string) func(*url.URL) (*url.URL, error) {
	u := parse(t, proxy)
	return func(*url.URL) (*url.URL, error) { return u, nil }
}

// promised is the most that something may take which is promised to take at most d: to the letter in the long series
// (HANDLINE_SOAK=1), and with room where a machine may be half as fast and busy besides.
func promised(d time.Duration) time.Duration {
	if os.Getenv("HANDLINE_SOAK") == "1" {
		return d
	}
	return 2*d + time.Second
}

// missing skips, or fails where CI promises that everything is installed.
func missing(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
