package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const orgColumns = `o.id, o.slug, o.name, o.plan, o.status, o.reason, o.generation, o.version, o.created_at, o.updated_at, o.delete_at`

func orgFields(o *registry.Org) []any {
	return []any{&o.ID, &o.Slug, &o.Name, &o.Plan, &o.Status, &o.Reason, &o.Generation, &o.Version, (*micros)(&o.CreatedAt), (*micros)(&o.UpdatedAt), (*micros)(&o.DeleteAt)}
}

const instanceColumns = `i.org_id, i.generation, i.desired, i.state, i.detail, i.address, i.provider, i.failures, i.steps, i.changed_at`

func instanceFields(i *registry.Instance) []any {
	return []any{&i.OrgID, &i.Generation, &i.Desired, &i.State, &i.Detail, &i.Address, &i.Provider, &i.Failures, (*steps)(&i.Steps), (*micros)(&i.ChangedAt)}
}

type steps []registry.Step

// Scan implements sql.Scanner.
func (s *steps) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("steps stored as %T", v)
	}
	return json.Unmarshal([]byte(text), s)
}

const viewColumns = orgColumns + `, ` + instanceColumns

// viewQuery selects the orgs that somebody may see, by viewArgs: $1 sees all, or
// $2 is a member; $3 is the one org that a key reaches, $4 its own role there.
const viewQuery = `SELECT CASE WHEN $4 = '' THEN COALESCE(m.role, '') ELSE $4 END, ` + viewColumns + `
	FROM orgs o JOIN instances i ON i.org_id = o.id
	LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = $2
	WHERE o.status <> 'deleted' AND ($1 OR m.role IS NOT NULL OR $4 <> '') AND ($3 = '' OR o.id = $3)`

func viewArgs(a registry.Actor, more ...any) []any {
	only, role := a.Only()
	return append([]any{a.SeesAll(), a.User, only, role}, more...)
}

// mineQuery selects the orgs of member $1, found by the membership: it costs nothing for orgs of others.
const mineQuery = `SELECT m.role, ` + viewColumns + `
	FROM memberships m JOIN orgs o ON o.id = m.org_id JOIN instances i ON i.org_id = o.id
	WHERE o.status <> 'deleted' AND m.user_id = $1`

func scanView(r scanner) (v registry.OrgView, err error) {
	err = r.Scan(slices.Concat([]any{&v.Role}, orgFields(&v.Org), instanceFields(&v.Instance))...)
	return v, err
}

func errNoOrg() error {
	return registry.Errorf(registry.NotFound, "", "no such org, or you are not a member of it")
}

// CreateOrg makes an org with its instance wanted running. The owner may be
// empty. Errors: Invalid (slug, name), Conflict (slug taken or resting), NotFound (owner).
func (s *Store) CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error) {
	o := registry.Org{ID: registry.OrgID(registry.NewID()), Slug: n.Slug, Name: n.Name, Plan: n.Plan, Status: registry.OrgProvisioning, Generation: 1, Version: 1}
	if o.Name == "" {
		o.Name = n.Slug
	}
	if o.Plan == "" {
		o.Plan = "standard"
	}
	err := s.update(ctx, a, func(t *tx) error {
		if err := may(a, registry.OrgCreate); err != nil {
			return err
		}
		if err := registry.CheckSlug(o.Slug); err != nil {
			return err
		}
		var err error
		if o.Name, err = registry.CleanName(o.Name); err != nil {
			return err
		}
		if !registry.ValidSlug(o.Plan) {
			return registry.Errorf(registry.Invalid, "plan", "%q is not a plan: use lower-case letters, digits and hyphens", o.Plan)
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
		if err := t.record(registry.Change{Kind: registry.OrgCreated, OrgID: o.ID, Slug: o.Slug}, o.Slug, o.Name); err != nil {
			return err
		}
		if n.Owner == "" {
			return nil
		}
		u, err := t.userByID(n.Owner)
		if err != nil {
			return err
		}
		return t.addMember(o.ID, u, registry.RoleOwner)
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
		return registry.Errorf(registry.Conflict, "slug", "the address %q is taken, or was given up by another org less than %d days ago: choose another", slug, int(registry.Quarantine.Hours()/24))
	}
	return nil
}

// Org returns one org as the actor sees it. Error: NotFound.
func (s *Store) Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error) {
	return s.view(ctx, a, ` AND o.id = $5`, id)
}

// OrgBySlug is Org by current slug.
func (s *Store) OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error) {
	return s.view(ctx, a, ` AND o.id = (SELECT org_id FROM slugs WHERE slug = $5 AND rests_until IS NULL)`, slug)
}

func (s *Store) view(ctx context.Context, a registry.Actor, where string, arg any) (registry.OrgView, error) {
	if !a.Valid() {
		return registry.OrgView{}, errNobody()
	}
	v, err := one(ctx, s.read, scanView, errNoOrg(), viewQuery+where, viewArgs(a, arg)...)
	if err == nil && !registry.Allows(a, v.Role, registry.OrgRead) {
		return registry.OrgView{}, errNotAllowed(a)
	}
	return v, err
}

