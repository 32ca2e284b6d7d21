package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const linkQuery = `SELECT l.id, l.kind, l.org_id, COALESCE(o.name, ''), COALESCE(o.slug, ''), l.role, l.email, l.user_id, l.mailed, l.created_by, l.created_at, l.expires_at
	FROM links l LEFT JOIN orgs o ON o.id = l.org_id WHERE l.used_at IS NULL AND l.expires_at > $1`

func scanLink(r scanner) (l registry.Link, err error) {
	err = r.Scan(&l.ID, &l.Kind, &l.OrgID, &l.OrgName, &l.OrgSlug, &l.Role, &l.Email, &l.UserID, &l.Mailed, &l.CreatedBy, (*micros)(&l.CreatedAt), (*micros)(&l.ExpiresAt))
	return l, err
}

func errNoLink() error {
	return registry.Errorf(registry.CodeGone, "", "this link was used, has expired, or was taken back: ask for a new one")
}

// Link returns a usable link by the hash of its secret, which is what allows a
// visitor to see it. Error: CodeGone.
func (s *Store) Link(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.Link, error) {
	if !a.Valid() {
		return registry.Link{}, errNobody()
	}
	return one(ctx, s.read, scanLink, errNoLink(), linkQuery+` AND l.hash = $2`, us(s.now()), secret[:])
}

// Invites returns an org's open invitations, oldest first.
func (s *Store) Invites(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Link, error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionMemberInvite); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanLink, linkQuery+` AND l.org_id = $2 AND l.kind = 'invite' ORDER BY l.created_at`, us(s.now()), org)
}

// CreateInvite invites an e-mail address into an org; an earlier open invitation of the address is
// replaced. From outside an org that has an owner it waits for one: see RequestApproval.
func (s *Store) CreateInvite(ctx context.Context, a registry.Actor, org registry.OrgID, email string, role registry.Role, secret registry.Hash) (l registry.Link, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionMemberInvite)
		if err != nil {
			return err
		}
		l, err = t.invite(v, email, role, secret)
		return err
	})
	return l, err
}

func (t *tx) invite(v registry.OrgView, email string, role registry.Role, secret registry.Hash) (registry.Link, error) {
	l := registry.Link{ID: registry.NewID(), Kind: registry.LinkInvite, OrgID: v.ID, Role: role, CreatedBy: inviter(t.actor)}
	var err error
	if l.Email, err = t.invitable(v, email, role); err != nil {
		return l, err
	}
	if err := t.inside(v.ID, least(role)); err != nil {
		return l, err
	}
	l.OrgName, l.OrgSlug, l.CreatedAt, l.ExpiresAt = v.Name, v.Slug, t.now, t.now.Add(registry.InviteLinkLife)
	if _, err := t.exec(`DELETE FROM links WHERE kind = 'invite' AND org_id = $1 AND email = $2 AND used_at IS NULL`, v.ID, l.Email); err != nil {
		return l, err
	}
	if err := t.room(v.ID, registry.LimitMembers, countMembers, countInvites); err != nil {
		return l, err
	}
	if err := t.insertLink(l, secret); err != nil {
		return l, err
	}
	return l, t.record(registry.Change{Kind: registry.ChangeInviteCreated, OrgID: v.ID}, l.Email, string(role))
}

