package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

const orgColumns = `o.id, o.slug, o.name, o.plan, o.provider, o.status, o.reason, o.generation, o.version, o.created_at, o.updated_at, o.delete_at, o.sso_required, o.second_step_required, o.session_idle, o.session_lifetime,
	COALESCE((SELECT q.session_idle FROM plans q WHERE q.name = o.plan), 0),
	COALESCE((SELECT q.session_lifetime FROM plans q WHERE q.name = o.plan), 0), o.sign_in_version`

func orgFields(o *registry.Org) []any {
	return []any{&o.ID, &o.Slug, &o.Name, &o.Plan, &o.Provider, &o.Status, &o.Reason, &o.Generation, &o.Version, (*micros)(&o.CreatedAt), (*micros)(&o.UpdatedAt), (*micros)(&o.DeleteAt), &o.SSORequired, &o.SecondStepRequired, &o.Sessions.Idle, &o.Sessions.Absolute, &o.PlanSessions.Idle, &o.PlanSessions.Absolute, &o.SignInVersion}
}

const instanceColumns = `i.org_id, i.generation, i.desired, i.state, i.detail, i.address, i.provider, i.previous_provider, i.failures, i.steps, i.changed_at`

func instanceFields(i *registry.Instance) []any {
	return []any{&i.OrgID, &i.Generation, &i.Desired, &i.State, &i.Detail, &i.Address, &i.Provider, &i.Previous, &i.Failures, (*steps)(&i.Steps), (*micros)(&i.ChangedAt)}
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

const viewColumns = orgColumns + `, ` + instanceColumns + `, ` + heartbeatColumn

// viewQuery selects the orgs that somebody may see, by viewArgs: $1 sees all, or
// $2 is a member; $3 is the one org that a key reaches, $4 its own role there.
const viewQuery = `SELECT CASE WHEN $4 = '' THEN COALESCE(m.role, '') ELSE $4 END, COALESCE(m.wanted_role, ''), ` + viewColumns + `
	FROM orgs o JOIN instances i ON i.org_id = o.id
	LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = $2 AND m.held_at = 0
	WHERE o.status <> 'deleted' AND ($1 OR m.role IS NOT NULL OR $4 <> '') AND ($3 = '' OR o.id = $3)`

func viewArgs(a registry.Actor, more ...any) []any {
	only, role := a.Only()
	return append([]any{a.SeesAll(), a.User, only, role}, more...)
}

// mineQuery selects the orgs of member $1, found by the membership: it costs nothing for orgs of others.
const mineQuery = `SELECT m.role, m.wanted_role, ` + viewColumns + `
	FROM memberships m JOIN orgs o ON o.id = m.org_id JOIN instances i ON i.org_id = o.id
	WHERE o.status <> 'deleted' AND m.user_id = $1 AND m.held_at = 0`

// scanView reads an org as an actor sees it.
func scanView(a registry.Actor) func(scanner) (registry.OrgView, error) {
	return func(r scanner) (v registry.OrgView, err error) {
		err = r.Scan(slices.Concat([]any{&v.Role, &v.WantedRole}, orgFields(&v.Org), instanceFields(&v.Instance), []any{heartbeat{&v.Instance.Heartbeat}})...)
		if !a.SeesAll() {
			v.Instance = v.Instance.ForMembers()
		}
		return v, err
	}
}

func errNoOrg() error {
	return registry.Errorf(registry.CodeNotFound, "", "no such org, or you are not a member of it")
}

// Org returns one org as the actor sees it. Error: CodeNotFound.
func (s *Store) Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error) {
	return s.view(ctx, a, ` AND o.id = $5`, id)
}

const bySlug = ` AND o.id = (SELECT org_id FROM slugs WHERE slug = $5 AND rests_until IS NULL)`

// OrgBySlug is Org by current slug.
func (s *Store) OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error) {
	return s.view(ctx, a, bySlug, slug)
}

// OrgByFormerSlug is Org by a slug that the org gave up and that still rests. Error: CodeNotFound.
func (s *Store) OrgByFormerSlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error) {
	return s.view(ctx, a, ` AND o.id = (SELECT org_id FROM slugs WHERE slug = $5 AND rests_until > $6)`, slug, us(s.now()))
}