var orgOrders = map[string]order[registry.OrgView]{
	"name":       {"o.name COLLATE NOCASE", "o.id", func(v registry.OrgView) any { return v.Name }, orgKey},
	"slug":       {"o.slug", "o.id", func(v registry.OrgView) any { return v.Slug }, orgKey},
	"created_at": {"o.created_at", "o.id", func(v registry.OrgView) any { return us(v.CreatedAt) }, orgKey},
}

func orgKey(v registry.OrgView) string { return string(v.ID) }

// Orgs returns a page of the orgs that the actor sees.
func (s *Store) Orgs(ctx context.Context, a registry.Actor, l registry.OrgList) (registry.Page[registry.OrgView], error) {
	if !a.Valid() {
		return registry.Page[registry.OrgView]{}, errNobody()
	}
	q := new(query)
	if !a.Has(registry.ScopeOrgRead) {
		return registry.Page[registry.OrgView]{}, errNotAllowed(a)
	}
	switch only, role := a.Only(); {
	case role != "":
		q.args = viewArgs(a)
		q.add(viewQuery)
	case a.SeesAll() && !l.Mine:
		q.add(`SELECT COALESCE(m.role, ''), `+viewColumns+`
			FROM orgs o JOIN instances i ON i.org_id = o.id
			LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = ? WHERE o.status <> 'deleted'`, a.User)
	default:
		q.add(strings.Replace(mineQuery, "$1", "?", 1), a.User)
		if only != "" {
			q.add(` AND o.id = ?`, only)
		}
	}
	if l.Status != "" {
		q.add(` AND o.status = ?`, l.Status)
	}
	if l.State != "" {
		q.add(` AND i.state = ?`, l.State)
	}
	if l.Plan != "" {
		q.add(` AND o.plan = ?`, l.Plan)
	}
	q.search(l.List, "o.name", "o.slug")
	return page(ctx, s.read, q, l.List, orgOrders, "name", scanView)
}

// MyOrgs returns all orgs that the user is a member of, by name; a platform admin's are not all orgs here.
func (s *Store) MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error) {
	if !a.Valid() {
		return nil, errNobody()
	}
	return collect(ctx, s.read, scanView, mineQuery+` ORDER BY o.name COLLATE NOCASE, o.id`, a.User)
}

// Authorize returns the org when the actor may do action in it. Errors: NotFound
// when it may not see the org, Forbidden when it may.
func (s *Store) Authorize(ctx context.Context, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	return allowed(ctx, s.read, a, id, action)
}

func (t *tx) allowed(id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	return allowed(t.ctx, t, t.actor, id, action)
}

func allowed(ctx context.Context, q querier, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	if !a.Valid() {
		return registry.OrgView{}, errNobody()
	}
	v, err := one(ctx, q, scanView, errNoOrg(), viewQuery+` AND o.id = $5`, viewArgs(a, id)...)
	if err != nil {
		return v, err
	}
	if !registry.Allows(a, v.Role, action) {
		return v, errNotAllowed(a)
	}
	return v, nil
}

func errNotAllowed(a registry.Actor) error {
	if a.Key() != "" {
		return registry.Errorf(registry.Forbidden, "", "this key does not allow that: its scopes or its role are too narrow")
	}
	return registry.Errorf(registry.Forbidden, "", "your role in this org does not allow that: ask an owner")
}