// invitable checks an invitation, and returns the clean address.
func (t *tx) invitable(v registry.OrgView, email string, role registry.Role) (string, error) {
	if err := registry.CheckRole(role); err != nil {
		return "", err
	}
	if role == registry.RoleOwner {
		if err := t.mayOwn(v); err != nil {
			return "", err
		}
	}
	email, err := registry.CleanEmail(email)
	if err != nil {
		return "", err
	}
	var member bool
	if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = $1 AND u.email = $2)`, v.ID, email).Scan(&member); err != nil {
		return "", err
	}
	if member {
		return "", registry.Errorf(registry.CodeConflict, "email", "%s is a member already", email).Because(registry.ReasonAlreadyMember)
	}
	return email, t.noBackDoor(t.actor, v, email)
}

// least is the role that it takes to give a role.
func least(role registry.Role) registry.Role {
	if role == registry.RoleOwner {
		return registry.RoleOwner
	}
	return registry.RoleAdmin
}

// noBackDoor keeps platform admins from inviting each other, or themselves, into an org that has owners: they ask those.
func (t *tx) noBackDoor(a registry.Actor, v registry.OrgView, email string) error {
	if !a.IsUser() || v.Role != "" {
		return nil
	}
	var admin bool
	if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM users WHERE email = $1 AND platform_admin = {true}) AND EXISTS (SELECT 1 FROM memberships WHERE org_id = $2 AND role = 'owner')`, email, v.ID).Scan(&admin); err != nil || !admin {
		return err
	}
	return registry.Errorf(registry.CodeForbidden, "email", "%s is a platform admin: to help an org's people, ask its owners for support access", email)
}

// RevokeInvite takes an open invitation back.
func (s *Store) RevokeInvite(ctx context.Context, a registry.Actor, org registry.OrgID, id string) error {
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.allowed(org, registry.ActionMemberInvite); err != nil {
			return err
		}
		l, err := one(t.ctx, t, scanLink, registry.Errorf(registry.CodeNotFound, "", "no such invitation"), linkQuery+` AND l.org_id = $2 AND l.id = $3`, us(t.now), org, id)
		if err != nil {
			return err
		}
		return t.removeInvite(l)
	})
}

func (t *tx) removeInvite(l registry.Link) error {
	if err := t.must(`DELETE FROM links WHERE id = $1`, l.ID); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeInviteRevoked, OrgID: l.OrgID}, l.Email, "")
}

func (t *tx) insertLink(l registry.Link, secret registry.Hash) error {
	return t.must(`INSERT INTO links (hash, id, kind, org_id, role, email, user_id, created_by, created_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)`,
		secret[:], l.ID, l.Kind, l.OrgID, l.Role, l.Email, l.UserID, l.CreatedBy, us(l.CreatedAt), us(l.ExpiresAt))
}

// useLink uses a link up. The caller's transaction fails as a whole, so a
// refused acceptance leaves the link usable.
func (t *tx) useLink(secret registry.Hash, kind registry.LinkKind) (registry.Link, error) {
	l, err := one(t.ctx, t, scanLink, errNoLink(), linkQuery+` AND l.hash = $2 AND l.kind = $3`, us(t.now), secret[:], kind)
	if err != nil {
		return l, err
	}
	return l, t.must(`UPDATE links SET used_at = $2 WHERE hash = $1`, secret[:], us(t.now))
}

// DeclineInvite uses an invitation up for nothing. Whoever has the link may. Error: CodeGone.
func (s *Store) DeclineInvite(ctx context.Context, a registry.Actor, secret registry.Hash) error {
	return s.recording(ctx, a, func(t *tx) error {
		l, err := t.useLink(secret, registry.LinkInvite)
		if err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeInviteRevoked, OrgID: l.OrgID}, l.Email, "declined")
	})
}

// AcceptInvite makes the actor a member. The actor's e-mail address must be the
// invitation's; who invited must still be allowed to. Errors: CodeGone, CodeForbidden, CodeConflict.
func (s *Store) AcceptInvite(ctx context.Context, a registry.Actor, secret registry.Hash) (l registry.Link, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := own(a, a.User, registry.ActionAccountManage, t.now); err != nil {
			return err
		}
		u, err := t.userByID(a.User)
		if err != nil {
			return err
		}
		l, err = t.acceptInvite(secret, u)
		return err
	})
	return l, err
}

