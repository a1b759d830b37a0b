package diagnostics

import (
	"net/http"

	"handline/persistence"
)

// This file reads and changes what the line is made with: the configuration and the keys.

// Key is the body of POST /v1/key. Nothing ever answers with a key.
type Key struct {
	Server string `json:"server,omitempty"` // "" = the configured one
	Proxy  string `json:"proxy,omitempty"`  // not "" = the key is this proxy's, as name:password
	Key    string `json:"key"`
}

func (a API) config(w http.ResponseWriter, r *http.Request) error {
	c, err := a.Config(r.Context())
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, c)
	return nil
}

func (a API) putConfig(w http.ResponseWriter, r *http.Request) error {
	body, err := body(w, r, maxBody)
	if err != nil {
		return err
	}
	next, err := persistence.DecodeConfig(body)
	switch check := r.URL.Query().Has("check"); {
	case err != nil && check: // somebody is still typing: to be told is what they asked for
		answer(w, http.StatusOK, map[string]*Problem{"error": badRequest("%v", err)})
		return nil
	case err != nil:
		return badRequest("%v", err)
	case check:
		answer(w, http.StatusOK, next)
		return nil
	}
	if err := a.Change(r.Context(), func(c *persistence.Config) error { *c = next; return nil }); err != nil {
		return err
	}
	answer(w, http.StatusOK, next)
	return nil
}

func (a API) key(w http.ResponseWriter, r *http.Request) error {
	var k Key
	if err := read(w, r, &k); err != nil {
		return err
	}
	var err error
	if k.Proxy != "" {
		err = a.SetLogin(r.Context(), k.Proxy, k.Key)
	} else {
		err = a.SetKey(r.Context(), k.Server, k.Key)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
