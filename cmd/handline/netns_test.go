//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"handline/connection"
	"handline/connection/network"
	"handline/persistence"
)

// A network of two machines: the built program in one namespace of the kernel, a real Socket.IO server in another, and a
// cable between them that is pulled, moved and cut. No packet leaves the namespaces.
//
// The server has an address of its own behind the gateway, so that the way to it is the default route, as on the internet.
const (
	laptop, laptopLater = "10.77.0.2", "10.77.0.9"
	gateway, gateway2   = "10.77.0.1", "10.77.0.3"
	serverAddress       = "198.51.100.7" // RFC 5737: nobody's
	serverPort          = 3000
)

type lab struct {
	t           *testing.T
	here, there string // the namespaces of the program and of the server
	dials       *dials
	*typed
}

// labs counts the namespaces of this process, whose names are everybody's on the machine.
var labs atomic.Int32

func TestCable(t *testing.T) {
	t.Parallel()
	playScenes(t, false)
}

// Each scene twenty times.
func TestCableSoak(t *testing.T) {
	if !soaks() {
		t.Skip("a long series: HANDLINE_SOAK=1 runs it")
	}
	playScenes(t, true)
}

func playScenes(t *testing.T, soak bool) {
	if testing.Short() {
		t.Skip("short: real silence takes minutes")
	}
	if os.Geteuid() != 0 {
		missing(t, "network namespaces need root")
	}
	need(t, "ip", "iptables", "tinyproxy")
	python := pythonPeer(t)
	for _, scene := range []struct {
		name   string
		play   func(l *lab, rounds int)
		rounds int
	}{
		{"pulled out", pulledOut, 2}, {"another way", anotherWay, 1}, {"black hole, seen", blackHoleSeen, 3},
		{"black hole, unseen", blackHoleUnseen, 1}, {"proxy", proxyEndToEnd, 1},
	} {
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			if soak {
				scene.rounds = 20
			}
			scene.play(newLab(t, python), scene.rounds)
		})
	}
}

// newLab lays the cable and starts the server; the program is set up and does not run yet.
func newLab(t *testing.T, python []string) *lab {
	n := labs.Add(1)
	l := &lab{t: t, here: fmt.Sprintf("hl%dc%d", os.Getpid(), n), there: fmt.Sprintf("hl%ds%d", os.Getpid(), n)}
	l.ip("netns add " + l.here)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.here).Run() })
	l.ip("netns add " + l.there)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.there).Run() })
	l.ip("link add eth0 netns " + l.here + " type veth peer name eth0 netns " + l.there)
	l.ip("-n " + l.there + " addr add " + gateway + "/24 dev eth0")
	l.ip("-n " + l.there + " addr add " + gateway2 + "/24 dev eth0")
	l.ip("-n " + l.there + " addr add " + serverAddress + "/32 dev lo")
	l.ip("-n " + l.there + " link set lo up")
	l.ip("-n " + l.there + " link set eth0 up")
	l.ip("-n " + l.here + " link set lo up")
	l.ip("-n " + l.here + " addr add " + laptop + "/24 dev eth0")
	l.plugIn()

	log := filepath.Join(t.TempDir(), "events")
	server := exec.Command("ip", append([]string{"netns", "exec", l.there}, append(python, strconv.Itoa(serverPort), log, "0")...)...)
	server.Env = append(os.Environ(), "HOST="+serverAddress)
	l.serve(server, fmt.Sprintf("%s:%d", serverAddress, serverPort))
	l.dials = l.listen()
	l.typed = newTyped(t, nil)
	l.inside = []string{"ip", "netns", "exec", l.here}
	for _, set := range [][2]string{{"server", fmt.Sprintf("http://%s:%d", serverAddress, serverPort)}, {"conversation", "c1"},
		{"connectAtLaunch", "always"}, {"probe", "off"}} {
		l.must("config", "set", set[0], set[1])
	}
	return l
}

// ip runs the command of that name.
func (l *lab) ip(args string) {
	l.t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	require.NoError(l.t, err, "ip %s: %s", args, out)
}

// plugIn gives when the link was up; its route follows at once.
func (l *lab) plugIn() time.Time {
	l.ip("-n " + l.here + " link set eth0 up")
	up := time.Now()
	l.ip("-n " + l.here + " route add default via " + gateway)
	return up
}

func (l *lab) pullOut() { l.ip("-n " + l.here + " link set eth0 down") }

