package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// DeleteOrg closes an org and stops its instance. Until registry.DeleteUndo has
// passed KeepOrg undoes it; then, or at once with Now, its instance is removed and
// its slug rests. Data stays until it is purged.
func (s *Store) DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, d registry.OrgDeletion) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgDelete, func(t *tx, v registry.OrgView) error {
		if d.Confirm != v.Slug {
			return registry.Errorf(registry.CodeInvalid, "confirm", "type the org's address, %q, to delete it", v.Slug)
		}
		was, end := v.Status, t.now.Add(registry.DeleteUndo)
		if was == registry.OrgDeleting && d.Now { // deleting it again without the wait
			if !v.DeleteAt.After(t.now) {
				return v.Status.To(registry.OrgDeleting)
			}
		} else if err := t.setStatus(v, registry.OrgDeleting, v.Reason); err != nil {
			return err
		}
		desired, detail := registry.DesiredStopped, "until "+end.UTC().Format(time.RFC3339)
		if d.Now {
			desired, end, detail = registry.DesiredAbsent, t.now, "now"
		}
		if err := t.want(id, desired); err != nil {
			return err
		}
		if was != registry.OrgDeleting {
			if err := t.must(`UPDATE orgs SET kept_status = $2 WHERE id = $1`, id, was); err != nil {
				return err
			}
		}
		if err := t.must(`UPDATE orgs SET delete_at = $2 WHERE id = $1`, id, us(end)); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgDeleting, OrgID: id, Slug: v.Slug}, v.Slug, detail)
	})
}

// KeepOrg undoes DeleteOrg while its time has not passed: the org is what it was before. Error: CodeConflict.
func (s *Store) KeepOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgDelete, func(t *tx, v registry.OrgView) error {
		if v.Status != registry.OrgDeleting {
			return registry.Errorf(registry.CodeConflict, "status", "the org is %s, not being deleted", v.Status).Because(registry.ReasonWrongStatus)
		}
		if !v.DeleteAt.After(t.now) {
			return registry.Errorf(registry.CodeConflict, "status", "it is too late: the org is being removed").Because(registry.ReasonWrongStatus)
		}
		to, err := one(t.ctx, t, func(r scanner) (st registry.OrgStatus, err error) {
			err = r.Scan(&st)
			return st, err
		}, errNoOrg(), `SELECT kept_status FROM orgs WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if to != registry.OrgSuspended {
			to = registry.OrgProvisioning
			if err := t.nextGeneration(id); err != nil {
				return err
			}
		}
		if err := t.setStatus(v, to, v.Reason); err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET delete_at = 0, kept_status = '' WHERE id = $1`, id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgKept, OrgID: id, Slug: v.Slug}, v.Slug, "")
	})
}

// FinishDeletions wants the instances of orgs absent whose time to be kept has passed. For the system.
func (s *Store) FinishDeletions(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		due, err := collect(t.ctx, t, scanView(t.actor), viewQuery+` AND o.delete_at > 0 AND o.delete_at <= $5 AND o.status = 'deleting' AND i.desired = 'stopped'`, viewArgs(t.actor, us(t.now))...)
		if err != nil {
			return err
		}
		for _, v := range due {
			if err := t.want(v.ID, registry.DesiredAbsent); err != nil {
				return err
			}
			if err := t.record(registry.Change{Kind: registry.ChangeOrgDeleting, OrgID: v.ID, Slug: v.Slug}, v.Slug, "its time to be kept has passed"); err != nil {
				return err
			}
		}
		return nil
	})
}
