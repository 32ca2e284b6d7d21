package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func scanMember(r scanner) (m registry.Member, err error) {
	err = r.Scan(&m.OrgID, &m.UserID, &m.Role, (*micros)(&m.CreatedAt), (*micros)(&m.EndsAt), &m.WantedRole,
		&m.Email, &m.Name, &m.Disabled, (*micros)(&m.AccountSince), &m.MadeBy)
	return m, err
}

const memberQuery = `SELECT m.org_id, m.user_id, m.role, m.created_at, m.ends_at, m.wanted_role, u.email, u.name, u.disabled_at > 0,
	CASE WHEN m.wanted_role = '' THEN 0 ELSE u.created_at END, COALESCE(made.name, '')
	FROM memberships m JOIN users u ON u.id = m.user_id
	LEFT JOIN orgs made ON made.id = u.made_by_org AND m.wanted_role <> '' WHERE m.org_id = $1`

var memberOrders = map[string]order[registry.Member]{
	"email":      {"u.email", "m.user_id", func(m registry.Member) any { return m.Email }, memberKey},
	"name":       {"{fold u.name}", "m.user_id", func(m registry.Member) any { return folded(m.Name) }, memberKey},
	"created_at": {"m.created_at", "m.user_id", func(m registry.Member) any { return us(m.CreatedAt) }, memberKey},
}

func memberKey(m registry.Member) string { return string(m.UserID) }

// Members returns a page of an org's members. Sorts: email (usual), name, created_at.
func (s *Store) Members(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.List) (registry.Page[registry.Member], error) {
	v, err := s.Authorize(ctx, a, org, registry.ActionMemberRead)
	if err != nil {
		return registry.Page[registry.Member]{}, err
	}
	q := new(query)
	q.add(strings.Replace(memberQuery, "$1", "?", 1), org)
	q.search(l, "u.email", "u.name")
	p, err := page(ctx, s.read, q, l, memberOrders, "email", scanMember)
	for i := range p.Items {
		p.Items[i] = memberSeen(a, v.Role, p.Items[i])
	}
	return p, err
}

// MemberByEmail returns a member of an org by its clean e-mail address. Error: CodeNotFound.
func (s *Store) MemberByEmail(ctx context.Context, a registry.Actor, org registry.OrgID, email string) (registry.Member, error) {
	return s.readMember(ctx, a, org, ` AND u.email = $2`, email)
}

// Member returns a member of an org. Error: CodeNotFound.
func (s *Store) Member(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID) (registry.Member, error) {
	return s.readMember(ctx, a, org, ` AND m.user_id = $2`, id)
}

func (s *Store) readMember(ctx context.Context, a registry.Actor, org registry.OrgID, where string,
	arg any) (registry.Member, error) {
	v, err := s.Authorize(ctx, a, org, registry.ActionMemberRead)
	if err != nil {
		return registry.Member{}, err
	}
	m, err := one(ctx, s.read, scanMember, errNoMember(), memberQuery+where, org, arg)
	return memberSeen(a, v.Role, m), err
}

// memberSeen leaves out where an account comes from, except for those who decide what it may.
func memberSeen(a registry.Actor, role registry.Role, m registry.Member) registry.Member {
	if !registry.Allows(a, role, registry.ActionMemberInvite) {
		m.AccountSince, m.MadeBy = time.Time{}, ""
	}
	return m
}

// Owners returns all owners of an org. For the system.
func (s *Store) Owners(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanMember, memberQuery+` AND m.role = 'owner' ORDER BY m.user_id`, org)
}

func errNoMember() error { return registry.Errorf(registry.CodeNotFound, "", "no such member") }

func (t *tx) member(org registry.OrgID, id registry.UserID) (registry.Member, error) {
	return one(t.ctx, t, scanMember, errNoMember(), memberQuery+` AND m.user_id = $2`, org, id)
}

// addMember makes an account a member with a role, and with another one that waits until its address
// is verified; see granted.
func (t *tx) addMember(org registry.OrgID, u registry.User, role, waiting registry.Role) error {
	n, err := t.exec(`INSERT INTO memberships (org_id, user_id, role, wanted_role, created_at)
		VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING`, org, u.ID, role, waiting, us(t.now))
	if err != nil {
		return err
	}
	if n == 0 {
		return registry.Errorf(registry.CodeConflict, "email", "%s is a member already", u.Email).Because(registry.ReasonAlreadyMember)
	}
	return t.record(registry.Change{Kind: registry.ChangeMemberAdded, OrgID: org, UserID: u.ID}, u.Email, roleDetail(role, waiting))
}

// SetRole changes a member's role. Only owners (and platform admins) make or unmake owners; the
// last owner stays one. From outside an org that has an owner it waits for one: see
// RequestApproval.
func (s *Store) SetRole(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, role registry.Role) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionMemberChange)
		if err != nil {
			return err
		}
		m, err := t.changeable(v, id, role)
		if err != nil || m.Role == role && m.WantedRole == "" {
			return err
		}
		needed := least(role)
		if m.Role == registry.RoleOwner {
			needed = registry.RoleOwner
		}
		if err := t.inside(org, needed); err != nil {
			return err
		}
		return t.setRole(m, role)
	})
}

// changeable returns a member whose role the actor may change to another.
func (t *tx) changeable(v registry.OrgView, id registry.UserID, role registry.Role) (registry.Member, error) {
	if err := registry.CheckRole(role); err != nil {
		return registry.Member{}, err
	}
	m, err := t.member(v.ID, id)
	if err != nil || m.Role == role && m.WantedRole == "" {
		return m, err
	}
	if !m.EndsAt.IsZero() {
		return m, registry.Errorf(registry.CodeConflict, "role", "%s is here for support: end that instead", m.Email)
	}
	if m.Role == registry.RoleOwner || role == registry.RoleOwner {
		if err := t.mayOwn(v); err != nil {
			return m, err
		}
	}
	return m, t.mayRaise(m, role)
}

