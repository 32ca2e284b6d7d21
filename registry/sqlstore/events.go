package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// Events returns up to limit changes of an org after seq, oldest first; of
// everything when org is empty. For members of the org; for everything, platform admins.
func (s *Store) Events(ctx context.Context, a registry.Actor, org registry.OrgID, after int64, limit int) ([]registry.Change, error) {
	if err := s.mayWatch(ctx, a, org); err != nil {
		return nil, err
	}
	q := new(query)
	q.add(`SELECT `+changeColumns+` FROM feed WHERE seq > ?`, after)
	if org != "" {
		q.add(` AND org_id = ?`, org)
	}
	q.add(` ORDER BY seq LIMIT ?`, limit)
	return collect(ctx, s.read, scanChange, q.text.String(), q.args...)
}

// EventBounds returns the oldest change that is kept and the newest, of all
// orgs. Who may is as for Events.
func (s *Store) EventBounds(ctx context.Context, a registry.Actor, org registry.OrgID) (oldest, head int64, err error) {
	if err := s.mayWatch(ctx, a, org); err != nil {
		return 0, 0, err
	}
	err = s.read.QueryRowContext(ctx, `SELECT COALESCE((SELECT min(seq) FROM feed), 1), seq FROM feed_head`).Scan(&oldest, &head)
	return oldest, head, err
}

func (s *Store) mayWatch(ctx context.Context, a registry.Actor, org registry.OrgID) error {
	if org == "" {
		return s.may(a, registry.ActionPlatformAudit)
	}
	_, err := s.Authorize(ctx, a, org, registry.ActionOrgRead)
	return err
}
