package identity

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// seenLag is how long ago a session may have been used by what is stored while it is in use: far
// less than any may be idle.
const seenLag = registry.SessionLeast / 2

// touch notes that a session was used at a time; Flush stores it.
func (s *Service) touch(id registry.SessionID, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[id].Before(at) {
		s.seen[id] = at
	}
}

// asSeen is a session with its last use, which may not be stored yet. lag: what is stored is old.
func (s *Service) asSeen(v registry.Session) (now registry.Session, lag bool) {
	lag = s.now().Sub(v.LastSeenAt) > seenLag
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.seen[v.ID].Sub(v.LastSeenAt); d > 0 {
		v.LastSeenAt = s.seen[v.ID]
		if !v.IdleExpiresAt.IsZero() {
			v.IdleExpiresAt = v.IdleExpiresAt.Add(d)
		}
	}
	return v, lag
}

// storeSeen stores the last use of one session, if that is not stored yet. After an error Flush
// does it.
func (s *Service) storeSeen(ctx context.Context, id registry.SessionID) (stored bool) {
	s.mu.Lock()
	at, ok := s.seen[id]
	s.mu.Unlock()
	if !ok {
		return false
	}
	one := map[registry.SessionID]time.Time{id: at}
	if err := s.store.TouchSessions(ctx, registry.AsSystem("sessions"), one); err != nil {
		s.log.Warn("last use of a session is not stored", "error", err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[id].Equal(at) {
		delete(s.seen, id)
	}
	return true
}

// grant is what a session stands for in an org. One that is idle by what is stored, and was seen
// since, is judged again.
func (s *Service) grant(
	ctx context.Context, component string, id registry.SessionID, org registry.OrgID,
) (registry.Grant, error) {
	g, err := s.store.Grant(ctx, registry.AsSystem(component), id, org)
	if registry.ErrorCode(err) == registry.CodeNotFound && s.storeSeen(ctx, id) {
		return s.store.Grant(ctx, registry.AsSystem(component), id, org)
	}
	return g, err
}