// UpdateOrg changes an org's display name. version must be current (0 = any). Error: Stale.
func (s *Store) UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error {
	return s.edit(ctx, a, id, version, registry.OrgUpdate, func(t *tx, v registry.OrgView) error {
		name, err := registry.CleanName(name)
		if err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET name = $2 WHERE id = $1`, id, name); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.OrgUpdated, OrgID: id, Slug: v.Slug}, v.Slug, v.Name+" -> "+name)
	})
}

// RenameOrg gives an org another slug. The old one leads to the new one for
// RenameRedirect, then rests for Quarantine; the org itself may take it back at any time.
func (s *Store) RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error {
	return s.edit(ctx, a, id, version, registry.OrgRename, func(t *tx, v registry.OrgView) error {
		if err := registry.CheckSlug(slug); err != nil {
			return err
		}
		if slug == v.Slug {
			return registry.Errorf(registry.Invalid, "slug", "the org already has the address %q", slug)
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
		if err := t.must(`UPDATE orgs SET slug = $2 WHERE id = $1`, id, slug); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.OrgRenamed, OrgID: id, Slug: slug, OldSlug: v.Slug}, v.Slug, v.Slug+" -> "+slug)
	})
}

func errDeleting() error {
	return registry.Errorf(registry.Conflict, "status", "the org is being deleted: keep it first, while there is time")
}

// SuspendOrg closes an org and stops its instance; data stays.
func (s *Store) SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error {
	return s.edit(ctx, a, id, version, registry.OrgSuspend, func(t *tx, v registry.OrgView) error {
		reason = strings.TrimSpace(reason)
		if len(reason) > 500 {
			return registry.Errorf(registry.Invalid, "reason", "use at most 500 characters")
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
		return t.record(registry.Change{Kind: registry.OrgSuspendedNow, OrgID: id, Slug: v.Slug}, v.Slug, reason)
	})
}

// ResumeOrg opens a suspended org and starts a new generation of its instance.
func (s *Store) ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error {
	return s.edit(ctx, a, id, version, registry.OrgResume, func(t *tx, v registry.OrgView) error {
		if v.Status == registry.OrgDeleting {
			return errDeleting()
		}
		if err := t.setStatus(v, registry.OrgProvisioning, ""); err != nil {
			return err
		}
		if err := t.nextGeneration(id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.OrgResumed, OrgID: id, Slug: v.Slug}, v.Slug, "")
	})
}

// DeleteOrg closes an org and stops its instance. Until registry.DeleteUndo has
// passed KeepOrg undoes it; then, or with now at once, its instance is removed and
// its slug rests. confirm must be the slug. Data stays until it is purged.
func (s *Store) DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, confirm string, now bool) error {
	return s.edit(ctx, a, id, version, registry.OrgDelete, func(t *tx, v registry.OrgView) error {
		if confirm != v.Slug {
			return registry.Errorf(registry.Invalid, "confirm", "type the org's address, %q, to delete it", v.Slug)
		}
		was, end := v.Status, t.now.Add(registry.DeleteUndo)
		if was == registry.OrgDeleting && now { // deleting it again without the wait
			if !v.DeleteAt.After(t.now) {
				return v.Status.To(registry.OrgDeleting)
			}
		} else if err := t.setStatus(v, registry.OrgDeleting, v.Reason); err != nil {
			return err
		}
		desired, detail := registry.DesiredStopped, "until "+end.UTC().Format(time.RFC3339)
		if now {
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
		return t.record(registry.Change{Kind: registry.OrgDeletion, OrgID: id, Slug: v.Slug}, v.Slug, detail)
	})
}

// KeepOrg undoes DeleteOrg while its time has not passed: the org is what it was before. Error: Conflict.
func (s *Store) KeepOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error {
	return s.edit(ctx, a, id, version, registry.OrgDelete, func(t *tx, v registry.OrgView) error {
		if v.Status != registry.OrgDeleting {
			return registry.Errorf(registry.Conflict, "status", "the org is %s, not being deleted", v.Status)
		}
		if !v.DeleteAt.After(t.now) {
			return registry.Errorf(registry.Conflict, "status", "it is too late: the org is being removed")
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
		return t.record(registry.Change{Kind: registry.OrgKept, OrgID: id, Slug: v.Slug}, v.Slug, "")
	})
}

// FinishDeletions wants the instances of orgs absent whose time to be kept has passed. For the system.
func (s *Store) FinishDeletions(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	return s.update(ctx, a, func(t *tx) error {
		due, err := collect(t.ctx, t, scanView, viewQuery+` AND o.delete_at > 0 AND o.delete_at <= $5 AND o.status = 'deleting' AND i.desired = 'stopped'`, viewArgs(t.actor, us(t.now))...)
		if err != nil {
			return err
		}
		for _, v := range due {
			if err := t.want(v.ID, registry.DesiredAbsent); err != nil {
				return err
			}
			if err := t.record(registry.Change{Kind: registry.OrgDeletion, OrgID: v.ID, Slug: v.Slug}, v.Slug, "its time to be kept has passed"); err != nil {
				return err
			}
		}
		return nil
	})
}

// edit runs f when the actor may do action and version is current (0 = any), and counts the version up.
func (s *Store) edit(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, action registry.Action, f func(*tx, registry.OrgView) error) error {
	return s.update(ctx, a, func(t *tx) error {
		v, err := t.allowed(id, action)
		if err != nil {
			return err
		}
		if version != 0 && version != v.Version {
			return registry.Errorf(registry.Stale, "version", "somebody changed the org meanwhile: load it again and repeat your change")
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
	return t.must(`UPDATE instances SET generation = generation + 1, desired = $2, state = $3, detail = '', failures = 0, steps = '[]', changed_at = $4 WHERE org_id = $1`,
		id, registry.DesiredRunning, registry.InstancePending, us(t.now))
}

// RestartInstance replaces an org's instance by a new generation. Conflict unless the org is provisioning or active.
func (s *Store) RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error {
	return s.edit(ctx, a, id, version, registry.InstanceReboot, func(t *tx, v registry.OrgView) error {
		if v.Status != registry.OrgActive && v.Status != registry.OrgProvisioning {
			return registry.Errorf(registry.Conflict, "status", "the org is %s: only a running org's instance can be restarted", v.Status)
		}
		if err := t.nextGeneration(id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.InstanceChanged, OrgID: id, Slug: v.Slug}, v.Slug, "restart")
	})
}
