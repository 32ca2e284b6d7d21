package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pizzaface/pizzeria/registry"
)

type limits registry.Limits

// Scan implements sql.Scanner.
func (l *limits) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("limits stored as %T", v)
	}
	*l = nil
	if text == "{}" { // as of nearly every org, at each load of its route
		return nil
	}
	return json.Unmarshal([]byte(text), l)
}

const planQuery = `SELECT p.name, p.title, p.description, p.provider, p.limits,
	p.session_idle, p.session_lifetime, p.configured,
	p.created_at, p.updated_at,
	(SELECT count(*) FROM orgs o WHERE o.plan = p.name AND o.status <> 'deleted') FROM plans p`

func scanPlan(r scanner) (p registry.Plan, err error) {
	err = r.Scan(
		&p.Name, &p.Title, &p.Description, &p.Provider, (*limits)(&p.Limits), &p.Sessions.Idle,
		&p.Sessions.Absolute, &p.Configured, (*micros)(&p.CreatedAt), (*micros)(&p.UpdatedAt),
		&p.Orgs,
	)
	return p, err
}

func errNoPlan(name string) error {
	return registry.Errorf(registry.CodeNotFound, "plan", "there is no plan %q", name)
}

func errConfigured(name string) error {
	return registry.Errorf(registry.CodeConflict, "plan",
		"the plan %q is defined in the Caddyfile: change it there and reload", name).
		Because(registry.ReasonPlanConfigured)
}

// Plans returns every plan, by name.
func (s *Store) Plans(ctx context.Context, a registry.Actor) ([]registry.Plan, error) {
	if err := s.may(a, registry.ActionPlanRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanPlan, planQuery+` ORDER BY p.name`)
}

// Plan returns a plan. Error: CodeNotFound.
func (s *Store) Plan(ctx context.Context, a registry.Actor, name string) (registry.Plan, error) {
	if err := s.may(a, registry.ActionPlanRead); err != nil {
		return registry.Plan{}, err
	}
	return one(ctx, s.read, scanPlan, errNoPlan(name), planQuery+` WHERE p.name = $1`, name)
}

func (t *tx) plan(name string) (registry.Plan, error) {
	return one(t.ctx, t, scanPlan, errNoPlan(name), planQuery+` WHERE p.name = $1`, name)
}

// CreatePlan defines a plan. Errors: CodeInvalid, CodeConflict (there is one of this name).
func (s *Store) CreatePlan(
	ctx context.Context, a registry.Actor, p registry.Plan,
) (registry.Plan, error) {
	err := s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionPlanManage); err != nil {
			return err
		}
		var err error
		if p, err = p.Check(); err != nil {
			return err
		}
		if err := p.Sessions.Within(t.lifetimes); err != nil {
			return err
		}
		if _, err := t.plan(p.Name); err == nil {
			return registry.Errorf(registry.CodeConflict, "name", "there is a plan %q already", p.Name).
				Because(registry.ReasonPlanTaken)
		} else if registry.ErrorCode(err) != registry.CodeNotFound {
			return err
		}
		p.Configured = false
		if err := t.putPlan(p, registry.ChangePlanCreated); err != nil {
			return err
		}
		p, err = t.plan(p.Name)
		return err
	})
	return p, err
}

// UpdatePlan changes what is not nil of a plan; its orgs follow at once. version is the one that the
// caller has seen, "" for any. Errors: CodeInvalid, CodeNotFound, CodeVersionConflict, CodeConflict (it is defined in the
// Caddyfile).
func (s *Store) UpdatePlan(
	ctx context.Context, a registry.Actor, name, version string, c registry.PlanChange,
) (p registry.Plan, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionPlanManage); err != nil {
			return err
		}
		if p, err = t.plan(name); err != nil {
			return err
		}
		if p.Configured {
			return errConfigured(name)
		}
		if err := registry.CheckVersion(version, p.Version()); err != nil {
			return err
		}
		was := p
		for _, f := range []struct{ from, to *string }{
			{c.Title, &p.Title}, {c.Description, &p.Description}, {c.Provider, &p.Provider},
		} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if p.Sessions = p.Sessions.Changed(c.Sessions); p.Sessions != was.Sessions {
			if err := p.Sessions.Within(t.lifetimes); err != nil {
				return err
			}
		}
		if p.Limits, err = p.Limits.Changed(c.Limits); err != nil {
			return err
		}
		if p, err = p.Check(); err != nil || p.SameAs(was) {
			return err
		}
		if err := t.putPlan(p, registry.ChangePlanUpdated); err != nil {
			return err
		}
		p, err = t.plan(name)
		return err
	})
	return p, err
}

// DeletePlan removes a plan that no org has. Errors: CodeNotFound, CodeConflict.
func (s *Store) DeletePlan(ctx context.Context, a registry.Actor, name string) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionPlanManage); err != nil {
			return err
		}
		p, err := t.plan(name)
		switch {
		case err != nil:
			return err
		case p.Configured:
			return errConfigured(name)
		case p.Orgs > 0:
			return registry.Errorf(registry.CodeConflict, "plan",
				"the plan %q still has orgs (%d): give them another plan first", name, p.Orgs).Because(registry.ReasonPlanInUse)
		}
		return t.dropPlan(name)
	})
}

