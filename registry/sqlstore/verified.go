package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Anybody who may invite can make an account for somebody else's address, and wait until another org
// trusts that address. So an account gets no role above member by an address that nobody verified,
// unless the account and the membership were made together.

// granted splits a role into the one that an account gets now, in an org that it belongs to since
// then, and the one that waits until its address is verified.
func granted(u registry.User, since time.Time, role registry.Role) (now, waiting registry.Role) {
	if role.AtLeast(registry.RoleAdmin) && !u.EmailVerified && u.CreatedAt.Before(since) {
		return registry.RoleMember, role
	}
	return role, ""
}

// hijackable reports whether an org made the account, and nobody knows yet whose it is.
func hijackable(u registry.User) bool { return !u.EmailVerified && u.MadeByOrg != "" }

func errUnverified(u registry.User, field string) error {
	return registry.Errorf(registry.CodeConflict, field, "nobody has verified the address %s, and the "+
		"account is older than this: somebody else may have made it. A platform admin can mark the "+
		"address as verified", u.Email)
}

// ofUnverified is the error for somebody who would make an account that somebody else may have made
// already; nil for another reason.
func (t *tx) ofUnverified(email string) error {
	u, err := one(t.ctx, t, scanUser, errNoUser(),
		`SELECT `+userColumns+` FROM users u WHERE u.email = $1`, email)
	if err != nil || u.EmailVerified {
		return nil
	}
	return registry.Errorf(registry.CodeConflict, "email", "%s has an account already, which is older, "+
		"and nobody has verified its address. If it is not yours, ask a platform admin for a link "+
		"for a new password: it ends what somebody else left there. Then sign in and accept", email).Because(registry.ReasonEmailTaken)
}

// mayRaise refuses a higher role for a member whose address nobody verified. Error: CodeConflict.
func (t *tx) mayRaise(m registry.Member, role registry.Role) error {
	if !role.AtLeast(m.Role) {
		return nil
	}
	u, err := t.userByID(m.UserID)
	if err != nil {
		return err
	}
	if _, waiting := granted(u, m.CreatedAt, role); waiting != "" {
		return errUnverified(u, "role")
	}
	return nil
}

func roleDetail(role, waiting registry.Role) string {
	if waiting == "" {
		return string(role)
	}
	return string(role) + ", " + string(waiting) + " once the address is verified"
}

// VerifyUser marks the address of an account as its holder's, and gives it the roles that waited
// for that. For platform admins; no key does. Errors: CodeForbidden, CodeNotFound.
func (s *Store) VerifyUser(ctx context.Context, a registry.Actor, id registry.UserID) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionUserUpdate); err != nil {
			return err
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		return t.verified(u)
	})
}

// verified notes that an account's address is its holder's.
func (t *tx) verified(u registry.User) error {
	if u.EmailVerified {
		return nil
	}
	if err := t.must(`UPDATE users SET email_verified = {true} WHERE id = $1`, u.ID); err != nil {
		return err
	}
	c := registry.Change{Kind: registry.ChangeUserVerified, UserID: u.ID}
	if err := t.record(c, u.Email, ""); err != nil {
		return err
	}
	list, err := collect(t.ctx, t, func(r scanner) (m registry.Membership, err error) {
		err = r.Scan(&m.OrgID, &m.Role, &m.WantedRole)
		return m, err
	}, `SELECT org_id, role, wanted_role FROM memberships WHERE user_id = $1 AND wanted_role <> ''`,
		u.ID)
	if err != nil {
		return err
	}
	for _, m := range list {
		err := t.must(`UPDATE memberships SET role = wanted_role, wanted_role = ''
			WHERE org_id = $1 AND user_id = $2`, m.OrgID, u.ID)
		if err != nil {
			return err
		}
		c := registry.Change{Kind: registry.ChangeMemberChanged, OrgID: m.OrgID, UserID: u.ID}
		detail := string(m.Role) + " -> " + string(m.WantedRole) + ", the address is verified"
		if err := t.record(c, u.Email, detail); err != nil {
			return err
		}
	}
	return nil
}
