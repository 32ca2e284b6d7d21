package sqlstore

import (
	"context"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// SignInExternal returns the account of somebody whom a provider signed in: the one that is linked, else the one
// with the address that provider and account both know to be theirs, else a new one where the connection makes
// some or somebody invited the address. An org's connection lets in its verified domains alone, never a platform
// admin, and gives a membership with the role that its mapping says. linked says that it was linked now. For the system.
// Errors: CodeNotFound (connection), CodeForbidden, CodeConflict, CodeInvalid.
func (s *Store) SignInExternal(ctx context.Context, a registry.Actor, x registry.ExternalSignIn) (u registry.User, linked bool, err error) {
	if err := only(a); err != nil {
		return u, false, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		c, err := t.connection(x.Connection)
		if err != nil {
			return err
		}
		// An address with spaces around it is another one to a provider that let somebody have it.
		email, err := registry.CleanEmail(x.Email)
		if err != nil || len(email) != len(x.Email) {
			email = ""
		}
		x.Email = email
		if u, linked, err = t.linked(c, x); err != nil {
			return err
		}
		t.actor = registry.AsUser(u, "", x.Address)
		if !u.RecoveredAt.IsZero() {
			return registry.ErrReview()
		}
		if err := t.mayComeBy(c, u); err != nil {
			return err
		}
		if x.EmailVerified && x.Email == u.Email { // who has the account has the mailbox
			if err := t.verified(u); err != nil {
				return err
			}
			u.EmailVerified = true
		}
		var before registry.Undelivered
		if err := t.QueryRowContext(t.ctx, `SELECT undelivered FROM identities WHERE connection_id = $1 AND subject = $2`, c.ID, x.Subject).Scan(&before); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE identities SET last_used_at = $3, email = $4, undelivered = $5 WHERE connection_id = $1 AND subject = $2`, c.ID, x.Subject, us(t.now), x.Email, x.Undelivered); err != nil {
			return err
		}
		if c.OrgID == "" {
			return nil
		}
		return t.joinBy(c, u, x, before)
	})
	return u, linked, err
}

// linked finds the account of a subject, and links it the first time.
func (t *tx) linked(c registry.Connection, x registry.ExternalSignIn) (u registry.User, first bool, err error) {
	u, err = one(t.ctx, t, scanUser, errNoUser(), `SELECT `+userColumns+` FROM identities i JOIN users u ON u.id = i.user_id WHERE i.connection_id = $1 AND i.subject = $2`, c.ID, x.Subject)
	switch registry.ErrorCode(err) {
	case "":
		if err == nil && x.Account != "" && x.Account != u.ID {
			err = registry.Errorf(registry.CodeConflict, "", "somebody else here is linked to that account at %s", c.Name)
		}
		return u, false, err
	case registry.CodeNotFound:
	default:
		return u, false, err
	}
	if x.Account != "" {
		u, err = t.userByID(x.Account)
	} else {
		u, err = t.accountFor(c, x)
	}
	if err != nil {
		return u, false, err
	}
	n, err := t.exec(`INSERT INTO identities (connection_id, subject, user_id, email, created_at, last_used_at) VALUES ($1,$2,$3,$4,$5,$5) ON CONFLICT DO NOTHING`, c.ID, x.Subject, u.ID, x.Email, us(t.now))
	if err != nil {
		return u, false, err
	}
	if n == 0 {
		return u, false, registry.Errorf(registry.CodeConflict, "", "%s is linked to another account at %s: remove that link first, on the page of the account", u.Email, c.Name)
	}
	t.actor = registry.AsUser(u, "", x.Address)
	return u, true, t.record(registry.Change{Kind: registry.ChangeIdentityLinked, OrgID: c.OrgID, UserID: u.ID}, u.Email, c.Name)
}

// accountFor finds or makes the account of somebody who is not linked yet: by an address that both sides know to be theirs.
func (t *tx) accountFor(c registry.Connection, x registry.ExternalSignIn) (registry.User, error) {
	if x.Email == "" || !x.EmailVerified {
		return registry.User{}, registry.Errorf(registry.CodeForbidden, "email", "%s does not say that your e-mail address is verified, so nobody here can be found by it", c.Name)
	}
	if c.OrgID != "" {
		if own, err := t.owns(c.OrgID, x.Email); err != nil || !own {
			return registry.User{}, orElse(err, errNotOfDomain(x.Email))
		}
	}
	u, err := one(t.ctx, t, scanUser, errNoUser(), `SELECT `+userColumns+` FROM users u WHERE u.email = $1`, x.Email)
	if err == nil && !u.EmailVerified {
		// Whoever made the account may not be whose address it is.
		err = registry.Errorf(registry.CodeForbidden, "email", "%s has an account here whose address is not verified: sign in with its password, and verify the address or link it to %s on the page of the account", x.Email, c.Name)
	}
	if err == nil {
		err = t.mayFind(c, u)
	}
	if registry.ErrorCode(err) != registry.CodeNotFound {
		return u, err
	}
	if !c.SignUp {
		var invited bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM links WHERE kind = 'invite' AND email = $1 AND used_at IS NULL AND expires_at > $2)`, x.Email, us(t.now)).Scan(&invited); err != nil {
			return u, err
		}
		if !invited {
			return u, registry.Errorf(registry.CodeForbidden, "email", "nobody with the address %s has an account here: ask an admin of your org to invite you", x.Email)
		}
	}
	name := x.Name
	if _, err := registry.CleanName(name); err != nil {
		name, _, _ = strings.Cut(x.Email, "@")
	}
	n := registry.NewUser{Email: x.Email, Name: name, MadeByOrg: c.OrgID}
	if u, err = t.createUser(n); err != nil {
		return u, err
	}
	err = t.verified(u)
	u.EmailVerified = err == nil
	return u, err
}

