//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"handline/persistence"
)

const (
	phases     = 6               // clients of each kind, so that the outage meets their pings at different moments
	phaseStep  = 4 * time.Second // between their starts
	stableTime = 32 * time.Second
	outageTime = 50 * time.Second
	returnTime = 30 * time.Second // for the last to come back
)

// hole leads one client to the server, and can be made to swallow everything: what is sent into a connection goes
// nowhere, and a new one is not even refused. That is what a network does that has gone away.
type hole struct {
	listener *net.TCPListener
	to       string
	open     chan struct{} // closed while bytes pass

	mu      sync.Mutex
	outages int
	noticed time.Time // when the client gave its connection up
}

// dig listens with a queue for one: once somebody waits in it, the kernel answers nobody.
func dig(to string) (*hole, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "hole")
	defer f.Close()
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return nil, err
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	h := &hole{listener: ln.(*net.TCPListener), to: to, open: make(chan struct{})}
	close(h.open)
	go h.serve() // ends with the listener
	return h, nil
}

func (h *hole) serve() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		open := h.open
		h.mu.Unlock()
		<-open
		go h.carry(conn) // ends with either side
	}
}

func (h *hole) carry(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("tcp", h.to)
	if err != nil {
		return
	}
	defer far.Close()
	before := h.lived()
	go func() { // ends with far
		io.Copy(gate{h, conn, before}, far)
	}()
	io.Copy(gate{h, far, before}, conn)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.outages > before && h.noticed.IsZero() {
		h.noticed = time.Now()
	}
}

func (h *hole) lived() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.outages
}

// gate lets bytes pass. Once an outage has begun it takes them and says nothing, and that stays so: routers forget.
type gate struct {
	*hole
	to     net.Conn
	before int // outages before the connection
}

func (g gate) Write(b []byte) (int, error) {
	if g.lived() > g.before {
		return len(b), nil
	}
	return g.to.Write(b)
}

// close begins the outage. The connections that fill the queue are for the caller to close.
func (h *hole) close() (fillers []net.Conn, err error) {
	h.mu.Lock()
	h.outages++
	h.open = make(chan struct{})
	h.mu.Unlock()
	for range 8 {
		conn, err := net.DialTimeout("tcp", h.listener.Addr().String(), 300*time.Millisecond)
		if err != nil {
			return fillers, nil
		}
		fillers = append(fillers, conn)
	}
	return fillers, fmt.Errorf("the kernel goes on answering at %s", h.listener.Addr())
}

// reopen ends it.
func (h *hole) reopen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.open)
}

// victim is one client behind a hole of its own.
type victim struct {
	kind    string
	hole    *hole
	client  *child
	greeted chan time.Time
}

// lost is how long the clients of a kind took.
type lost struct{ noticed, back []time.Duration }

// outage takes the network away under all clients at once for outageTime.
func (l *lab) outage(ctx context.Context) (map[string]*lost, error) {
	kinds := []string{"handline", "handline looking"}
	if l.node != "" {
		kinds = append(kinds, "node")
	}
	var all []*victim
	defer func() {
		for _, v := range all {
			v.client.end()
			v.hole.listener.Close()
		}
	}()
	for range phases {
		for _, kind := range kinds {
			v, err := l.victim(kind)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		if err := sleep(ctx, phaseStep); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, stableTime); err != nil {
		return nil, err
	}
	for _, v := range all {
		select {
		case <-v.greeted:
		default:
			return nil, fmt.Errorf("%s never connected: %s", v.kind, v.client.output.String())
		}
	}
	began := time.Now()
	fillers, err := cut(all)
	if err == nil {
		err = sleep(ctx, outageTime-time.Since(began))
	}
	for _, conn := range fillers {
		conn.Close()
	}
	ended := time.Now()
	for _, v := range all {
		v.hole.reopen()
	}
	if err != nil {
		return nil, err
	}
	return harvest(all, began, ended)
}

// cut closes all holes at the same time.
func cut(all []*victim) (fillers []net.Conn, err error) {
	var mu sync.Mutex
	var cutting sync.WaitGroup
	for _, v := range all {
		cutting.Go(func() {
			more, failed := v.hole.close()
			mu.Lock()
			defer mu.Unlock()
			fillers, err = append(fillers, more...), errors.Join(err, failed)
		})
	}
	cutting.Wait()
	return fillers, err
}

func harvest(all []*victim, began, ended time.Time) (map[string]*lost, error) {
	got := map[string]*lost{}
	late := time.After(returnTime)
	for _, v := range all {
		if got[v.kind] == nil {
			got[v.kind] = &lost{}
		}
		select {
		case at := <-v.greeted:
			got[v.kind].back = append(got[v.kind].back, at.Sub(ended))
		case <-late:
			return got, fmt.Errorf("%s did not come back within %v: %s", v.kind, returnTime, v.client.output.String())
		}
		if at, ok := v.noticed(); ok {
			got[v.kind].noticed = append(got[v.kind].noticed, at.Sub(began))
		}
	}
	return got, nil
}

// noticed is when the client gave its connection up. node says so itself, because it leaves the socket open for half a
// minute more; Handline closes it.
func (v *victim) noticed() (time.Time, bool) {
	if v.kind == "node" {
		var said struct{ At int64 }
		line, _, _ := strings.Cut(v.client.output.String(), "\n")
		err := json.Unmarshal([]byte(line), &said)
		return time.UnixMilli(said.At), err == nil
	}
	v.hole.mu.Lock()
	defer v.hole.mu.Unlock()
	return v.hole.noticed, !v.hole.noticed.IsZero()
}

func (l *lab) victim(kind string) (*victim, error) {
	h, err := dig(l.server.plain.Addr().String())
	if err != nil {
		return nil, err
	}
	v := &victim{kind: kind, hole: h, greeted: make(chan time.Time, 16)}
	conversation, _ := l.server.expect(func(so *socket) error {
		v.greeted <- time.Now()
		return so.idle()
	})
	address := (&url.URL{Scheme: "http", Host: h.listener.Addr().String()}).String()
	if kind == "node" {
		v.client, err = l.stock(address, conversation, 0, true)
		return v, err
	}
	home, err := l.home(conversation, func(c *persistence.Config) {
		c.Server = address
		if kind == "handline looking" { // the pulse that an open window asks for
			c.Heartbeat.Idle = c.Heartbeat.Looking
		}
	})
	if err == nil {
		v.client, err = l.handline(home, nil, "--headless")
	}
	return v, err
}
