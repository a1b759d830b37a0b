package persistence

import (
	"encoding/json"
	"fmt"
	"time"
)

// ConfigVersion is the version of config.json that this Handline writes.
const ConfigVersion = 1

// Config is config.json: everything a person chooses. It holds no key. Values come from Default, DecodeConfig or Set;
// whoever changes a field by hand
// calls Validate. Its map and slice are shared by copies and never changed in place.
type Config struct {
	Version int `json:"version"`
	// Server is the backend's address as ParseServer gives it, "" = not set up: nothing is dialled.
	Server       string `json:"server"`
	Conversation string `json:"conversation"` // "" = the most recently updated running one
	Dialect      string `json:"dialect"`      // auto, socketio, events, session, voicecode
	// Params are further query parameters of the socket's address (spec A 1.1 connectionParams). Keys are refused here.
	Params    map[string]string `json:"params"`
	Path      string            `json:"path"`      // Socket.IO path, "" = /socket.io
	Namespace string            `json:"namespace"` // Socket.IO namespace, "" = /
	// ConnectAtLaunch is last (dial if a line was wanted when the app last ran), always or never.
	ConnectAtLaunch string `json:"connectAtLaunch"`
	// AllowPlaintext lists the http origins to which the key may travel unencrypted. Loopback needs no entry.
	AllowPlaintext []string  `json:"allowPlaintext"`
	Retry          Retry     `json:"retry"`
	Heartbeat      Heartbeat `json:"heartbeat"`
	Notify         Notify    `json:"notify"`
	Icon           string    `json:"icon"`        // color, monochrome
	IconClick      string    `json:"iconClick"`   // act (mend), menu; on macOS a click always opens the menu
	Probe          string    `json:"probe"`       // auto, off, or the address that is asked whether a captive portal answers
	Proxy          string    `json:"proxy"`       // auto (environment, then system), off, or the proxy's address
	Compression    string    `json:"compression"` // off, auto
}

// Retry is the ladder of spec A 3.1. A preset stands for all five numbers; in memory they are always filled in.
type Retry struct {
	Preset       string   `json:"preset,omitempty"` // patient, "" = the numbers below
	InitialDelay Duration `json:"initialDelay"`
	Factor       float64  `json:"factor"`
	MaxDelay     Duration `json:"maxDelay"`
	MaxAttempts  int      `json:"maxAttempts"`
	Jitter       float64  `json:"jitter"` // 0.3 = ±30 %, applied after the cap
}

// Heartbeat is how often the pulse is taken. A preset stands for all three numbers.
type Heartbeat struct {
	Preset  string   `json:"preset,omitempty"` // relaxed, "" = the numbers below
	Idle    Duration `json:"idle"`
	Looking Duration `json:"looking"` // while someone looks
	Timeout Duration `json:"timeout"` // of a ping; 0 = by the measured round trip
}

// Notify says which news is worth a notification. A refused key and a captive portal always are.
type Notify struct {
	AgentWaiting  bool `json:"agentWaiting"`
	AgentFinished bool `json:"agentFinished"`
	AgentFailed   bool `json:"agentFailed"`
	Outage        bool `json:"outage"`
	Restored      bool `json:"restored"`
}

// Duration is a time.Duration that reads and writes as "1.5s".
type Duration time.Duration

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText accepts what time.ParseDuration accepts.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write it as 500ms, 1.5s or 2m", b)
	}
	*d = Duration(v)
	return nil
}

// retryPresets: default is spec A 3.1, patient is spec B 1.
func retryPresets() map[string]Retry {
	s := Duration(time.Second)
	return map[string]Retry{
		"default": {InitialDelay: s, Factor: 1.5, MaxDelay: 30 * s, MaxAttempts: 10, Jitter: 0.3},
		"patient": {Preset: "patient", InitialDelay: s, Factor: 2, MaxDelay: 30 * s, MaxAttempts: 20, Jitter: 0.25},
	}
}

// heartbeatPresets: normal is spec B 3 and 10, relaxed the 30 s and 10 s of spec A 4.
func heartbeatPresets() map[string]Heartbeat {
	s := Duration(time.Second)
	return map[string]Heartbeat{
		"normal":  {Idle: 15 * s, Looking: 5 * s},
		"relaxed": {Preset: "relaxed", Idle: 30 * s, Looking: 30 * s, Timeout: 10 * s},
	}
}

// Default is the configuration of a Handline that nobody has set up.
func Default() Config {
	return Config{
		Version:         ConfigVersion,
		Dialect:         "auto",
		Params:          map[string]string{},
		ConnectAtLaunch: "last",
		AllowPlaintext:  []string{},
		Retry:           retryPresets()["default"],
		Heartbeat:       heartbeatPresets()["normal"],
		Notify:          Notify{AgentWaiting: true, AgentFinished: true, AgentFailed: true, Outage: true, Restored: true},
		Icon:            "color",
		IconClick:       "act",
		Probe:           "auto",
		Proxy:           "auto",
		Compression:     "off",
	}
}

// MarshalJSON writes a preset by its name alone: numbers beside it would have to agree with it.
func (r Retry) MarshalJSON() ([]byte, error) {
	if r.Preset != "" {
		return json.Marshal(map[string]string{"preset": r.Preset})
	}
	type plain Retry
	return json.Marshal(plain(r))
}

// MarshalJSON writes a preset by its name alone.
func (h Heartbeat) MarshalJSON() ([]byte, error) {
	if h.Preset != "" {
		return json.Marshal(map[string]string{"preset": h.Preset})
	}
	type plain Heartbeat
	return json.Marshal(plain(h))
}
