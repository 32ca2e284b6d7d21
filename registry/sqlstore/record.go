package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// record appends a change to the feed, and to the audit log with target and
// detail for people. Feed numbers come from feed_head in this transaction, so
// that they are gapless and in commit order.
func (t *tx) record(c registry.Change, target, detail string) error {
	if err := t.note(c); err != nil {
		return err
	}
	return t.audit(c, target, detail)
}

const (
	feedSave   = `UPDATE feed_head SET seq = $1 WHERE id = 1`
	feedInsert = `INSERT INTO feed (seq, at, kind, org_id, user_id, session_id, slug, old_slug, version)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`
)

// note appends a change to the feed alone: for what no person did.
func (t *tx) note(c registry.Change) error {
	if err := t.ends(); err != nil {
		return err
	}
	t.feed++
	t.wakes, t.seq = true, t.feed
	if err := t.later(feedSave, t.feed); err != nil {
		return err
	}
	version, err := t.nextVersion(c)
	if err != nil {
		return fmt.Errorf("store: feed: %w", err)
	}
	if err := t.later(feedInsert, t.feed, us(t.now), c.Kind, c.OrgID, c.UserID, c.SessionID, c.Slug,
		c.OldSlug, version); err != nil {
		return err
	}
	return t.revoke(c, t.feed)
}

// nextVersion counts a change that makes tokens doubtful that were issued under the version before.
// 0: it makes none.
func (t *tx) nextVersion(c registry.Change) (version int64, err error) {
	switch c.Kind {
	case registry.ChangeMemberChanged, registry.ChangeMemberRemoved:
		err = t.QueryRowContext(t.ctx, `INSERT INTO member_versions (org_id, user_id, version)
			VALUES ($1,$2,1) ON CONFLICT (org_id, user_id)
			DO UPDATE SET version = member_versions.version + 1 RETURNING version`,
			c.OrgID, c.UserID).Scan(&version)
	case registry.ChangeOrgSignIn:
		err = t.QueryRowContext(t.ctx, `UPDATE orgs SET sign_in_version = sign_in_version + 1
			WHERE id = $1 RETURNING sign_in_version`, c.OrgID).Scan(&version)
	}
	return version, err
}

const changeColumns = `seq, at, kind, org_id, user_id, session_id, slug, old_slug, version`

// Changes returns up to limit changes after seq, oldest first. For the system.
func (s *Store) Changes(ctx context.Context, a registry.Actor, after int64, limit int) ([]registry.Change, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanChange,
		`SELECT `+changeColumns+` FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
}

// ChangesSince returns all changes from t on, oldest first. For the system,
// which rebuilds from them what tokens are still alive but revoked.
func (s *Store) ChangesSince(ctx context.Context, a registry.Actor, t time.Time) ([]registry.Change, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	list, err := collect(ctx, s.read, scanChange,
		`SELECT `+changeColumns+` FROM feed WHERE at >= $1`, us(t))
	// An order by seq in the statement makes databases read the whole feed.
	slices.SortFunc(list, func(a, b registry.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, err
}

// Head returns the newest feed number, 0 when nothing has happened. For the system.
func (s *Store) Head(ctx context.Context, a registry.Actor) (int64, error) {
	if err := only(a); err != nil {
		return 0, err
	}
	var seq int64
	if err := s.read.QueryRowContext(ctx, `SELECT seq FROM feed_head`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	return seq, nil
}

func scanChange(r scanner) (c registry.Change, err error) {
	err = r.Scan(&c.Seq, (*micros)(&c.At), &c.Kind, &c.OrgID, &c.UserID, &c.SessionID, &c.Slug, &c.OldSlug, &c.Version)
	return c, err
}
