package demo

import "net/http"

// Seen is what a server has seen of its clients. It holds no key and no text.
type Seen struct {
	Requests int // HTTP requests, upgrades among them
	Dials    int // upgrades that were asked for, also those that were refused
	Live     int // sockets open now
	Peak     int // most sockets that were ever open at one time
	Typos    int // conversations that came to be because somebody connected to an id that does not exist
	Starts   int // agents that were started because somebody connected to a conversation that was not running
	Wakes    int // sandboxes that were resumed
	Refused  int // keys that were missing or wrong
	Acks     int // events the client confirmed
	// Where a key was seen, right or wrong.
	KeyInQuery, KeyInHeader, KeyInFrame bool
}

// Seen gives the counts so far.
func (s *Server) Seen() Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.seen
	v.Live = s.live()
	return v
}

// Dials is how many upgrades were asked for.
func (s *Server) Dials() int { return s.Seen().Dials }

// Live is how many sockets are open now.
func (s *Server) Live() int { return s.Seen().Live }

// live counts the sockets that no client has hung up. The caller holds the mutex.
func (s *Server) live() int {
	n := 0
	for k := range s.sockets {
		if !gone(k.ws.NetConn()) {
			n++
		}
	}
	return n
}

// note changes what was seen.
func (s *Server) note(change func(*Seen)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.seen)
}

// Truth is the ids of everything that ever happened in a conversation, in order. Changes of the agent's state are not
// in it: no server replays them all.
func (s *Server) Truth(conversation string) []string {
	c := s.find(conversation)
	if c == nil {
		return nil
	}
	var ids []string
	for _, e := range s.history(c) {
		ids = append(ids, e.id)
	}
	return ids
}

// Asked is what users said in a conversation, in the order in which the server took it.
func (s *Server) Asked(conversation string) []string {
	c := s.find(conversation)
	if c == nil {
		return nil
	}
	var texts []string
	all, _ := s.after(c, 0)
	for _, e := range all {
		if e.kind == asked {
			texts = append(texts, e.text)
		}
	}
	return texts
}

// admits judges a key against the one that is asked for and against the mood.
func (s *Server) admits(given, wanted string) bool {
	mood, _ := s.now()
	ok := mood != Refusing && (wanted == "" || given == wanted)
	if !ok {
		s.note(func(v *Seen) { v.Refused++ })
	}
	return ok
}

// headerKey is the key a request carries in X-Session-API-Key or as a bearer, "" = none.
func (s *Server) headerKey(r *http.Request) string {
	key := r.Header.Get("X-Session-API-Key")
	if bearer := r.Header.Get("Authorization"); key == "" && len(bearer) > 7 {
		key = bearer[7:]
	}
	if key != "" {
		s.note(func(v *Seen) { v.KeyInHeader = true })
	}
	return key
}

// queryKey is the key a request carries in its query, "" = none.
func (s *Server) queryKey(r *http.Request) string {
	key := r.URL.Query().Get("session_api_key")
	if key != "" {
		s.note(func(v *Seen) { v.KeyInQuery = true })
	}
	return key
}