// OrgID resolves a current slug for whoever reaches the org, whatever they may do in it: a key
// finds by its slug what it finds by its ID. Error: CodeNotFound.
func (s *Store) OrgID(ctx context.Context, a registry.Actor, slug string) (registry.OrgID, error) {
	if !a.Valid() {
		return "", errNobody()
	}
	v, err := one(ctx, s.read, scanView(a), errNoOrg(), viewQuery+bySlug, viewArgs(a, slug)...)
	return v.ID, err
}

func (s *Store) view(ctx context.Context, a registry.Actor, where string, args ...any) (registry.OrgView, error) {
	if !a.Valid() {
		return registry.OrgView{}, errNobody()
	}
	v, err := one(ctx, s.read, scanView(a), errNoOrg(), viewQuery+where, viewArgs(a, args...)...)
	if err != nil {
		return v, err
	}
	m := s.moment()
	if err := permit(a, v, registry.ActionOrgRead, m.now); err != nil {
		return registry.OrgView{}, err
	}
	return v, lacks(a, v, m)
}

var orgOrders = map[string]order[registry.OrgView]{
	"name":       {"{fold o.name}", "o.id", func(v registry.OrgView) any { return folded(v.Name) }, orgKey},
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
	// Members of nothing see an empty list: what counts is whether a key may read.
	if err := permit(a, registry.OrgView{Role: registry.RoleMember}, registry.ActionOrgRead, s.now()); err != nil {
		return registry.Page[registry.OrgView]{}, err
	}
	switch only, role := a.Only(); {
	case role != "":
		q.args = viewArgs(a)
		q.add(viewQuery)
	case a.SeesAll() && !l.Mine:
		q.add(`SELECT COALESCE(m.role, ''), COALESCE(m.wanted_role, ''), `+viewColumns+`
			FROM orgs o JOIN instances i ON i.org_id = o.id
			LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = ? AND m.held_at = 0 WHERE o.status <> 'deleted'`, a.User)
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
		// Not by an index of states: the page is read in its order, and not sorted first.
		q.add(` AND {hide i.state} = ?`, l.State)
	}
	if l.Plan != "" {
		q.add(` AND {hide o.plan} = ?`, l.Plan)
	}
	if l.Among != nil {
		ids, err := json.Marshal(l.Among)
		if err != nil {
			return registry.Page[registry.OrgView]{}, err
		}
		// Not by the index of IDs, for the same reason.
		q.add(` AND {hide o.id} IN (SELECT j.value FROM {each ?} j)`, string(ids))
	}
	q.search(l.List, "o.name", "o.slug")
	return page(ctx, s.read, q, l.List, orgOrders, "name", scanView(a))
}

// MyOrgs returns all orgs that the user is a member of, by name; a platform admin's are not all orgs
// here. A key has those of them that it may read, and an org's own key has that org.
func (s *Store) MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error) {
	if !a.Valid() {
		return nil, errNobody()
	}
	if !a.Has(registry.ScopeOrgRead) {
		return []registry.OrgView{}, nil
	}
	only, role := a.Only()
	if role != "" {
		return collect(ctx, s.read, scanView(a), viewQuery, viewArgs(a)...)
	}
	return collect(ctx, s.read, scanView(a), mineQuery+` AND ($2 = '' OR o.id = $2) ORDER BY {fold o.name}, o.id`, a.User, only)
}

// lacks refuses a signed-in person whose sign-in is not what the org asks for. Platform admins manage it all the same.
func lacks(a registry.Actor, v registry.OrgView, m moment) error {
	if !a.InPerson() || a.Platform() {
		return nil
	}
	s := a.SignIn()
	s.Used = m.uses.last(a.Session, v.ID)
	if l := v.Lacks(v.Role, s, m.now); l != "" {
		return v.ErrLacks(l)
	}
	if !a.Watches() {
		m.uses.note(a.Session, v.Org, m.now)
	}
	return nil
}
