package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestDownRefusesAndComesBackAtTheSameAddress(t *testing.T) {
	play(t, Options{Dialect: V0}, func(t *testing.T, s stage) {
		ws, _ := s.v0(t, "")
		s.SetMood(Down)
		require.ErrorIs(t, end(ws), syscall.ECONNRESET)
		_, _, err := s.ws.Dial("ws://demo"+v0Path, nil)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		s.SetMood(Steady)
		s.v0(t, "")
	})
}

func TestDownOnRealSockets(t *testing.T) {
	s := New(Options{Dialect: V0})
	defer s.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	url := "ws://" + ln.Addr().String() + v0Path
	ws, _, err := websocket.DefaultDialer.Dial(url, nil)
	require.NoError(t, err)
	defer ws.Close()
	s.SetMood(Down)
	require.Error(t, end(ws))
	_, _, err = websocket.DefaultDialer.Dial(url, nil)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	s.SetMood(Steady)
	again, _, err := websocket.DefaultDialer.Dial(url, nil)
	require.NoError(t, err)
	defer again.Close()
	s.Close()
	require.NoError(t, <-served)
}

// certificate is good in a bubble, whose clock begins in 2000, and outside.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLSIsCutLikePlainTCP(t *testing.T) {
	cert, pool := certificate(t, "demo")
	play(t, Options{Dialect: V0, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}, func(t *testing.T, s stage) {
		s.ws.TLSClientConfig = &tls.Config{RootCAs: pool}
		ws, _, err := s.ws.Dial("wss://demo"+v0Path, nil)
		require.NoError(t, err)
		defer ws.Close()
		require.Contains(t, read(t, ws), `0{"sid":`)
		s.SetMood(Down)
		require.ErrorIs(t, end(ws), syscall.ECONNRESET)
	})
}
