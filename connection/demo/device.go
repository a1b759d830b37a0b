package demo

import (
	"net/http"
	"time"
)

// device is a login under way.
type device struct {
	code     string
	approved bool
	denied   bool
	asked    time.Time // when the token was last asked for
	until    time.Time
}

const (
	deviceEvery = 5 * time.Second // how often a client may ask
	deviceLife  = 10 * time.Minute
)

func (s *Server) deviceAuthorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.device = device{code: s.uuid(), until: time.Now().Add(deviceLife)}
	code := s.device.code
	s.mu.Unlock()
	verify := origin(r) + "/oauth/device/verify"
	answer(w, 200, map[string]any{
		"device_code": code, "user_code": "DEMO-1234", "verification_uri": verify,
		"verification_uri_complete": verify + "?user_code=DEMO-1234",
		"expires_in":                int(deviceLife.Seconds()), "interval": int(deviceEvery.Seconds()),
	})
}

func (s *Server) deviceToken(w http.ResponseWriter, r *http.Request) {
	switch fault := s.redeem(r.PostFormValue("device_code")); fault {
	case "":
		answer(w, 200, map[string]any{"access_token": s.opt.Key, "token_type": "Bearer"})
	case "slow_down":
		answer(w, http.StatusBadRequest, map[string]any{"error": fault, "interval": int(2 * deviceEvery.Seconds())})
	default:
		answer(w, http.StatusBadRequest, map[string]any{"error": fault})
	}
}

// redeem judges a device code; "" = it is approved, and used up now.
func (s *Server) redeem(code string) (fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, now := &s.device, time.Now()
	last := d.asked
	d.asked = now
	switch {
	case d.code == "" || code != d.code:
		return "invalid_grant"
	case now.After(d.until):
		return "expired_token"
	case d.denied:
		return "access_denied"
	case now.Sub(last) < deviceEvery:
		return "slow_down"
	case !d.approved:
		return "authorization_pending"
	}
	*d = device{}
	return ""
}

// deviceVerify is the page on which a person says yes, or no with ?deny=1.
func (s *Server) deviceVerify(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.device.denied = r.URL.Query().Has("deny")
	s.device.approved = !s.device.denied
	s.mu.Unlock()
	page(w, "You may close this page.")
}
