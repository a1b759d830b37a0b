package network

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatTheProbesAnswerMeans(t *testing.T) {
	const apple = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n"
	for answer, want := range map[string]PortalVerdict{
		"200 OK\r\n\r\n" + apple:                                      WayOut,
		"200 OK\r\n\r\nsuccess\n":                                     WayOut,
		"200 OK\r\n\r\nNetworkManager is online\n":                    WayOut,
		"200 OK\r\nContent-Length: 0\r\n\r\n":                         WayOut,
		"204 No Content\r\n\r\n":                                      WayOut,
		"200 OK\r\n\r\n<html>Log in! Success awaits.</html>":          LogIn,
		"201 Created\r\n\r\n":                                         LogIn,
		"302 Found\r\nLocation: http://login.example/?mac=1\r\n\r\n":  LogIn,
		"511 Network Authentication Required\r\n\r\n":                 LogIn,
		"404 Not Found\r\n\r\n" + apple:                               NoAnswer,
		"503 Busy\r\n\r\n":                                            NoAnswer,
		"200 OK\r\nContent-Length: 100\r\n\r\ncut":                    NoAnswer,
		"200 OK\r\n\r\n" + strings.Repeat("x", 64<<10) + "</success>": LogIn,
	} {
		probe := "http://" + peer(t, says("HTTP/1.1 "+answer)) + "/hotspot-detect.html"
		p := FindPortal(t.Context(), Dialer{Proxy: through(t, "http://127.0.0.1:1")}, probe)
		require.Equal(t, want, p.Verdict, "%.60q", answer)
		if want == LogIn {
			require.Equal(t, probe, p.Open, "never where the portal sends us")
		} else {
			require.Empty(t, p.Open)
		}
	}
}

func TestTheProbeCarriesNothingAndWaitsNotLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan *http.Request, 1)
		d := Dialer{Raw: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				if req, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
					asked <- req
					mute(theirs)
				}
			}()
			return ours, nil
		}}
		start := time.Now()
		require.Equal(t, Portal{}, FindPortal(t.Context(), d, "http://user:word@probe.example/path"))
		require.Equal(t, 3*time.Second, time.Since(start))
		req := <-asked
		require.Empty(t, req.Header.Get("Authorization"))
		require.Empty(t, req.Header.Get("Cookie"))
	})

	var dialled []string
	d := Dialer{Raw: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return nil, context.DeadlineExceeded
	}}
	require.Equal(t, Portal{}, FindPortal(t.Context(), d, ""))
	require.Equal(t, Portal{}, FindPortal(t.Context(), d, "::"))
	require.Equal(t, []string{"captive.apple.com:80"}, dialled)
}
