package diagnostics_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"handline/connection"
	"handline/connection/backend"
	"handline/connection/network"
	"handline/diagnostics"
)

// door is a server's login, which ends as the test says.
type door struct {
	api    http.Handler
	logins *diagnostics.SignIns
	server string
	begins error      // of the next login
	ends   chan error // of the login under way
	keys   []string
}

func newDoor() *door {
	d := &door{server: "https://openhands.example", ends: make(chan error)}
	d.logins = &diagnostics.SignIns{
		Server:  func() string { return d.server },
		Offered: func(_ context.Context, server string) bool { return server == "https://openhands.example" },
		Start: func(context.Context, string) (backend.Login, error) {
			return backend.Login{Code: "ABCD-1234", URL: "https://openhands.example/verify", Ends: time.Now().Add(10 * time.Minute)}, d.begins
		},
		Await: func(ctx context.Context, l backend.Login) (string, error) {
			select {
			case err := <-d.ends:
				return "a-key", err
			case <-time.After(time.Until(l.Ends)):
				return "", backend.ErrLoginExpired
			case <-ctx.Done():
				return "", ctx.Err()
			}
		},
		Store: func(_ context.Context, server, key string) error {
			d.keys = append(d.keys, server+" "+key)
			return nil
		},
	}
	d.api = diagnostics.Handler(diagnostics.API{Line: connection.New(connection.Options{}), SignIns: d.logins})
	return d
}

// ask gives where the login stands, and the problem where it was not taken.
func (d *door) ask(t *testing.T, method string) (s diagnostics.SignIn, p *diagnostics.Problem) {
	t.Helper()
	w := httptest.NewRecorder()
	ctx, left := context.WithCancel(t.Context())
	d.api.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, "/v1/sign-in", http.NoBody))
	left() // whoever asked has gone
	require.NotContains(t, w.Body.String(), "a-key")
	if w.Code >= 400 {
		var answer struct{ Error *diagnostics.Problem }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		return s, answer.Error
	}
	if w.Body.Len() > 0 {
		require.NoError(t, json.NewDecoder(strings.NewReader(w.Body.String())).Decode(&s))
	}
	return s, nil
}

func TestALoginStoresItsKeyAndTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		defer d.logins.Close()
		s, _ := d.ask(t, "GET")
		require.Equal(t, diagnostics.SignIn{Offered: true}, s)
		s, _ = d.ask(t, "POST")
		require.Equal(t, "waiting", s.State)
		require.Equal(t, "ABCD-1234", s.Code)
		d.ends <- nil
		synctest.Wait()
		require.Equal(t, []string{"https://openhands.example a-key"}, d.keys)
		s, _ = d.ask(t, "GET")
		require.Equal(t, diagnostics.SignIn{Offered: true, State: "done"}, s)
		_, _ = d.ask(t, "DELETE")
		s, _ = d.ask(t, "GET")
		require.Empty(t, s.State, "it is told, and forgotten")
	})
}

func TestALoginThatGivesNoKeySaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		defer d.logins.Close()
		for _, c := range []struct {
			end  error
			code string
		}{{backend.ErrLoginDenied, "denied"}, {backend.ErrLoginExpired, "expired"}, {network.Failure{Cause: network.Forbidden, Verdict: network.Final}, "forbidden"}} {
			_, _ = d.ask(t, "POST")
			d.ends <- c.end
			synctest.Wait()
			s, _ := d.ask(t, "GET")
			require.Equal(t, "failed", s.State)
			require.Equal(t, c.code, s.Error.Code)
			require.NotEmpty(t, s.Error.Advice)
		}
		_, _ = d.ask(t, "POST")
		time.Sleep(11 * time.Minute) // nobody says yes
		s, _ := d.ask(t, "GET")
		require.Equal(t, "expired", s.Error.Code)
		d.logins.Await = func(ctx context.Context, _ backend.Login) (string, error) {
			<-ctx.Done() // a request that hangs until there is no time left for another
			return "", ctx.Err()
		}
		_, _ = d.ask(t, "POST")
		time.Sleep(12 * time.Minute)
		s, _ = d.ask(t, "GET")
		require.Equal(t, "failed", s.State)
		require.Equal(t, "expired", s.Error.Code)
		d.begins = network.Failure{Cause: network.NotABackend, Verdict: network.Final}
		_, p := d.ask(t, "POST")
		require.Equal(t, "no-login", p.Code)
		require.Empty(t, d.keys)
	})
}

func TestALoginBelongsToItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		defer d.logins.Close()
		_, _ = d.ask(t, "POST")
		d.server = "http://localhost:3000"
		s, _ := d.ask(t, "GET")
		require.Equal(t, diagnostics.SignIn{}, s, "another server has no part in it")
		d.ends <- nil
		synctest.Wait()
		require.Equal(t, []string{"https://openhands.example a-key"}, d.keys, "the key goes to the server that gave it")
	})
}

func TestALoginIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		for _, how := range []string{"DELETE", "POST"} {
			_, _ = d.ask(t, "POST")
			_, _ = d.ask(t, how)
			synctest.Wait()
			select {
			case d.ends <- nil:
				require.Equal(t, "POST", how, "nobody waits for the key of a login that was given up")
			default:
				require.Equal(t, "DELETE", how)
			}
		}
		d.logins.Close()
		require.LessOrEqual(t, len(d.keys), 1)
		_, p := d.ask(t, "POST")
		require.NotNil(t, p, "nothing begins after the end")
	})
}