// drop makes the way a black hole, or open again: nobody is told.
func (l *lab) drop(on bool) {
	l.t.Helper()
	what := map[bool]string{true: "-A", false: "-D"}[on]
	for _, chain := range []string{"INPUT", "OUTPUT"} {
		side := map[string]string{"INPUT": "-i", "OUTPUT": "-o"}[chain]
		out, err := exec.Command("ip", "netns", "exec", l.there, "iptables", "-w", what, chain, side, "eth0", "-j", "DROP").CombinedOutput()
		require.NoError(l.t, err, "%s", out)
	}
}

// serve runs a server in its namespace until the test ends, and waits until it listens.
func (l *lab) serve(cmd *exec.Cmd, address string) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(l.t, cmd.Start())
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(l.t, func() bool {
		out, err := exec.Command("ip", "netns", "exec", l.there, "cat", "/proc/net/tcp").Output()
		return err == nil && listens(string(out), address)
	}, patience, tick, "%s", &said)
}

// listens says whether /proc/net/tcp has a listener on an address.
func listens(table, address string) bool {
	host, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	ip := net.ParseIP(host).To4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X 00000000:0000 0A", ip[3], ip[2], ip[1], ip[0], n)
	return strings.Contains(table, local)
}

// dials are the connections that the program tried to open, seen on the cable's near end.
type dials struct {
	mu    sync.Mutex
	begun []time.Time     // each dial's first SYN
	ports map[uint16]bool // the source ports seen
}

func (d *dials) since(at time.Time) (found []time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.begun {
		if b.After(at) {
			found = append(found, b)
		}
	}
	return found
}

// listen opens a packet socket in the program's namespace. A socket stays where it was opened, a thread need not.
func (l *lab) listen() *dials {
	opened := make(chan int)
	go func() {
		// The thread is never given back: it ends with this goroutine, in the wrong namespace.
		runtime.LockOSThread()
		opened <- packetSocket("/run/netns/" + l.here)
	}()
	fd := <-opened
	require.GreaterOrEqual(l.t, fd, 0)
	socket := os.NewFile(uintptr(fd), "packets")
	d := &dials{ports: map[uint16]bool{}}
	var reader sync.WaitGroup
	reader.Go(func() {
		for buf := make([]byte, 2048); ; {
			n, err := socket.Read(buf)
			if err != nil {
				if err == unix.ENETDOWN || strings.Contains(err.Error(), "network is down") {
					continue
				}
				return
			}
			d.see(buf[:n])
		}
	})
	l.t.Cleanup(func() { socket.Close(); reader.Wait() })
	return d
}

// see takes an IPv4 packet (RFC 791) with a TCP segment in it (RFC 9293).
func (d *dials) see(p []byte) {
	if len(p) < 20 || p[0]>>4 != 4 || p[9] != unix.IPPROTO_TCP {
		return
	}
	head := int(p[0]&15) * 4
	if len(p) < head+14 {
		return
	}
	tcp := p[head:]
	const syn, ack = 2, 16
	if tcp[13]&(syn|ack) != syn {
		return
	}
	from := binary.BigEndian.Uint16(tcp)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ports[from] { // a repeat of the kernel's is no dial
		d.ports[from] = true
		d.begun = append(d.begun, time.Now())
	}
}

