package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// CreateOrg makes an org with its instance wanted running. The owner may be
// empty. Errors: CodeInvalid (slug, name), CodeConflict (slug taken or resting), CodeNotFound (owner).
func (s *Store) CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error) {
	o := registry.Org{ID: registry.OrgID(registry.NewID()), Slug: n.Slug, Name: n.Name, Plan: n.Plan, Status: registry.OrgProvisioning, Generation: 1, Version: 1}
	if o.Name == "" {
		o.Name = n.Slug
	}
	if o.Plan == "" {
		o.Plan = registry.DefaultPlan
	}
	err := s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionOrgCreate); err != nil {
			return err
		}
		if err := registry.CheckSlug(o.Slug); err != nil {
			return err
		}
		var err error
		if o.Name, err = registry.CleanName(o.Name); err != nil {
			return err
		}
		if err := t.checkPlan(o.Plan); err != nil {
			return err
		}
		if n.Owner != "" {
			if err := t.may(registry.ActionOwnerManage); err != nil {
				return err
			}
		}
		o.CreatedAt, o.UpdatedAt = t.now, t.now
		if _, err := t.exec(`INSERT INTO orgs (id, slug, name, plan, status, created_at, updated_at) VALUES ($1,$2,$3,$4,$5,$6,$6)`,
			o.ID, o.Slug, o.Name, o.Plan, o.Status, us(t.now)); err != nil {
			return err
		}
		if err := t.takeSlug(o.Slug, o.ID); err != nil {
			return err
		}
		if err := t.must(`INSERT INTO instances (org_id, generation, desired, state, changed_at) VALUES ($1, 1, $2, $3, $4)`,
			o.ID, registry.DesiredRunning, registry.InstancePending, us(t.now)); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeOrgCreated, OrgID: o.ID, Slug: o.Slug}, o.Slug, o.Name); err != nil {
			return err
		}
		if n.Owner == "" {
			return nil
		}
		u, err := t.userByID(n.Owner)
		if err != nil {
			return err
		}
		if u.ID != a.User && hijackable(u) {
			return errUnverified(u, "owner")
		}
		return t.addMember(o.ID, u, registry.RoleOwner, "")
	})
	return o, err
}

// takeSlug gives slug to org, unless another org has it or it rests after another.
func (t *tx) takeSlug(slug string, org registry.OrgID) error {
	if _, err := t.exec(`DELETE FROM slugs WHERE slug = $1 AND rests_until IS NOT NULL AND (rests_until <= $2 OR org_id = $3)`, slug, us(t.now), org); err != nil {
		return err
	}
	n, err := t.exec(`INSERT INTO slugs (slug, org_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, slug, org)
	if err != nil {
		return err
	}
	if n == 0 {
		return registry.Errorf(registry.CodeConflict, "slug", "the address %q is taken, or was given up by another org less than %d days ago: choose another", slug, int(registry.Quarantine.Hours()/24)).Because(registry.ReasonSlugTaken)
	}
	return nil
}

// UpdateOrg changes an org's display name. version must be current (0 = any). Error: CodeVersionConflict.
func (s *Store) UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgUpdate, func(t *tx, v registry.OrgView) error {
		name, err := registry.CleanName(name)
		if err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET name = $2 WHERE id = $1`, id, name); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgUpdated, OrgID: id, Slug: v.Slug}, v.Slug, v.Name+" -> "+name)
	})
}

