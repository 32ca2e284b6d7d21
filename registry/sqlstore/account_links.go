package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// CreateAccountLink makes a link about an account. verify, email and stop: the person's own, with the
// address that it is mailed to, in place of an earlier one of its kind. reset: the system's, whom
// anybody can ask for it, and a platform admin's, who hands it over. Earlier ones of the kind stay
// good, since a stranger may have asked. Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict.
func (s *Store) CreateAccountLink(ctx context.Context, a registry.Actor, kind registry.LinkKind, id registry.UserID, email string, secret registry.Hash) (registry.Link, error) {
	l := registry.Link{ID: registry.NewID(), Kind: kind, UserID: id, CreatedBy: a.User}
	err := s.recording(ctx, a, func(t *tx) error {
		life := registry.EmailLinkLife
		switch kind {
		case registry.LinkVerify, registry.LinkEmail, registry.LinkStop:
			if err := own(a, id, registry.ActionAccountManage, t.now); err != nil {
				return err
			}
		case registry.LinkReset:
			if err := t.may(registry.ActionUserUpdate); err != nil {
				return err
			}
			if err := t.mayMake(); err != nil {
				return err
			}
			life = registry.ResetLinkLife
		default:
			return registry.Errorf(registry.CodeInvalid, "",
				"a link about an account is of the kinds verify, email, stop and reset")
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		if u.Disabled() {
			return registry.Errorf(registry.CodeConflict, "", "this account is disabled: enable it first")
		}
		l.Email = u.Email
		if kind == registry.LinkEmail {
			if l.Email, err = registry.CleanEmail(email); err != nil {
				return err
			}
			if l.Email == u.Email {
				return registry.Errorf(registry.CodeConflict, "email", "this is your address already")
			}
		}
		if kind != registry.LinkReset {
			if _, err := t.exec(`DELETE FROM links WHERE user_id = $1 AND kind = $2`, id, kind); err != nil {
				return err
			}
		}
		l.CreatedAt, l.ExpiresAt = t.now, t.now.Add(life)
		if err := t.insertLink(l, secret); err != nil {
			return err
		}
		if kind == registry.LinkReset && !a.IsSystem() {
			if err := t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: id}, u.Email, "link for a new password"); err != nil {
				return err
			}
			return t.tellOrgs(u, registry.ChangeMemberPasswordLink)
		}
		return nil
	})
	return l, err
}

// ConfirmEmail uses up a link of the kind verify or email: its address is verified, and of the
// latter becomes the account's. The link shows that mail arrives and not that whoever reads it has
// the account: only the account's own person may. Errors: CodeUnauthenticated; CodeForbidden (another
// account's link); CodeGone; CodeConflict (the address got another account meanwhile).
func (s *Store) ConfirmEmail(ctx context.Context, a registry.Actor, secret registry.Hash) (was, now registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		l, err := one(t.ctx, t, scanLink, errNoLink(), linkQuery+` AND l.hash = $2 AND l.kind IN ('verify', 'email')`, us(t.now), secret[:])
		if err != nil {
			return err
		}
		if !a.InPerson() {
			return errNobody()
		}
		if l.UserID != a.User {
			return registry.Errorf(registry.CodeForbidden, "",
				"this link is for another account: sign in with that one")
		}
		if was, err = t.userByID(l.UserID); err != nil {
			return errNoLink()
		}
		// Links that were sent to the old address give nothing any more.
		if _, err := t.exec(`DELETE FROM links WHERE user_id = $1`, was.ID); err != nil {
			return err
		}
		if l.Kind == registry.LinkEmail {
			err = t.moveTo(was, l.Email)
		} else if l.Email != was.Email {
			err = errNoLink()
		} else {
			err = t.verified(was)
		}
		if err != nil {
			return err
		}
		now, err = t.userByID(was.ID)
		return err
	})
	return was, now, err
}

// moveTo gives an account another address, which is verified. Roles that wait for the old address
// to be verified were meant for whoever has that.
func (t *tx) moveTo(u registry.User, email string) error {
	var taken bool
	err := t.QueryRowContext(t.ctx,
		`SELECT EXISTS (SELECT 1 FROM users WHERE email = $1 AND id <> $2)`, email, u.ID).Scan(&taken)
	if err != nil {
		return err
	}
	if taken {
		return registry.Errorf(registry.CodeConflict, "email", "%s has an account already", email).Because(registry.ReasonEmailTaken)
	}
	err = t.must(`UPDATE users SET email = $2, email_verified = {true} WHERE id = $1`, u.ID, email)
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE memberships SET wanted_role = '' WHERE user_id = $1 AND wanted_role <> ''`,
		u.ID)
	if err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: u.ID}, email,
		u.Email+" -> "+email)
}

// StopEmailChange uses up a link of the kind stop: a change of address that was asked for is not
// made. Whoever has the link may. Error: CodeGone.
func (s *Store) StopEmailChange(ctx context.Context, a registry.Actor, secret registry.Hash,
) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		l, err := t.useLink(secret, registry.LinkStop)
		if err != nil {
			return err
		}
		if u, err = t.userByID(l.UserID); err != nil {
			return errNoLink()
		}
		if err := t.dropEmailChange(u.ID); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: u.ID}, u.Email,
			"change of address stopped")
	})
	return u, err
}

func (t *tx) dropEmailChange(id registry.UserID) error {
	_, err := t.exec(`DELETE FROM links WHERE user_id = $1 AND kind = 'email'`, id)
	return err
}
