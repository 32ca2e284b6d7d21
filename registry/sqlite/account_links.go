package sqlite

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// CreateAccountLink makes a link about an account. verify and email: the person's own, with the
// address that it is mailed to, in place of an earlier one of its kind. reset: the system's, whom
// anybody can ask for it, and a platform admin's, who hands it over. Earlier ones of the kind stay
// good, since a stranger may have asked. Errors: Invalid, Forbidden, NotFound, Conflict.
func (s *Store) CreateAccountLink(ctx context.Context, a registry.Actor, kind registry.LinkKind, id registry.UserID, email string, secret registry.Hash) (registry.Link, error) {
	l := registry.Link{ID: registry.NewID(), Kind: kind, UserID: id, CreatedBy: a.User}
	err := s.update(ctx, a, func(t *tx) error {
		life := registry.EmailLinkLife
		switch kind {
		case registry.LinkVerify, registry.LinkEmail:
			if err := own(a, id, registry.AccountManage, t.now); err != nil {
				return err
			}
		case registry.LinkReset:
			if err := t.may(registry.UserUpdate); err != nil {
				return err
			}
			if err := t.mayMake(); err != nil {
				return err
			}
			life = registry.ResetLinkLife
		default:
			return registry.Errorf(registry.Invalid, "", "a link about an account is of the kinds verify, email and reset")
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		l.Email = u.Email
		if kind == registry.LinkEmail {
			if l.Email, err = registry.CleanEmail(email); err != nil {
				return err
			}
			if l.Email == u.Email {
				return registry.Errorf(registry.Conflict, "email", "this is your address already")
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
			return t.record(registry.Change{Kind: registry.UserChanged, UserID: id}, u.Email, "link for a new password")
		}
		return nil
	})
	return l, err
}

// ConfirmEmail uses up a link of the kind verify or email: its address is verified, and of the
// latter becomes the account's. Whoever has the link may. Errors: Gone; Conflict (the address got
// another account meanwhile).
func (s *Store) ConfirmEmail(ctx context.Context, a registry.Actor, secret registry.Hash) (was, now registry.User, err error) {
	err = s.update(ctx, a, func(t *tx) error {
		l, err := one(t.ctx, t, scanLink, errNoLink(), linkQuery+` AND l.hash = $2 AND l.kind IN ('verify', 'email')`, us(t.now), secret[:])
		if err != nil {
			return err
		}
		if was, err = t.userByID(l.UserID); err != nil {
			return errNoLink()
		}
		if l.Kind == registry.LinkVerify && l.Email != was.Email {
			return errNoLink()
		}
		var taken bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM users WHERE email = $1 AND id <> $2)`, l.Email, was.ID).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return registry.Errorf(registry.Conflict, "email", "%s has an account already", l.Email)
		}
		if err := t.must(`UPDATE users SET email = $2, email_verified = 1 WHERE id = $1`, was.ID, l.Email); err != nil {
			return err
		}
		// Links that were sent to the old address give nothing any more.
		if _, err := t.exec(`DELETE FROM links WHERE user_id = $1`, was.ID); err != nil {
			return err
		}
		if now, err = t.userByID(was.ID); err != nil {
			return err
		}
		t.actor = registry.AsUser(was, "", a.Address()) // the log names whose it is
		detail := "address verified"
		if l.Kind == registry.LinkEmail {
			detail = was.Email + " -> " + now.Email
		}
		return t.record(registry.Change{Kind: registry.UserChanged, UserID: was.ID}, now.Email, detail)
	})
	return was, now, err
}

// ResetPassword uses up a link of the kind reset: it replaces the password, and ends every session
// and device of the account. Whoever has the link may. Error: Gone.
func (s *Store) ResetPassword(ctx context.Context, a registry.Actor, secret registry.Hash, hash registry.PasswordHash) (u registry.User, err error) {
	err = s.update(ctx, a, func(t *tx) error {
		l, err := t.useLink(secret, registry.LinkReset)
		if err != nil {
			return err
		}
		if u, err = t.userByID(l.UserID); err != nil {
			return errNoLink()
		}
		if err := t.setPassword(u.ID, hash); err != nil {
			return err
		}
		if l.Mailed {
			if err := t.verified(u.ID); err != nil {
				return err
			}
		}
		t.actor = registry.AsUser(u, "", a.Address())
		if err := t.record(registry.Change{Kind: registry.UserChanged, UserID: u.ID}, u.Email, "password, by a link"); err != nil {
			return err
		}
		return t.revokeSessions(u.ID, "")
	})
	return u, err
}

// setPassword replaces a password. Links for another one end, and a lock-out after wrong codes.
func (t *tx) setPassword(id registry.UserID, hash registry.PasswordHash) error {
	if err := t.must(`UPDATE users SET password_hash = $2 WHERE id = $1`, id, string(hash)); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM links WHERE user_id = $1 AND kind = 'reset' AND used_at IS NULL`, id)
	if err == nil {
		_, err = t.exec(`DELETE FROM second_failures WHERE user_id = $1`, id)
	}
	return err
}

// verified notes that mail to an account's address arrives.
func (t *tx) verified(id registry.UserID) error {
	_, err := t.exec(`UPDATE users SET email_verified = 1 WHERE id = $1`, id)
	return err
}