// mayFind refuses to link an account by its address alone where that would let whoever set the
// provider up, and not the org itself, into an org that has an owner: a provider of the platform,
// or of another org whose domain no DNS record shows.
func (t *tx) mayFind(c registry.Connection, u registry.User) error {
	apart, err := t.apart(u.ID, c.OrgID)
	if err != nil || !apart {
		return err
	}
	var shown bool
	if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM domains WHERE domain = $1 AND org_id = $2 AND verified_by = 'dns')`,
		registry.DomainOf(u.Email), c.OrgID).Scan(&shown); err != nil || shown {
		return err
	}
	return registry.Errorf(registry.CodeForbidden, "email", "%s has an account here that is a member of an org: sign in as before, and link it to %s on the page of the account", u.Email, c.Name)
}

func errNotOfDomain(email string) error {
	return registry.Errorf(registry.CodeForbidden, "email", "%s lies in no verified domain of this org: ask one of its owners", email)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// mayComeBy bounds what an org's provider can do: it speaks for accounts of the org's own domains, and for no platform admin.
func (t *tx) mayComeBy(c registry.Connection, u registry.User) error {
	if c.OrgID == "" {
		return nil
	}
	var open bool
	if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM orgs WHERE id = $1 AND status IN ('active', 'provisioning'))`, c.OrgID).Scan(&open); err != nil {
		return err
	}
	if !open {
		return registry.Errorf(registry.CodeForbidden, "", "this org is closed")
	}
	if u.PlatformAdmin {
		return registry.Errorf(registry.CodeForbidden, "", "a platform admin does not sign in by an org's provider")
	}
	own, err := t.owns(c.OrgID, u.Email)
	if err == nil && !own {
		err = errNotOfDomain(u.Email)
	}
	return err
}

