package gateway

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
)

// Revocations remembers what the change feed said about sessions and
// memberships, for as long as a token could still be shown. It implements
// registry.FeedHandler, and closes open streams.
type Revocations struct {
	now     func() time.Time
	streams *Streams

	mu       sync.RWMutex
	sessions map[registry.SessionID]time.Time
	members  map[memberKey]time.Time
	all      time.Time // everything issued until then must be renewed: the feed had a gap
	swept    time.Time
}

type memberKey struct {
	org  registry.OrgID
	user registry.UserID
}

// RevocationMemory is how long a change matters: the longest life of a token with the largest grace.
const RevocationMemory = 26 * time.Hour

func newRevocations(now func() time.Time, s *Streams) *Revocations {
	return &Revocations{now: now, streams: s, sessions: map[registry.SessionID]time.Time{}, members: map[memberKey]time.Time{}, swept: now()}
}

// Apply implements registry.FeedHandler.
func (v *Revocations) Apply(c registry.Change) {
	switch c.Kind {
	case registry.SessionRevoked:
		v.mu.Lock()
		v.sessions[c.SessionID] = c.At
		v.mu.Unlock()
		v.streams.close(func(k streamKey) bool { return k.session == c.SessionID })
	case registry.MemberChanged, registry.MemberRemoved:
		v.mu.Lock()
		v.members[memberKey{c.OrgID, c.UserID}] = c.At
		v.mu.Unlock()
		v.streams.close(func(k streamKey) bool { return k.org == c.OrgID && k.user == c.UserID })
	case registry.OrgSuspendedNow, registry.OrgDeletion:
		v.streams.close(func(k streamKey) bool { return k.org == c.OrgID })
	}
	v.sweep()
}

// Reset implements registry.FeedHandler: what was missed is unknown, so every session is read again.
func (v *Revocations) Reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = v.now()
}

// judge says whether a session is gone, or must be read again from the registry because something about it changed.
func (v *Revocations) judge(c *identity.SessionClaims) (must, gone bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if _, ok := v.sessions[c.SessionID]; ok {
		return true, true
	}
	// iat has whole seconds: a token of the same second may be older than the change.
	at, changed := v.members[memberKey{c.OrgID, c.Subject}]
	return changed && c.IssuedAt <= at.Unix() || c.IssuedAt <= v.all.Unix(), false
}

func (v *Revocations) sweep() {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.swept) < time.Minute {
		return
	}
	v.swept = now
	for k, at := range v.sessions {
		if now.Sub(at) > RevocationMemory {
			delete(v.sessions, k)
		}
	}
	for k, at := range v.members {
		if now.Sub(at) > RevocationMemory {
			delete(v.members, k)
		}
	}
}

// Streams are the open tunnels and unbounded responses, so that they can be closed.
type Streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
}

type streamKey struct {
	org     registry.OrgID
	user    registry.UserID
	session registry.SessionID
}

type stream struct {
	key streamKey
	end func()
}

func newStreams() *Streams { return &Streams{open: map[*stream]struct{}{}} }

func (s *Streams) add(k streamKey, end func()) *stream {
	st := &stream{key: k, end: end}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[st] = struct{}{}
	return st
}

func (s *Streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
}

func (s *Streams) close(match func(streamKey) bool) {
	s.mu.Lock()
	var end []func()
	for st := range s.open {
		if match(st.key) {
			end = append(end, st.end)
		}
	}
	s.mu.Unlock()
	for _, f := range end {
		f()
	}
}

// Len is how many streams are open.
func (s *Streams) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