// AcceptInviteAsNew makes an account with the invitation's e-mail address and
// makes it a member. For a visitor with the link. Errors: CodeGone, CodeForbidden,
// CodeConflict (the address has an account: sign in first), CodeInvalid.
func (s *Store) AcceptInviteAsNew(ctx context.Context, a registry.Actor, secret registry.Hash, name string, hash registry.PasswordHash) (u registry.User, l registry.Link, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if l, err = one(t.ctx, t, scanLink, errNoLink(), linkQuery+` AND l.hash = $2 AND l.kind = 'invite'`, us(t.now), secret[:]); err != nil {
			return err
		}
		u, err = t.createUser(registry.NewUser{
			Email: l.Email, Name: name, PasswordHash: hash, MadeByOrg: l.OrgID,
		})
		if err != nil {
			if registry.ErrorCode(err) == registry.CodeConflict {
				err = orElse(t.ofUnverified(l.Email), err)
			}
			return err
		}
		t.actor = registry.AsUser(u, "", t.actor.Address()) // from here on it is somebody
		_, err = t.acceptInvite(secret, u)
		return err
	})
	return u, l, err
}

func (t *tx) acceptInvite(secret registry.Hash, u registry.User) (registry.Link, error) {
	l, err := t.useLink(secret, registry.LinkInvite)
	if err != nil {
		return l, err
	}
	if l.Email != u.Email {
		return l, registry.Errorf(registry.CodeForbidden, "email", "this invitation is for another address than %s: sign in with the address that was invited", u.Email)
	}
	if err := t.stillMayInvite(l); err != nil {
		return l, err
	}
	if l.Mailed {
		if err := t.verified(u); err != nil {
			return l, err
		}
		u.EmailVerified = true
	}
	if err := t.room(l.OrgID, registry.LimitMembers, countMembers); err != nil {
		return l, err
	}
	l.Role, l.WantedRole = granted(u, t.now, l.Role)
	return l, t.addMember(l.OrgID, u, l.Role, l.WantedRole)
}

// stillMayInvite checks the inviter's role again at acceptance: a demoted admin's old links give nothing.
func (t *tx) stillMayInvite(l registry.Link) error {
	if l.CreatedBy == "" {
		return nil
	}
	var as registry.Actor
	if u, err := t.userByID(l.CreatedBy); err == nil {
		as = registry.AsUser(u, "", "")
	} else {
		k, err := t.apiKey(registry.APIKeyID(l.CreatedBy))
		if err != nil {
			return errNoLink()
		}
		as = registry.AsKey(k, registry.User{}, "")
	}
	v, err := seen(t.ctx, t, as, l.OrgID)
	if err == nil { // whatever the org asks of a sign-in: nobody signs in here
		err = permit(as, v, registry.ActionMemberInvite, t.now)
	}
	if err != nil || l.Role == registry.RoleOwner && !registry.Allows(as, v.Role, registry.ActionOwnerManage) {
		return errNoLink()
	}
	return nil
}

// inviter is who answers for an invitation: a person, an org's key, or "" for the operator.
func inviter(a registry.Actor) registry.UserID {
	if a.User == "" {
		return registry.UserID(a.Key())
	}
	return a.User
}

// CreateSetupLink makes a set-up link. Those of earlier starts, and of other nodes, hold until they
// expire or one of them is used. For the system.
func (s *Store) CreateSetupLink(ctx context.Context, a registry.Actor, secret registry.Hash) (time.Time, error) {
	if err := only(a); err != nil {
		return time.Time{}, err
	}
	var end time.Time
	err := s.recording(ctx, a, func(t *tx) error {
		end = t.now.Add(registry.SetupLinkLife)
		return t.insertLink(registry.Link{ID: registry.NewID(), Kind: registry.LinkSetup, CreatedAt: t.now, ExpiresAt: end}, secret)
	})
	return end, err
}

// RedeemSetup makes the first platform admin. For a visitor with the link. Errors: CodeGone, CodeInvalid.
func (s *Store) RedeemSetup(ctx context.Context, a registry.Actor, secret registry.Hash, n registry.NewUser) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if _, err := t.useLink(secret, registry.LinkSetup); err != nil {
			return err
		}
		var done bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM users WHERE platform_admin = {true})`).Scan(&done); err != nil {
			return err
		}
		if done {
			return errNoLink()
		}
		if _, err := t.exec(allRows + `DELETE FROM links WHERE kind = 'setup'`); err != nil {
			return err
		}
		n.PlatformAdmin = true
		u, err = t.createUser(n)
		return err
	})
	return u, err
}
