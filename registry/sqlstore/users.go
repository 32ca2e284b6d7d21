package sqlstore

import (
	"context"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

const userColumns = `u.id, u.email, u.email_verified, u.name, u.platform_admin, u.password_hash, u.created_at, u.device_epoch,
	u.recovered_at, u.made_by_org, u.disabled_at, u.disabled_reason, u.last_sign_in_at, u.enabled_at`

func userFields(u *registry.User) []any {
	return []any{&u.ID, &u.Email, &u.EmailVerified, &u.Name, &u.PlatformAdmin, (*string)(&u.PasswordHash), (*micros)(&u.CreatedAt),
		&u.DeviceEpoch, (*micros)(&u.RecoveredAt), &u.MadeByOrg,
		(*micros)(&u.DisabledAt), &u.DisabledReason, (*micros)(&u.LastSignInAt),
		(*micros)(&u.EnabledAt)}
}

func scanUser(r scanner) (u registry.User, err error) {
	err = r.Scan(userFields(&u)...)
	return u, err
}

func errNoUser() error { return registry.Errorf(registry.CodeNotFound, "", "no such user") }

// CreateUser makes an account. For platform admins and the operator; a visitor
// gets one through RedeemSetup or AcceptInvite. Error: CodeConflict (e-mail in use).
func (s *Store) CreateUser(ctx context.Context, a registry.Actor, n registry.NewUser) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionUserCreate); err != nil {
			return err
		}
		u, err = t.createUser(n)
		return err
	})
	return u, err
}

func (t *tx) createUser(n registry.NewUser) (registry.User, error) {
	u := registry.User{
		ID: registry.UserID(registry.NewID()), PlatformAdmin: n.PlatformAdmin,
		PasswordHash: n.PasswordHash, MadeByOrg: n.MadeByOrg, CreatedAt: t.now,
	}
	var err error
	if u.Email, err = registry.CleanEmail(n.Email); err != nil {
		return u, err
	}
	if u.Name, err = registry.CleanName(n.Name); err != nil {
		return u, err
	}
	c, err := t.exec(`INSERT INTO users (id, email, name, platform_admin, password_hash, made_by_org, created_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT DO NOTHING`,
		u.ID, u.Email, u.Name, u.PlatformAdmin, string(u.PasswordHash), u.MadeByOrg, us(t.now))
	if err != nil {
		return u, err
	}
	if c == 0 {
		return u, registry.Errorf(registry.CodeConflict, "email", "%s has an account already", u.Email).Because(registry.ReasonEmailTaken)
	}
	return u, t.record(registry.Change{Kind: registry.ChangeUserCreated, UserID: u.ID}, u.Email, "")
}

func (t *writeTx) userByID(id registry.UserID) (registry.User, error) {
	return one(t.ctx, t, scanUser, errNoUser(), `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id)
}

// User returns the actor's own account, or any for the system and platform admins.
func (s *Store) User(ctx context.Context, a registry.Actor, id registry.UserID) (registry.User, error) {
	if !a.Valid() {
		return registry.User{}, errNobody()
	}
	if !a.SeesAll() && (!a.IsUser() || a.User != id) {
		return registry.User{}, errNoUser()
	}
	return one(ctx, s.read, scanUser, errNoUser(), `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id)
}

var userOrders = map[string]order[registry.User]{
	"email":      {column: "u.email", value: func(u registry.User) any { return u.Email }},
	"name":       {"{fold u.name}", "u.id", func(u registry.User) any { return folded(u.Name) }, userKey},
	"created_at": {"u.created_at", "u.id", func(u registry.User) any { return us(u.CreatedAt) }, userKey},
}

func userKey(u registry.User) string { return string(u.ID) }

// Users returns a page of all accounts. For platform admins and the system.
func (s *Store) Users(ctx context.Context, a registry.Actor, l registry.UserList) (registry.Page[registry.User], error) {
	if err := s.may(a, registry.ActionUserRead); err != nil {
		return registry.Page[registry.User]{}, err
	}
	q := new(query)
	q.add(`SELECT ` + userColumns + ` FROM users u WHERE true`)
	if l.PlatformAdmins {
		q.add(` AND u.platform_admin = {true}`)
	}
	if l.Disabled != nil {
		q.add(` AND (u.disabled_at > 0) = ?`, *l.Disabled)
	}
	if l.DormantDays > 0 {
		since := s.now().AddDate(0, 0, -l.DormantDays)
		q.add(` AND `+strings.Replace(dormant, "$1", "?", 1), us(since))
	}
	q.search(l.List, "u.email", "u.name")
	return page(ctx, s.read, q, l.List, userOrders, "email", scanUser)
}