// RenameOrg gives an org another slug, and its instance, which knows its address from its start, a
// new generation. The old slug leads to the new one for RenameRedirect, then rests for Quarantine;
// the org itself may take it back at any time. Error: CodeConflict, also for the org's own people when
// RestingMax addresses rest.
func (s *Store) RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgRename, func(t *tx, v registry.OrgView) error {
		if err := registry.CheckSlug(slug); err != nil {
			return err
		}
		if slug == v.Slug {
			return registry.Errorf(registry.CodeInvalid, "slug", "the org already has the address %q", slug)
		}
		if v.Status == registry.OrgDeleting {
			return errDeleting()
		}
		if err := t.takeSlug(slug, id); err != nil {
			return err
		}
		redirect := t.now.Add(registry.RenameRedirect)
		if err := t.must(`UPDATE slugs SET redirect_until = $2, rests_until = $3 WHERE slug = $1`, v.Slug, us(redirect), us(redirect.Add(registry.Quarantine))); err != nil {
			return err
		}
		if err := t.mayRest(id); err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET slug = $2 WHERE id = $1`, id, slug); err != nil {
			return err
		}
		err := t.record(registry.Change{Kind: registry.ChangeOrgRenamed, OrgID: id, Slug: slug, OldSlug: v.Slug}, v.Slug, v.Slug+" -> "+slug)
		if err != nil || v.Status != registry.OrgActive && v.Status != registry.OrgProvisioning {
			return err
		}
		return t.restart(id, slug)
	})
}

// mayRest bounds the addresses that one org keeps from all others by renames. Platform admins, who
// make orgs with any address, are not bound.
func (t *tx) mayRest(id registry.OrgID) error {
	if t.actor.SeesAll() {
		return nil
	}
	type resting struct {
		slug  string
		until time.Time
	}
	list, err := collect(t.ctx, t, func(r scanner) (v resting, err error) {
		err = r.Scan(&v.slug, (*micros)(&v.until))
		return v, err
	}, `SELECT slug, rests_until FROM slugs WHERE org_id = $1 AND rests_until > $2 ORDER BY rests_until`, id, us(t.now))
	if err != nil || len(list) <= registry.RestingMax {
		return err
	}
	var names []string
	for _, v := range list[:registry.RestingMax] { // the newest is the one that would be given up
		names = append(names, v.slug)
	}
	return registry.Errorf(registry.CodeConflict, "slug",
		"the org gave up %d addresses that are still kept for it: take back one of them (%s), or rename it after %s",
		registry.RestingMax, strings.Join(names, ", "), list[0].until.UTC().Format("2 January 2006"))
}

func errDeleting() error {
	return registry.Errorf(registry.CodeConflict, "status", "the org is being deleted: keep it first, while there is time").Because(registry.ReasonWrongStatus)
}

// SuspendOrg closes an org and stops its instance; data stays.
func (s *Store) SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgSuspend, func(t *tx, v registry.OrgView) error {
		reason, err := registry.CleanReason(reason)
		if err != nil {
			return err
		}
		if v.Status == registry.OrgDeleting {
			return errDeleting()
		}
		if err := t.setStatus(v, registry.OrgSuspended, reason); err != nil {
			return err
		}
		if err := t.want(id, registry.DesiredStopped); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgSuspended, OrgID: id, Slug: v.Slug}, v.Slug, reason)
	})
}

// ResumeOrg opens a suspended org and starts a new generation of its instance.
func (s *Store) ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgResume, func(t *tx, v registry.OrgView) error {
		if v.Status == registry.OrgDeleting {
			return errDeleting()
		}
		if err := t.setStatus(v, registry.OrgProvisioning, ""); err != nil {
			return err
		}
		if err := t.nextGeneration(id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgResumed, OrgID: id, Slug: v.Slug}, v.Slug, "")
	})
}

// edit runs f when the actor may do action and version is current (0 = any), and counts the version up.
func (s *Store) edit(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, action registry.Action, f func(*tx, registry.OrgView) error) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(id, action)
		if err != nil {
			return err
		}
		if version != 0 && version != v.Version {
			return registry.Errorf(registry.CodeVersionConflict, "version", "somebody changed the org meanwhile: load it again and repeat your change")
		}
		if err := f(t, v); err != nil {
			return err
		}
		return t.must(`UPDATE orgs SET version = version + 1, updated_at = $2 WHERE id = $1`, id, us(t.now))
	})
}

func (t *tx) setStatus(v registry.OrgView, to registry.OrgStatus, reason string) error {
	if err := v.Status.To(to); err != nil {
		return err
	}
	return t.must(`UPDATE orgs SET status = $2, reason = $3 WHERE id = $1 AND status = $4`, v.ID, to, reason, v.Status)
}

func (t *tx) want(id registry.OrgID, d registry.Desired) error {
	return t.must(`UPDATE instances SET desired = $2, failures = 0, changed_at = $3 WHERE org_id = $1`, id, d, us(t.now))
}

// nextGeneration wants a new instance: what the old one had (socket, token, pooled connections) is of no use to it.
func (t *tx) nextGeneration(id registry.OrgID) error {
	if err := t.must(`UPDATE orgs SET generation = generation + 1 WHERE id = $1`, id); err != nil {
		return err
	}
	return t.must(`UPDATE instances SET generation = generation + 1, desired = $2, state = $3, detail = '', failures = 0, steps = '[]', changed_at = $4,
		previous_provider = CASE WHEN provider <> '' THEN provider ELSE previous_provider END, provider = '' WHERE org_id = $1`,
		id, registry.DesiredRunning, registry.InstancePending, us(t.now))
}

// RestartInstance replaces an org's instance by a new generation. CodeConflict unless the org is provisioning or active.
func (s *Store) RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error {
	return s.edit(ctx, a, id, version, registry.ActionInstanceRestart, func(t *tx, v registry.OrgView) error {
		if v.Status != registry.OrgActive && v.Status != registry.OrgProvisioning {
			return registry.Errorf(registry.CodeConflict, "status", "the org is %s: only a running org's instance can be restarted", v.Status).Because(registry.ReasonWrongStatus)
		}
		return t.restart(id, v.Slug)
	})
}

// ShowInstanceToken implements registry.InstanceTokenStore.
func (s *Store) ShowInstanceToken(ctx context.Context, a registry.Actor, org registry.OrgID) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionInstanceEnv)
		if err != nil {
			return err
		}
		return t.record(registry.Change{
			Kind: registry.ChangeInstanceToken, OrgID: org, Slug: v.Slug,
		}, v.Slug, fmt.Sprintf("generation %d", v.Instance.Generation))
	})
}

func (t *tx) restart(id registry.OrgID, slug string) error {
	if err := t.nextGeneration(id); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeInstanceChanged, OrgID: id, Slug: slug}, slug, "restart")
}