// entry waits for the first entry of the timeline after a moment that fits. It looks at nothing that quickens the pulse.
func (l *lab) entry(from time.Time, most time.Duration, fits func(persistence.Entry) bool) time.Duration {
	l.t.Helper()
	for time.Since(from) < most+time.Second { // the saver writes once a second
		entries := l.timeline()
		slices.SortFunc(entries, func(a, b persistence.Entry) int { return a.At.Compare(b.At) })
		for _, e := range entries {
			if e.At.After(from) && fits(e) {
				took := e.At.Sub(from)
				require.LessOrEqual(l.t, took, most)
				return took
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Fail(l.t, "nothing of the kind in the timeline", "within %v", most)
	return 0
}

func isStatus(s connection.Status) func(persistence.Entry) bool {
	return func(e persistence.Entry) bool { return e.Status == string(s) }
}

// looking watches, as an open window does, and gives each snapshot with the time it came.
func (l *lab) looking() (next func(from time.Time, most time.Duration, fits func(connection.Snapshot) bool) time.Duration) {
	type sight struct {
		at time.Time
		s  connection.Snapshot
	}
	seen := make(chan sight, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for s, err := range l.client.Watch(ctx) {
			if err != nil {
				return
			}
			seen <- sight{time.Now(), s}
		}
	})
	l.t.Cleanup(func() { cancel(); watcher.Wait() })
	return func(from time.Time, most time.Duration, fits func(connection.Snapshot) bool) time.Duration {
		l.t.Helper()
		late := time.After(time.Until(from.Add(most)))
		for {
			select {
			case x := <-seen:
				if x.at.After(from) && fits(x.s) {
					return x.at.Sub(from)
				}
			case <-late:
				require.Fail(l.t, "not seen", "within %v", most)
			}
		}
	}
}

func median(of []time.Duration) time.Duration {
	of = slices.Sorted(slices.Values(of))
	return (of[(len(of)-1)/2] + of[len(of)/2]) / 2
}

func rounded(of []time.Duration) (text []string) {
	for _, d := range of {
		text = append(text, d.Round(10*time.Millisecond).String())
	}
	return text
}

// pulledOut takes the link away and gives it back.
func pulledOut(l *lab, rounds int) {
	t := l.t
	began := time.Now()
	l.run()
	l.entry(began, patience, isStatus(connection.Connected))
	var shown, syn, back []time.Duration
	for range rounds {
		pulled := time.Now()
		l.pullOut()
		shown = append(shown, l.entry(pulled, promised(2*time.Second), func(e persistence.Entry) bool { return e.Phase == "offline" }))
		time.Sleep(10 * time.Second) // immediate retries are rationed, six a minute
		require.Empty(t, l.dials.since(pulled), "nobody dials into nothing")

		plugged := l.plugIn()
		back = append(back, l.entry(plugged, promised(2*time.Second), isStatus(connection.Connected)))
		found := l.dials.since(plugged)
		require.NotEmpty(t, found)
		syn = append(syn, found[0].Sub(plugged))
		require.LessOrEqual(t, found[0].Sub(plugged), promised(1300*time.Millisecond), "first SYN")
		require.LessOrEqual(t, len(found), 4, "the question who the server is, its conversation, its agent, and the socket")
	}
	t.Logf("offline shown after %v; first SYN %v, connected %v after the cable", rounded(shown), rounded(syn), rounded(back))
}

// anotherWay changes gateway and address under a line that stands.
func anotherWay(l *lab, rounds int) {
	t := l.t
	began := time.Now()
	l.run()
	l.entry(began, patience, isStatus(connection.Connected))
	time.Sleep(time.Second)

	var lost, back []time.Duration
	from, to := laptop, laptopLater
	for range rounds {
		// Another gateway, as when a VPN comes up that keeps the address: the line is doubted, answers, and stays.
		moved := time.Now()
		l.ip("-n " + l.here + " route replace default via " + gateway2)
		time.Sleep(5 * time.Second)
		require.Empty(t, l.dials.since(moved))

		// Another address, as on another Wi-Fi: the old line can never answer.
		moved = time.Now()
		l.ip("-n " + l.here + " addr del " + from + "/24 dev eth0") // takes the routes with it
		l.ip("-n " + l.here + " addr add " + to + "/24 dev eth0")
		l.ip("-n " + l.here + " route add default via " + gateway)
		lost = append(lost, l.entry(moved, promised(5*time.Second), isStatus(connection.Reconnecting)))
		back = append(back, l.entry(moved, promised(7*time.Second), isStatus(connection.Connected)))
		from, to = to, from
		time.Sleep(time.Second)
	}
	t.Logf("another address: noticed after %v, back after %v", rounded(lost), rounded(back))
}

// watched is the time between two pings while someone looks.
const watched = 4500 * time.Millisecond

// blackHoleSeen drops everything while someone looks, at moments spread over the time between two pings.
func blackHoleSeen(l *lab, rounds int) {
	t := l.t
	began := time.Now()
	l.run()
	next := l.looking()
	is := func(s connection.Status) func(connection.Snapshot) bool {
		return func(x connection.Snapshot) bool { return x.Status == s }
	}
	next(began, patience, is(connection.Connected))
	var poor, dead []time.Duration
	for i := range rounds {
		time.Sleep(5 * time.Second)
		var last time.Time
		next(time.Now(), patience, func(x connection.Snapshot) bool { // a pong has just come
			was := last
			last = x.LastHeard
			return !was.IsZero() && last.After(was) && x.Quality != ""
		})
		time.Sleep(time.Duration(float64(watched) * (float64(i) + 0.5) / float64(rounds)))
		cut := time.Now()
		l.drop(true)
		poor = append(poor, next(cut, patience, func(x connection.Snapshot) bool { return x.Quality == connection.Poor }))
		dead = append(dead, next(cut, promised(9*time.Second), is(connection.Reconnecting)))
		l.drop(false)
		next(time.Now(), patience, is(connection.Connected))
	}
	t.Logf("poor after %v, dead after %v", rounded(poor), rounded(dead))
	require.LessOrEqual(t, median(poor), promised(4500*time.Millisecond))
	require.LessOrEqual(t, median(dead), promised(7*time.Second))
}

// blackHoleUnseen drops everything for 50 s while nobody looks.
func blackHoleUnseen(l *lab, rounds int) {
	t := l.t
	l.run()
	time.Sleep(31 * time.Second) // somebody asked whether it runs, and is taken to look for half a minute
	var noticed, back []time.Duration
	for i := range rounds {
		time.Sleep(time.Duration(float64(15*time.Second) * (float64(i) + 0.5) / float64(rounds)))
		cut := time.Now()
		l.drop(true)
		noticed = append(noticed, l.entry(cut, promised(25*time.Second), isStatus(connection.Reconnecting)))
		time.Sleep(time.Until(cut.Add(50 * time.Second)))
		ended := time.Now()
		l.drop(false)
		back = append(back, l.entry(ended, promised(4*time.Second), isStatus(connection.Connected)))
		require.LessOrEqual(t, len(l.dials.since(cut)), 40, "dials in 50 s of silence")
	}
	t.Logf("noticed after %v, back %v after a 50 s outage", rounded(noticed), rounded(back))
	if rounds > 1 {
		require.LessOrEqual(t, median(back), 2*time.Second)
	}
}

// proxyEndToEnd leaves a real proxy as the only way out, with and without a password.
func proxyEndToEnd(l *lab, _ int) {
	t := l.t
	for port, auth := range map[string]string{"8001": "", "8002": "BasicAuth ann swordfish"} {
		conf := filepath.Join(t.TempDir(), "tinyproxy.conf")
		require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "Port %s\nListen %s\nTimeout 600\nConnectPort %d\n%s\n",
			port, gateway, serverPort, auth), 0o600))
		l.serve(exec.Command("ip", "netns", "exec", l.there, "tinyproxy", "-d", "-c", conf), gateway+":"+port)
	}
	out, err := exec.Command("ip", "netns", "exec", l.there, "iptables", "-w", "-A", "INPUT", "-i", "eth0", "-d", serverAddress,
		"-j", "REJECT").CombinedOutput()
	require.NoError(t, err, "%s", out)
	proxied := func(want network.Cause, port string, env ...string) {
		t.Helper()
		setting := "auto"
		if env == nil {
			setting = "http://" + gateway + ":" + port
		}
		l.must("config", "set", "proxy", setting)
		from := time.Now()
		l.run(env...)
		l.entry(from, patience, func(e persistence.Entry) bool {
			return e.Cause == string(want) && (want != "" || e.Status == string(connection.Connected))
		})
		require.NoError(t, l.process.Process.Signal(syscall.SIGTERM))
		require.NoError(t, l.process.Wait())
	}
	proxied("", "8001")
	proxied("", "8002", "HTTP_PROXY=http://ann:swordfish@"+gateway+":8002") // the configuration takes no password
	proxied(network.ProxyAuth, "8002", "HTTP_PROXY=http://ann:starfish@"+gateway+":8002")
	proxied(network.ProxyAuth, "8002")
	_, logs := l.types("", "logs")
	require.NotContains(t, logs, "swordfish")
	require.NotContains(t, l.said.String(), "swordfish")
}

