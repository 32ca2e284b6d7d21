package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/pizzaface/pizzeria/registry"
)

// SetOrgPlan gives an org another plan, at once. More than it allows stays, and is not added to.
// Errors: CodeInvalid, CodeVersionConflict.
func (s *Store) SetOrgPlan(
	ctx context.Context, a registry.Actor, id registry.OrgID, version int64, plan string,
) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgPlan, func(t *tx, v registry.OrgView) error {
		if err := t.checkPlan(plan); err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET plan = $2 WHERE id = $1`, id, plan); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeOrgPlanChanged, OrgID: id, Slug: v.Slug},
			v.Slug, v.Plan+" -> "+plan); err != nil {
			return err
		}
		next, err := t.planSessions(plan)
		if err != nil || next == v.PlanSessions {
			return err
		}
		return t.note(registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: id})
	})
}

// SetOrgLimits changes the limits that an org has in place of its plan's. Errors: CodeInvalid, CodeVersionConflict.
func (s *Store) SetOrgLimits(
	ctx context.Context, a registry.Actor, id registry.OrgID, version int64,
	c registry.LimitChanges,
) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgPlan, func(t *tx, v registry.OrgView) error {
		q, err := t.limitsOf(id)
		if err != nil {
			return err
		}
		own, err := q.own.Changed(c)
		if err != nil {
			return err
		}
		b, err := json.Marshal(own)
		if err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET limits = $2 WHERE id = $1`, id, string(b)); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgLimitsChanged, OrgID: id, Slug: v.Slug},
			v.Slug, q.own.String()+" -> "+own.String())
	})
}

// SetOrgProvider gives an org a provider of its own, "" its plan's again, and its instance, which
// moves there, a new generation. Errors: CodeVersionConflict.
func (s *Store) SetOrgProvider(
	ctx context.Context, a registry.Actor, id registry.OrgID, version int64, provider string,
) error {
	return s.edit(ctx, a, id, version, registry.ActionOrgPlan, func(t *tx, v registry.OrgView) error {
		if provider == v.Provider {
			return nil
		}
		if err := t.must(`UPDATE orgs SET provider = $2 WHERE id = $1`, id, provider); err != nil {
			return err
		}
		err := t.record(
			registry.Change{Kind: registry.ChangeOrgProviderChanged, OrgID: id, Slug: v.Slug}, v.Slug,
			cmp.Or(v.Provider, planProvider)+" -> "+cmp.Or(provider, planProvider),
		)
		if err != nil || v.Status != registry.OrgActive && v.Status != registry.OrgProvisioning {
			return err
		}
		return t.restart(id, v.Slug)
	})
}

// planProvider stands for no provider of an org's own in the audit log.
const planProvider = "as the plan says"
