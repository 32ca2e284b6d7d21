package sqlstore

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/pizzaface/pizzeria/registry"
)

// uses remember when sessions were last used for orgs that ask about it: use elsewhere says nothing
// of them. They are in memory alone. What is forgotten counts as not used since the sign-in, so that
// at worst somebody signs in again.
type uses struct{ at *lru.Cache[use, time.Time] }

type use struct {
	session registry.SessionID
	org     registry.OrgID
}

const maxUses = 50_000

func newUses() (*uses, error) {
	c, err := lru.New[use, time.Time](maxUses)
	return &uses{c}, err
}

func (u *uses) last(id registry.SessionID, org registry.OrgID) time.Time {
	at, _ := u.at.Get(use{id, org})
	return at
}

func (u *uses) note(id registry.SessionID, org registry.Org, at time.Time) {
	if org.SessionsLast().Idle > 0 {
		u.at.Add(use{id, org.ID}, at)
	}
}

// UsedSession notes that a session was used for an org at a time, which may be a while ago. For the
// system.
func (s *Store) UsedSession(_ context.Context, a registry.Actor, id registry.SessionID, org registry.OrgID, at time.Time) error {
	if err := only(a); err != nil {
		return err
	}
	if s.uses.last(id, org).Before(at) {
		s.uses.at.Add(use{id, org}, at)
	}
	return nil
}
