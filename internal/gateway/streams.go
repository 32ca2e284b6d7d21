package gateway

import (
	"sync"

	"github.com/pizzaface/pizzeria/registry"
)

// Streams are the open tunnels and unbounded responses, by org and by session, so
// that they can be counted and closed without a look at those of others.
type Streams struct {
	mu       sync.Mutex
	orgs     map[registry.OrgID]streamSet
	sessions map[registry.SessionID]streamSet
	n        int
}

type streamSet map[*stream]struct{}

type streamKey struct {
	org     registry.OrgID
	user    registry.UserID    // "" = nobody
	session registry.SessionID // "" = nobody
}

type stream struct {
	key streamKey
	end func(farewell)
}

// farewell is what a WebSocket is told when the gateway ends it.
type farewell struct {
	code   uint16
	reason string
}

func newStreams() *Streams {
	return &Streams{orgs: map[registry.OrgID]streamSet{}, sessions: map[registry.SessionID]streamSet{}}
}

func (s *Streams) add(k streamKey, end func(farewell)) *stream {
	st := &stream{key: k, end: end}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	put(s.orgs, k.org, st)
	if k.session != "" {
		put(s.sessions, k.session, st)
	}
	return st
}

// remove forgets a stream; once more does nothing.
func (s *Streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.orgs[st.key.org][st]; !open {
		return
	}
	s.n--
	drop(s.orgs, st.key.org, st)
	drop(s.sessions, st.key.session, st)
}

func put[K comparable](m map[K]streamSet, k K, st *stream) {
	if m[k] == nil {
		m[k] = streamSet{}
	}
	m[k][st] = struct{}{}
}

func drop[K comparable](m map[K]streamSet, k K, st *stream) {
	delete(m[k], st)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}

// closeSession ends what a session has open.
func (s *Streams) closeSession(id registry.SessionID, bye farewell) {
	s.mu.Lock()
	end := ends(s.sessions[id], func(streamKey) bool { return true })
	s.mu.Unlock()
	for _, f := range end {
		f(bye)
	}
}

// closeOrg ends what is open in an org and matches.
func (s *Streams) closeOrg(org registry.OrgID, match func(streamKey) bool, bye farewell) {
	s.mu.Lock()
	end := ends(s.orgs[org], match)
	s.mu.Unlock()
	for _, f := range end {
		f(bye)
	}
}

func (s *Streams) closeAll(bye farewell) {
	s.mu.Lock()
	var end []func(farewell)
	for _, set := range s.orgs {
		end = append(end, ends(set, func(streamKey) bool { return true })...)
	}
	s.mu.Unlock()
	for _, f := range end {
		f(bye)
	}
}

func ends(set streamSet, match func(streamKey) bool) (out []func(farewell)) {
	for st := range set {
		if match(st.key) {
			out = append(out, st.end)
		}
	}
	return out
}

// Len is how many streams are open.
func (s *Streams) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// Of is how many streams a session has open.
func (s *Streams) Of(id registry.SessionID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions[id])
}