func (t *tx) setRole(m registry.Member, role registry.Role) error {
	if err := t.must(`UPDATE memberships SET role = $3, wanted_role = '' WHERE org_id = $1 AND user_id = $2`, m.OrgID, m.UserID, role); err != nil {
		return err
	}
	if m.Role == registry.RoleOwner {
		if err := t.keepOwner(m.OrgID); err != nil {
			return err
		}
	}
	return t.record(registry.Change{Kind: registry.ChangeMemberChanged, OrgID: m.OrgID, UserID: m.UserID}, m.Email, roleDetail(m.Role, m.WantedRole)+" -> "+string(role))
}

// TransferOrg makes another member an owner in the place of the actor, who becomes an admin. For owners in person. Errors: CodeForbidden, CodeNotFound, CodeConflict.
func (s *Store) TransferOrg(ctx context.Context, a registry.Actor, org registry.OrgID, to registry.UserID) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionOrgTransfer)
		if err != nil {
			return err
		}
		m, err := t.member(org, to)
		switch {
		case err != nil:
			return err
		case to == a.User:
			return registry.Errorf(registry.CodeConflict, "user", "the org is yours already")
		case !m.EndsAt.IsZero():
			return registry.Errorf(registry.CodeConflict, "user", "%s is here for support", m.Email)
		}
		if err := t.mayRaise(m, registry.RoleOwner); err != nil {
			return err
		}
		for _, c := range []struct {
			id       registry.UserID
			email    string
			was, now registry.Role
		}{{to, m.Email, m.Role, registry.RoleOwner}, {a.User, a.Name(), v.Role, registry.RoleAdmin}} {
			if c.was == c.now {
				continue
			}
			if err := t.must(`UPDATE memberships SET role = $3, wanted_role = '' WHERE org_id = $1 AND user_id = $2`, org, c.id, c.now); err != nil {
				return err
			}
			if err := t.record(registry.Change{Kind: registry.ChangeMemberChanged, OrgID: org, UserID: c.id}, c.email, string(c.was)+" -> "+string(c.now)+", the org was handed over"); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveMember ends a membership. Everybody may leave; the last owner may not. It
// returns the runners that the person enrolled: they work on, unless they are revoked too.
func (s *Store) RemoveMember(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, r registry.MemberRemoval) (left []registry.Runner, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		action := registry.ActionMemberRemove
		if a.InPerson() && a.User == id {
			action = registry.ActionOrgRead
		}
		v, err := t.allowed(org, action)
		if err != nil {
			return err
		}
		m, err := t.member(org, id)
		if err != nil {
			return err
		}
		if m.Role == registry.RoleOwner && action != registry.ActionOrgRead {
			if err := t.mayOwn(v); err != nil {
				return err
			}
		}
		if m.Role == registry.RoleOwner {
			if err := t.lasting(org, registry.RoleOwner, "remove an owner"); err != nil {
				return err
			}
		}
		if r.RevokeRunners && !a.InPerson() { // a key needs the scope for that, too
			if _, err := t.allowed(org, registry.ActionRunnerManage); err != nil {
				return err
			}
		}
		if !m.EndsAt.IsZero() {
			p, err := t.supportOf(org, id)
			if err != nil {
				return err
			}
			return t.endSupport(p, "")
		}
		left, err = t.endMembership(m, org, r.RevokeRunners)
		return err
	})
	return left, err
}

// endMembership removes a member who is not there for support.
func (t *tx) endMembership(
	m registry.Member, org registry.OrgID, revokeRunners bool,
) (left []registry.Runner, err error) {
	id := m.UserID
	if err := t.must(`DELETE FROM memberships WHERE org_id = $1 AND user_id = $2`, org, id); err != nil {
		return nil, err
	}
	if m.Role == registry.RoleOwner {
		if err := t.keepOwner(org); err != nil {
			return nil, err
		}
	}
	if err := t.endApprovalsAbout(id, org); err != nil {
		return nil, err
	}
	if left, err = t.enrolled(org, id); err != nil {
		return nil, err
	}
	for _, runner := range left {
		if !revokeRunners {
			break
		}
		if err := t.revokeRunner(runner); err != nil {
			return nil, err
		}
	}
	return left, t.record(registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: org, UserID: id}, m.Email, "")
}

// keepOwner fails the transaction when the org has no owner left who can act. Writers are
// serial, so two owners who remove each other cannot both succeed.
func (t *tx) keepOwner(org registry.OrgID) error {
	var n int
	if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id
		WHERE m.org_id = $1 AND m.role = 'owner' AND m.held_at = 0 AND u.disabled_at = 0`, org).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return registry.Errorf(registry.CodeConflict, "role", "an org needs an owner: make somebody else an owner first").Because(registry.ReasonLastOwner)
	}
	return nil
}

// mayOwn decides on who is an owner of an org.
func (t *tx) mayOwn(v registry.OrgView) error {
	err := permit(t.actor, v, registry.ActionOwnerManage, t.now)
	if registry.ErrorCode(err) == registry.CodeForbidden {
		return errOwnersOnly()
	}
	return err
}

func errOwnersOnly() error {
	return registry.Errorf(registry.CodeForbidden, "role", "only an owner may make, change or remove an owner")
}
