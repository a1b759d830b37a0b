//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"handline/connection/demo"
	"handline/diagnostics"
	"handline/persistence"
)

// clinic is a world of loopback alone in which an app is examined. Names under .example lead where the test says, and
// every other address is refused.
type clinic struct {
	t     *testing.T
	leads map[string]string // host:port to a loopback address
	trust *tls.Config
	ca    *authority
	edit  func(*persistence.Config)
	key   string
}

func newClinic(t *testing.T) *clinic {
	ca := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return &clinic{t: t, leads: map[string]string{}, ca: ca, trust: &tls.Config{RootCAs: pool}, edit: func(*persistence.Config) {}}
}

// dial goes to loopback and nowhere else.
func (c *clinic) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if to, ok := c.leads[addr]; ok {
		addr = to
	}
	if host, _, err := net.SplitHostPort(addr); err != nil || !net.ParseIP(host).IsLoopback() {
		c.t.Errorf("%s was dialled", addr)
		return nil, fmt.Errorf("%s is not ours", addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// app joins an app for the server in a home of its own. It does not run.
func (c *clinic) app(server string) *app {
	v := persistence.Default()
	v.Server, v.Conversation, v.Proxy, v.Probe = server, demo.DefaultConversation, "off", "http://probe.example/"
	v.AllowPlaintext = []string{"http://openhands.example"}
	c.edit(&v)
	return joined(c.t, v, c.key, world{dial: c.dial, tls: c.trust})
}

// joined makes an app in a home of its own, with a key for its server unless that is "". It does not run.
func joined(t *testing.T, v persistence.Config, key string, w world) *app {
	dir, err := os.MkdirTemp("", "handline-test-") // a short path, for the socket's sake
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	home, err := persistence.OpenHome(dir)
	require.NoError(t, err)
	require.NoError(t, persistence.SaveConfig(home.Config(), v))
	w.secrets = persistence.Memory()
	if key != "" {
		require.NoError(t, w.secrets.Set(t.Context(), v.Server, key))
	}
	a, err := join(home, w, "")
	require.NoError(t, err)
	t.Cleanup(a.close)
	return a
}

// runs runs an app until the test ends.
func runs(t *testing.T, a *app) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
}

// examine gives the report and what the command line prints of it, without times.
func (c *clinic) examine(server string) (diagnostics.Report, string) {
	a := c.app(server)
	var out bytes.Buffer
	cli := &console{ctx: c.t.Context(), out: &out, err: io.Discard}
	r := a.examine(c.t.Context(), func(f diagnostics.Finding) {
		f.Took = 0
		cli.finding(f)
	})
	cli.diagnosis(r)
	return r, out.String()
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Ours"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().AddDate(-9, 0, 0), NotAfter: time.Now().AddDate(9, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{cert, key}
}

// files writes a certificate for a name, good between two days, and its key, as nginx reads them. A nil authority leaves
// it signed by itself.
func (ca *authority) files(t *testing.T, name string, from, to time.Time) (cert, key string) {
	dir := t.TempDir()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: to}
	parent, signer := tmpl, own
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &own.PublicKey, signer)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	raw, err := x509.MarshalPKCS8PrivateKey(own)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}

// nginx runs the real one with a server block on a free port and gives its address. Without certificate files it speaks
// plain HTTP.
func nginx(t *testing.T, cert, key, location string) string {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // not in every user's path
	}
	need(t, program)
	address := free(t)
	dir := t.TempDir()
	listen := "listen " + address + ";"
	if cert != "" {
		listen = fmt.Sprintf("listen %s ssl; ssl_certificate %s; ssl_certificate_key %s;", address, cert, key)
	}
	conf := fmt.Sprintf(`daemon off; master_process off; error_log stderr crit; pid %[1]s/pid;
events {}
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
server { %[2]s location / { %[3]s } } }
`, dir, listen, location)
	path := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf), 0o600))
	var log bytes.Buffer
	cmd := exec.Command(program, "-c", path, "-p", dir, "-e", "stderr")
	cmd.Stderr = &log
	start(t, cmd, address, &log)
	return address
}

// start runs a server until the test ends, and waits until it listens.
func start(t *testing.T, cmd *exec.Cmd, address string, log *bytes.Buffer) {
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		require.True(t, time.Now().Before(end), "%s does not listen: %s", cmd.Path, log)
	}
}

// hole is an address that answers nothing: a listener whose queue is full, so that the system drops every SYN.
func hole(t *testing.T) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(fd, 0))
	at, err := unix.Getsockname(fd)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
	full := 0
	for range 16 {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err == nil {
			full = 0
			t.Cleanup(func() { conn.Close() })
		} else if full++; full == 2 { // one may be the fault of a machine that is busy
			return address
		}
	}
	missing(t, "this system queues connections without end")
	return ""
}

// answering is a server that gives every request the same answer.
func answering(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// plays runs a demo server and gives its address.
func plays(t *testing.T, o demo.Options) (*demo.Server, string) {
	ln, err := net.Listen("tcp", free(t))
	require.NoError(t, err)
	s := demo.New(o)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() { s.Close(); <-served })
	return s, ln.Addr().String()
}
