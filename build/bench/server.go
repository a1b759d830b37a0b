//go:build linux

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	pingEach = 25 * time.Second        // Engine.IO's default
	hostname = "backend.bench.example" // in the certificate; nobody looks the name up
)

// server is an OpenHands V0 backend as far as its clients can tell. Each conversation plays one script. It listens on
// loopback: plain, and with TLS. The TLS port is a proxy too that takes every tunnel for its own.
type server struct {
	plain, secure net.Listener
	authority     string // file with the certificate
	http          *http.Server
	serving       sync.WaitGroup

	mu    sync.Mutex
	plays map[string]*play
}

// play is what one conversation's socket does.
type play struct {
	script func(*socket) error
	asked  chan struct{} // closed when the history was asked for
	once   sync.Once
	done   chan error // what the script returned, for each socket
}

func newServer(dir string) (*server, error) {
	s := &server{plays: make(map[string]*play), authority: filepath.Join(dir, "authority.pem")}
	pair, err := certify(s.authority)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	if s.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if s.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /socket.io/", s.upgrade)
	mux.HandleFunc("GET /api/options/config", say(`{"APP_MODE":"oss"}`))
	mux.HandleFunc("GET /api/conversations/{id}", func(w http.ResponseWriter, r *http.Request) {
		say(fmt.Sprintf(`{"conversation_id":%q,"title":"Bench","status":"RUNNING","runtime_status":"STATUS$READY"}`, r.PathValue("id")))(w, r)
	})
	mux.HandleFunc("GET /api/conversations/{id}/events", func(w http.ResponseWriter, r *http.Request) {
		say(`{"events":[],"has_more":false}`)(w, r)
		if p := s.find(r.PathValue("id")); p != nil {
			p.once.Do(func() { close(p.asked) })
		}
	})
	s.http = &http.Server{Handler: mux}
	s.serving.Go(func() { s.http.Serve(s.plain) })
	s.serving.Go(func() { s.http.Serve(tunnels{s.secure, &tls.Config{Certificates: []tls.Certificate{pair}}}) })
	return s, nil
}

func (s *server) close() {
	s.http.Close()
	s.serving.Wait()
}

func say(json string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, json)
	}
}

// expect prepares a conversation and gives its id.
func (s *server) expect(script func(*socket) error) (string, *play) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := "c" + strconv.Itoa(len(s.plays)+1)
	p := &play{script: script, asked: make(chan struct{}), done: make(chan error, 64)}
	s.plays[id] = p
	return id, p
}

func (s *server) find(id string) *play {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plays[id]
}

func (s *server) upgrade(w http.ResponseWriter, r *http.Request) {
	p := s.find(r.URL.Query().Get("conversation_id"))
	if p == nil {
		http.NotFound(w, r)
		return
	}
	// What a client offers is taken only on the encrypted port, so that plain means plain for all.
	ws, err := (&websocket.Upgrader{EnableCompression: r.TLS != nil, CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	ws.SetPingHandler(func(data string) error { // gorilla's own leaves a deadline on the connection
		_, err := ws.NetConn().Write(append([]byte{0x8a, byte(len(data))}, data...))
		return err
	})
	so := &socket{ws: ws, play: p, packets: make(chan string, 16)}
	go so.read() // ends with the socket
	if err = so.greet(); err == nil {
		err = p.script(so)
	}
	select {
	case p.done <- err:
	default: // a client that comes back again and again
	}
}

// socket is one connection. Frames are written straight to the connection, each write whole ones.
type socket struct {
	ws      *websocket.Conn
	play    *play
	packets chan string // closed with the connection
}

func (s *socket) read() {
	defer close(s.packets)
	for {
		_, b, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		s.packets <- string(b)
	}
}

func (s *socket) say(packet string) error {
	return s.ws.WriteMessage(websocket.TextMessage, []byte(packet))
}

// hear waits for a packet that begins so, and answers the application's pings meanwhile.
func (s *socket) hear(start string, within time.Duration) error {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		select {
		case p, ok := <-s.packets:
			if !ok {
				return errors.New("the client has gone")
			}
			if strings.HasPrefix(p, start) {
				return nil
			}
			if id, _, ok := strings.Cut(strings.TrimPrefix(p, "42"), "["); ok { // 42<id>["ping"]: acknowledged
				s.say("43" + id + "[]")
			}
		case <-late.C:
			return fmt.Errorf("no %q within %v", start, within)
		}
	}
}

func (s *socket) greet() error {
	if err := s.say(`0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`); err != nil {
		return err
	}
	if err := s.hear("40", 10*time.Second); err != nil {
		return err
	}
	return s.say(`40{"sid":"t"}`)
}

// idle keeps the connection for as long as the client does.
func (s *socket) idle() error {
	for s.say("2") == nil {
		if err := s.hear("3", pingEach); err != nil {
			return nil
		}
		s.hear("never", pingEach)
	}
	return nil
}

// tunnels accepts TLS, and tunnels that end here with TLS inside.
type tunnels struct {
	net.Listener
	config *tls.Config
}

func (t tunnels) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(&tunnel{Conn: conn, in: bufio.NewReader(conn)}, t.config), nil
}

// tunnel answers a CONNECT request before the first byte is read from it.
type tunnel struct {
	net.Conn
	in    *bufio.Reader
	begun bool
}

func (t *tunnel) Read(b []byte) (int, error) {
	if !t.begun {
		t.begun = true
		start, err := t.in.Peek(1)
		if err != nil {
			return 0, err
		}
		if start[0] == 'C' {
			if _, err := http.ReadRequest(t.in); err != nil {
				return 0, err
			}
			if _, err := io.WriteString(t.Conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
				return 0, err
			}
		}
	}
	return t.in.Read(b)
}

// certify makes a certificate that is its own authority and writes it to a file.
func certify(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Handline bench"}, DNSNames: []string{hostname, "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}