// joinBy makes who comes by an org's connection a member, with the role that its mapping
// says; an owner stays one. Where roles were not delivered nobody loses theirs, and the log says so once: before is why they were
// not the last time.
func (t *tx) joinBy(c registry.Connection, u registry.User, x registry.ExternalSignIn, before registry.Undelivered) error {
	m, err := t.member(c.OrgID, u.ID)
	if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
		return err
	}
	role := c.RoleOf(x.Values)
	switch {
	case err == nil && m.Role == registry.RoleOwner:
		return nil
	case err == nil && x.Undelivered != "" && len(c.Roles) > 0 && (role == "" || m.Role.AtLeast(role) || m.WantedRole.AtLeast(role)):
		if x.Undelivered == before {
			return nil
		}
		return t.record(registry.Change{Kind: registry.ChangeMemberRoleKept, OrgID: c.OrgID, UserID: u.ID}, u.Email, string(m.Role)+", by "+c.Name+": "+string(x.Undelivered))
	case role == "" && x.Undelivered != "":
		return registry.Errorf(registry.CodeForbidden, "", "%s did not say which groups you are in, so you get no role in this org: ask whoever runs it there", c.Name)
	case role == "":
		return registry.Errorf(registry.CodeForbidden, "", "%s gives you no role in this org: ask whoever runs it there", c.Name)
	case err != nil:
		if err := t.room(c.OrgID, registry.LimitMembers, countMembers); err != nil {
			return err
		}
		role, waiting := granted(u, t.now, role)
		return t.addMember(c.OrgID, u, role, waiting)
	case len(c.Roles) == 0: // without a mapping, roles are given here
		return nil
	}
	role, waiting := granted(u, m.CreatedAt, role)
	if m.Role == role && m.WantedRole == waiting {
		return nil
	}
	err = t.must(`UPDATE memberships SET role = $3, wanted_role = $4
		WHERE org_id = $1 AND user_id = $2`, c.OrgID, u.ID, role, waiting)
	if err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeMemberChanged, OrgID: c.OrgID, UserID: u.ID}, u.Email, string(m.Role)+" -> "+string(role)+", by "+c.Name)
}

// Identities returns what an account is linked to, by connection: the actor's own, or anybody's for platform admins. Error: CodeNotFound.
func (s *Store) Identities(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Identity, error) {
	if err := s.mayAccount(a, id, registry.ActionUserRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, func(r scanner) (i registry.Identity, err error) {
		err = r.Scan(&i.ConnectionID, &i.Connection, &i.Subject, &i.Email, (*micros)(&i.CreatedAt), (*micros)(&i.LastUsedAt))
		return i, err
	}, `SELECT i.connection_id, c.name, i.subject, i.email, i.created_at, i.last_used_at FROM identities i JOIN connections c ON c.id = i.connection_id
		WHERE i.user_id = $1 ORDER BY i.connection_id`, id)
}

// RemoveIdentity ends a link of an account, and the sessions that were made by it: the actor's own, or anybody's for platform admins. Error: CodeNotFound.
func (s *Store) RemoveIdentity(ctx context.Context, a registry.Actor, id registry.UserID, connection registry.ConnectionID) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := t.mayAccount(id, registry.ActionUserUpdate); err != nil {
			return err
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		c, err := t.connection(connection)
		if err != nil {
			return err
		}
		if a.InPerson() && a.User == id && u.PasswordHash == "" {
			var other bool
			if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM identities WHERE user_id = $1 AND connection_id <> $2) OR EXISTS (SELECT 1 FROM factors WHERE user_id = $1 AND kind = 'passkey')`, id, connection).Scan(&other); err != nil {
				return err
			}
			if !other {
				return registry.Errorf(registry.CodeConflict, "", "you would shut yourself out: choose a password, or add a passkey, before you remove your only way in")
			}
		}
		return t.removeIdentity(u, c)
	})
}

func (t *tx) removeIdentity(u registry.User, c registry.Connection) error {
	n, err := t.exec(`DELETE FROM identities WHERE user_id = $1 AND connection_id = $2`, u.ID, c.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoConnection()
	}
	if err := t.endSessionsBy(c.ID, u.ID); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeIdentityRemoved, OrgID: c.OrgID, UserID: u.ID}, u.Email, c.Name)
}
