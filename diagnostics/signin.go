package diagnostics

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"handline/connection/backend"
	"handline/connection/network"
)

// SignIn is where a login with a browser stands. The key that it ends with is stored and told to nobody.
type SignIn struct {
	// Offered says that the configured server has such a login.
	Offered bool `json:"offered"`
	// State is "" (none was begun), waiting, done or failed.
	State string    `json:"state"`
	Code  string    `json:"code,omitempty"` // what the server's page must show
	URL   string    `json:"url,omitempty"`  // where to say yes
	Ends  time.Time `json:"ends,omitzero"`  // when the code is worth nothing any more
	// Error says why there is no key: its code is denied, expired, no-login, or the cause of a failure.
	Error *Problem `json:"error,omitempty"`
}

// SignIns log in with a browser, one login at a time. Those who ask may go: a window that is closed while its user says
// yes in the browser must not cost the key.
type SignIns struct {
	// Server is the configured server, "" = none is set up.
	Server func() string
	// Offered asks a server whether it has such a login.
	Offered func(ctx context.Context, server string) bool
	// Start asks it for a code, and Await for the key that belongs to it.
	Start func(ctx context.Context, server string) (backend.Login, error)
	Await func(context.Context, backend.Login) (key string, err error)
	// Store keeps the key and lets the line go on with it.
	Store func(ctx context.Context, server, key string) error

	mu     sync.Mutex
	now    SignIn
	of     string             // the server that now is about
	stop   context.CancelFunc // ends the login under way, nil = none is
	closed bool
	work   sync.WaitGroup
}

// begin starts a login, in the place of one that is under way.
func (s *SignIns) begin(ctx context.Context) (SignIn, error) {
	s.end()
	server := s.Server()
	login, err := s.Start(ctx, server)
	if err != nil {
		return SignIn{}, SignInProblem(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return SignIn{}, errors.New("Handline ends")
	}
	if s.stop != nil {
		s.stop() // somebody else has just begun one too
	}
	// It outlives the request, and ends by itself with its code; Close ends it sooner.
	ctx, stop := context.WithDeadline(context.WithoutCancel(ctx), login.Ends.Add(time.Minute))
	s.of, s.stop = server, stop
	s.now = SignIn{Offered: true, State: "waiting", Code: login.Code, URL: login.URL, Ends: login.Ends}
	s.work.Go(func() {
		defer stop()
		s.wait(ctx, server, login)
	})
	return s.now, nil
}

// wait brings a login to its end. A cancelled context says that it was given up, which nobody needs to be told of; one
// whose deadline has passed, that the code is worth nothing any more.
func (s *SignIns) wait(ctx context.Context, server string, login backend.Login) {
	givenUp := func() bool { return errors.Is(ctx.Err(), context.Canceled) }
	key, err := s.Await(ctx, login)
	if givenUp() {
		return
	}
	if err == nil {
		err = s.Store(ctx, server, key)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = backend.ErrLoginExpired
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case givenUp():
	case err != nil:
		s.now, s.stop = SignIn{Offered: true, State: "failed", Error: ProblemOf(SignInProblem(err), server)}, nil
	default:
		s.now, s.stop = SignIn{Offered: true, State: "done"}, nil
	}
}

// end gives up the login that is under way, and forgets one that has ended.
func (s *SignIns) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
	}
	s.now, s.of, s.stop = SignIn{}, "", nil
}

// Close gives up what is under way and waits for it. Nothing is begun afterwards.
func (s *SignIns) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.work.Wait()
}

// state is where the login with the configured server stands.
func (s *SignIns) state(ctx context.Context) SignIn {
	server := s.Server()
	s.mu.Lock()
	now, of := s.now, s.of
	s.mu.Unlock()
	if of == server && now.State != "" {
		return now
	}
	return SignIn{Offered: server != "" && s.Offered(ctx, server)}
}

// SignInProblem says why a login with a browser gave no key. Other errors are left as they are.
func SignInProblem(err error) error {
	var f network.Failure
	switch {
	case errors.Is(err, backend.ErrLoginDenied):
		return &Problem{Status: http.StatusForbidden, Code: "denied", Text: "The login was declined in the browser",
			Advice: "Start again if that was a mistake."}
	case errors.Is(err, backend.ErrLoginExpired):
		return &Problem{Status: http.StatusGone, Code: "expired", Text: "The code was not used in time", Advice: "Start again for a new one."}
	case errors.As(err, &f) && f.Cause == network.NotABackend && f.Verdict == network.Final:
		return &Problem{Status: http.StatusNotImplemented, Code: "no-login", Text: "This server has no login with a browser",
			Advice: "Enter its key instead."}
	}
	return err
}

func (a API) signIn(w http.ResponseWriter, r *http.Request) error {
	answer(w, http.StatusOK, a.SignIns.state(r.Context()))
	return nil
}

func (a API) startSignIn(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r, &struct{}{}); err != nil {
		return err
	}
	s, err := a.SignIns.begin(r.Context())
	if err != nil {
		return err
	}
	answer(w, http.StatusAccepted, s)
	return nil
}

func (a API) stopSignIn(w http.ResponseWriter, _ *http.Request) error {
	a.SignIns.end()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
