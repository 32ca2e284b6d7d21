package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	revocationInto = `INSERT INTO revocations (org_id, user_id, runner_id, seq) `
	revocationAs   = ` ON CONFLICT (org_id, user_id, runner_id) DO UPDATE SET seq = excluded.seq`
)

// revoke notes whom a change leaves instances to be told of. Who may still use them comes back at
// once, so it is noted also when a role changed: an app has sessions of its own, and they would go on.
func (t *tx) revoke(c registry.Change, seq int64) (err error) {
	switch c.Kind {
	case registry.ChangeMemberChanged, registry.ChangeMemberRemoved:
		_, err = t.exec(revocationInto+`VALUES ($1, $2, '', $3)`+revocationAs,
			c.OrgID, c.UserID, seq)
	case registry.ChangeRunnerRevoked, registry.ChangeRunnerDisconnected:
		_, err = t.exec(revocationInto+`VALUES ($1, '', $2, $3)`+revocationAs,
			c.OrgID, c.SessionID, seq)
	case registry.ChangeUserDisabled:
		err = t.revokeUser(c.UserID)
	case registry.ChangeOrgSignIn:
		_, err = t.exec(revocationInto+`SELECT m.org_id, m.user_id, '', CAST($2 AS BIGINT)
			FROM memberships m WHERE m.org_id = $1`+revocationAs, c.OrgID, seq)
	}
	return err
}

// revokeUser notes somebody for the instances of all their orgs, as of the last change.
func (t *tx) revokeUser(id registry.UserID) error {
	_, err := t.exec(revocationInto+`SELECT m.org_id, m.user_id, '', feed_head.seq
		FROM memberships m, feed_head WHERE m.user_id = $1`+revocationAs, id)
	return err
}

// UntoldInstances returns the instances that serve and are yet to be told of somebody. For the
// system.
func (s *Store) UntoldInstances(
	ctx context.Context, a registry.Actor,
) ([]registry.InstanceRef, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, func(r scanner) (v registry.InstanceRef, err error) {
		err = r.Scan(&v.OrgID, &v.Generation)
		return v, err
	}, allRows+`SELECT i.org_id, i.generation FROM (SELECT DISTINCT org_id FROM revocations) r
		JOIN instances i ON i.org_id = r.org_id WHERE i.state IN ('running', 'degraded')`)
}

// Untold returns at most UntoldMax people and runners that an org's instance is yet to be told of.
// For the system.
func (s *Store) Untold(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) ([]registry.Untold, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, func(r scanner) (v registry.Untold, err error) {
		err = r.Scan(&v.UserID, &v.RunnerID, &v.Seq, &v.Gone)
		return v, err
	}, `SELECT r.user_id, r.runner_id, r.seq,
			NOT EXISTS (SELECT 1 FROM runners n WHERE n.id = r.runner_id AND n.expires_at > $3) AND
			NOT EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
				WHERE m.org_id = r.org_id AND m.user_id = r.user_id AND m.held_at = 0 AND u.disabled_at = 0)
		FROM revocations r WHERE r.org_id = $1
		ORDER BY r.user_id, r.runner_id LIMIT $2`, org, registry.UntoldMax, us(s.now()))
}

// MarkTold removes what an org's instance was told. What changed again meanwhile stays. For the
// system.
func (s *Store) MarkTold(
	ctx context.Context, a registry.Actor, org registry.OrgID, list []registry.Untold,
) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		for _, v := range list {
			_, err := t.exec(`DELETE FROM revocations WHERE org_id = $1 AND user_id = $2
				AND runner_id = $3 AND seq = $4`, org, v.UserID, v.RunnerID, v.Seq)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