// UserOrgs returns the orgs of an account with its role in them, by name: the actor's own, or
// anybody's for platform admins; of a key, MyOrgs are its orgs. Error: CodeNotFound.
func (s *Store) UserOrgs(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.OrgView, error) {
	if err := s.mayAccount(a, id, registry.ActionUserRead); err != nil {
		return nil, err
	}
	if _, err := s.User(ctx, a, id); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanView(a), mineQuery+` ORDER BY {fold o.name}, o.id`, id)
}

// UpdateUser changes what is not nil of an account. The name: one's own, or
// anybody's for platform admins. Whether it is a platform admin: for platform
// admins; the last one stays one. Errors: CodeNotFound, CodeInvalid, CodeConflict.
func (s *Store) UpdateUser(ctx context.Context, a registry.Actor, id registry.UserID, c registry.UserChange) error {
	return s.recording(ctx, a, func(t *tx) error {
		err := t.mayAccount(id, registry.ActionUserUpdate)
		if c.PlatformAdmin != nil {
			err = t.may(registry.ActionUserUpdate)
		}
		if err != nil {
			return err
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		var changes []string
		if c.Name != nil {
			n, err := registry.CleanName(*c.Name)
			if err != nil {
				return err
			}
			if n != u.Name {
				changes, u.Name = append(changes, u.Name+" -> "+n), n
			}
		}
		if c.PlatformAdmin != nil && *c.PlatformAdmin != u.PlatformAdmin {
			if *c.PlatformAdmin && hijackable(u) {
				return errUnverified(u, "platform_admin")
			}
			if u.PlatformAdmin = *c.PlatformAdmin; !u.PlatformAdmin {
				if err := t.otherAdmin(id); err != nil {
					return err
				}
				err := t.endSupportOf(id, "no platform admin any more",
					registry.SupportApproved, registry.SupportWaiting)
				if err != nil {
					return err
				}
				if err := t.endApprovalsOf(id, ""); err != nil {
					return err
				}
			}
			changes = append(changes, map[bool]string{true: "platform admin", false: "no platform admin any more"}[u.PlatformAdmin])
		}
		if len(changes) == 0 {
			return nil
		}
		if err := t.must(`UPDATE users SET name = $2, platform_admin = $3 WHERE id = $1`, id, u.Name, u.PlatformAdmin); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: id}, u.Email, strings.Join(changes, ", "))
	})
}

// otherAdmin fails the transaction when there is no platform admin but id.
func (t *tx) otherAdmin(id registry.UserID) error {
	var others bool
	if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM users
		WHERE platform_admin = {true} AND disabled_at = 0 AND id <> $1)`, id).Scan(&others); err != nil {
		return err
	}
	if !others {
		return registry.Errorf(registry.CodeConflict, "platform_admin", "a platform needs a platform admin: make somebody else one first").Because(registry.ReasonLastPlatformAdmin)
	}
	return nil
}

// UserByEmail returns an account by its clean e-mail address. For the system, which checks passwords.
func (s *Store) UserByEmail(ctx context.Context, a registry.Actor, email string) (registry.User, error) {
	if err := only(a); err != nil {
		return registry.User{}, err
	}
	return one(ctx, s.read, scanUser, errNoUser(), `SELECT `+userColumns+` FROM users u WHERE u.email = $1`, email)
}

// HasPlatformAdmin reports whether the installation was set up. For the system.
func (s *Store) HasPlatformAdmin(ctx context.Context, a registry.Actor) (yes bool, err error) {
	if err := only(a); err != nil {
		return false, err
	}
	err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM users WHERE platform_admin = {true})`).Scan(&yes)
	return yes, err
}

// SetPassword replaces the actor's own password and ends all its other sessions.
func (s *Store) SetPassword(ctx context.Context, a registry.Actor, hash registry.PasswordHash) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := own(a, a.User, registry.ActionAccountManage, t.now); err != nil {
			return err
		}
		u, err := t.userByID(a.User)
		if err != nil {
			return err
		}
		if err := t.setPassword(a.User, hash); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: a.User}, u.Email, "password"); err != nil {
			return err
		}
		return t.revokeSessions(a.User, a.Session)
	})
}

// Rehash replaces a password hash by one of the same password, unless it changed meanwhile. For the system.
func (s *Store) Rehash(ctx context.Context, a registry.Actor, id registry.UserID, from, to registry.PasswordHash) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2`, id, string(from), string(to))
		return err
	})
}