// The demo needs no network: of the whole machine it has loopback alone.
func TestTheDemoWithoutANetwork(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: the whole demo takes half a minute")
	}
	need(t, "ip", "unshare")
	if exec.Command("unshare", "--map-root-user", "--net", "true").Run() != nil {
		missing(t, "this system lets nobody make a network of their own")
	}
	out, err := exec.Command("unshare", "--map-root-user", "--net", "sh", "-c",
		`ip link set lo up && test -z "$(ip route)" && exec "$0" --home "$1" demo`, built(t), t.TempDir()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, never := range []string{"should have been seen", "demo-key"} {
		require.NotContains(t, string(out), never)
	}
	for _, error := range []string{"This network wants you to log in", "The server did not accept your key"} {
		require.Contains(t, string(out), "Error: "+error)
	}
	for _, a := range acts() {
		require.Contains(t, string(out), "\n"+a.mood.Name()+"\n")
	}
}

func packetSocket(namespace string) int {
	f, err := os.Open(namespace)
	if err != nil {
		return -1
	}
	defer f.Close()
	if unix.Setns(int(f.Fd()), unix.CLONE_NEWNET) != nil {
		return -1
	}
	const all = unix.ETH_P_ALL << 8 // in network order; a socket for one protocol sees what comes and not what goes
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return -1
	}
	return fd
}