// ConfigurePlans makes the plans of the Caddyfile those in list. One takes the place of a plan that
// was created here; orgs with one that is gone keep its name and have no limits by it. For the
// system. Error: CodeInvalid.
func (s *Store) ConfigurePlans(
	ctx context.Context, a registry.Actor, by registry.PlansOf, list []registry.Plan,
) error {
	if err := only(a); err != nil {
		return err
	}
	list, err := checkPlans(list)
	if err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		if by.Node != "" {
			changed, err := t.notePlans(by.Node, list)
			if err != nil || by.Started && !changed {
				return err
			}
		}
		have, err := collect(t.ctx, t, scanPlan, planQuery)
		if err != nil {
			return err
		}
		for _, p := range list {
			p.Configured = true
			i := slices.IndexFunc(have, func(h registry.Plan) bool { return h.Name == p.Name })
			kind := registry.ChangePlanCreated
			if i >= 0 {
				if have[i].SameAs(p) {
					continue
				}
				kind = registry.ChangePlanUpdated
			}
			if err := t.putPlan(p, kind); err != nil {
				return err
			}
		}
		for _, h := range have {
			if h.Configured &&
				!slices.ContainsFunc(list, func(p registry.Plan) bool { return p.Name == h.Name }) {
				if err := t.dropPlan(h.Name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func checkPlans(list []registry.Plan) (checked []registry.Plan, err error) {
	for _, p := range list {
		if p, err = p.Check(); err != nil {
			return nil, err
		}
		checked = append(checked, p)
	}
	return checked, nil
}

// notePlans keeps which plans a node has, and reports whether it had others before.
func (t *tx) notePlans(node string, list []registry.Plan) (changed bool, err error) {
	b, err := json.Marshal(list)
	if err != nil {
		return false, err
	}
	n, err := t.exec(`INSERT INTO meta (key, value) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value`,
		"plans:"+node, fmt.Sprintf("%x", sha256.Sum256(b)))
	return n > 0, err
}

func (t *tx) putPlan(p registry.Plan, kind registry.ChangeKind) error {
	b, err := json.Marshal(p.Limits)
	if err != nil {
		return err
	}
	was, err := t.planSessions(p.Name)
	if err != nil {
		return err
	}
	if err := t.must(
		`INSERT INTO plans (name, title, description, provider, limits, configured, created_at,
		updated_at, session_idle, session_lifetime)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$7,$8,$9) ON CONFLICT (name) DO UPDATE SET title = $2,
		description = $3, provider = $4, limits = $5, configured = $6, updated_at = $7,
		session_idle = $8, session_lifetime = $9`,
		p.Name,
		p.Title,
		p.Description,
		p.Provider,
		string(b),
		p.Configured,
		us(t.now),
		p.Sessions.Idle,
		p.Sessions.Absolute,
	); err != nil {
		return err
	}
	if err := t.record(registry.Change{Kind: kind}, p.Name, p.Detail()); err != nil {
		return err
	}
	return t.replanned(p.Name, was, p.Sessions)
}

// planSessions are the lifetimes that a plan asks for; none of one that nobody defines.
func (t *tx) planSessions(name string) (registry.Lifetimes, error) {
	p, err := t.plan(name)
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return registry.Lifetimes{}, nil
	}
	return p.Sessions, err
}

// replanned makes the sessions of a plan's orgs doubtful whose lifetimes changed.
func (t *tx) replanned(plan string, was, now registry.Lifetimes) error {
	if was == now {
		return nil
	}
	ids, err := collect(t.ctx, t, func(r scanner) (id registry.OrgID, err error) {
		err = r.Scan(&id)
		return id, err
	}, `SELECT id FROM orgs WHERE plan = $1 AND status <> 'deleted'`, plan)
	for _, id := range ids {
		if err == nil {
			err = t.note(registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: id})
		}
	}
	return err
}

func (t *tx) dropPlan(name string) error {
	was, err := t.planSessions(name)
	if err != nil {
		return err
	}
	if err := t.must(`DELETE FROM plans WHERE name = $1`, name); err != nil {
		return err
	}
	if err := t.record(registry.Change{Kind: registry.ChangePlanDeleted}, name, ""); err != nil {
		return err
	}
	return t.replanned(name, was, registry.Lifetimes{})
}

// checkPlan refuses a plan that nobody defines, once somebody defines some.
func (t *tx) checkPlan(name string) error {
	if !registry.ValidSlug(name) {
		return registry.Errorf(registry.CodeInvalid, "plan",
			"%q is not a plan: use lower-case letters, digits and hyphens", name)
	}
	var refused bool
	err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM plans WHERE name > '')
		AND NOT EXISTS (SELECT 1 FROM plans WHERE name = $1)`, name).Scan(&refused)
	if err == nil && refused && name != registry.DefaultPlan {
		err = registry.Errorf(
			registry.CodeInvalid, "plan", "there is no plan %q: define it first", name,
		)
	}
	return err
}
