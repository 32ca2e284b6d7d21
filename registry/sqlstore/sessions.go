package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func sessionFields(s *registry.Session) []any {
	return []any{&s.ID, &s.UserID, (*micros)(&s.AuthTime), (*micros)(&s.CreatedAt), (*micros)(&s.LastSeenAt), (*micros)(&s.ExpiresAt), (*micros)(&s.IdleExpiresAt), &s.Address, &s.UserAgent, &s.Methods, &s.ConnectionID, &s.ViaOrg}
}

// CreateSession starts a sign-in session for a user who just showed who they are. It
// fails when the password is another by now, or the connection or the link to it gone. For the system.
func (s *Store) CreateSession(ctx context.Context, a registry.Actor, n registry.NewSession) (registry.Session, error) {
	if err := only(a); err != nil {
		return registry.Session{}, err
	}
	if len(n.UserAgent) > 200 {
		n.UserAgent = n.UserAgent[:200]
	}
	v := registry.Session{
		ID: registry.SessionID(registry.NewID()), UserID: n.User.ID, Address: n.Address, UserAgent: n.UserAgent,
		Methods: n.Methods, ConnectionID: n.Connection,
	}
	err := s.recording(ctx, a, func(t *tx) error {
		detail := ""
		if n.Connection != "" {
			c, err := t.connection(n.Connection)
			if err != nil {
				return err
			}
			v.ViaOrg, detail = c.OrgID, "by "+c.Name
			var linked bool // still: the second step can be minutes after the first
			if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM identities WHERE user_id = $1 AND connection_id = $2)`, v.UserID, n.Connection).Scan(&linked); err != nil {
				return err
			}
			if !linked {
				return registry.Errorf(registry.CodeGone, "", "the account is linked to %s no more: sign in another way", c.Name)
			}
			u, err := t.userByID(v.UserID)
			if err == nil {
				err = t.mayComeBy(c, u) // the domain may have gone meanwhile, too
			}
			if err != nil {
				return err
			}
		}
		if err := t.maySignIn(n); err != nil {
			return err
		}
		v.AuthTime, v.CreatedAt, v.LastSeenAt, v.ExpiresAt = t.now, t.now, t.now, t.now.Add(t.lifetimes.Absolute.Duration())
		v.IdleExpiresAt = t.now.Add(t.lifetimes.Idle.Duration())
		if !n.AuthTime.IsZero() && n.AuthTime.Before(t.now) {
			v.AuthTime = n.AuthTime
			if oldest := t.now.Add(-registry.AuthTimeMax); v.AuthTime.Before(oldest) {
				v.AuthTime = oldest // another's clock said it
			}
		}
		if err := t.later(`INSERT INTO sessions (id, token_hash, user_id, auth_time, created_at, last_seen_at, expires_at, address, user_agent, methods, connection_id, via_org)
			VALUES ($1,$2,$3,$11,$4,$4,$5,$6,$7,$8,$9,$10)`,
			v.ID, n.Token[:], v.UserID, us(t.now), us(v.ExpiresAt), v.Address, v.UserAgent, v.Methods, v.ConnectionID, v.ViaOrg, us(v.AuthTime)); err != nil {
			return err
		}
		if err := t.later(`UPDATE users SET last_sign_in_at = $2 WHERE id = $1`, v.UserID, us(t.now)); err != nil {
			return err
		}
		t.actor = registry.AsUser(n.User, v.ID, n.Address) // the log names who signed in
		return t.record(registry.Change{Kind: registry.ChangeSessionCreated, UserID: v.UserID, SessionID: v.ID}, n.User.Email, detail)
	})
	return v, err
}

// maySignIn refuses a disabled account, one with another password than was given, and other ways into
// an account that was recovered than its new password: what else lets somebody in may be a thief's,
// until the person has reviewed it.
func (t *tx) maySignIn(n registry.NewSession) error {
	u, err := t.userByID(n.User.ID)
	switch {
	case err != nil:
		return err
	case u.Disabled():
		return errDisabled()
	case u.PasswordHash != n.User.PasswordHash:
		return registry.Errorf(registry.CodeGone, "", "the password was changed meanwhile: sign in again")
	case !u.RecoveredAt.IsZero() && !registry.HasWord(n.Methods, registry.MethodPassword):
		return registry.ErrReview()
	}
	return nil
}

// SessionByToken returns a live session and its user by the hash of its token. For the system. Error: CodeNotFound.
func (s *Store) SessionByToken(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Session, registry.User, error) {
	if err := only(a); err != nil {
		return registry.Session{}, registry.User{}, err
	}
	return s.liveSession(ctx, ` AND s.token_hash = $2`, token[:])
}

// SessionByID returns a live session and its user. For the system. Error: CodeNotFound.
func (s *Store) SessionByID(ctx context.Context, a registry.Actor, id registry.SessionID) (registry.Session, registry.User, error) {
	if err := only(a); err != nil {
		return registry.Session{}, registry.User{}, err
	}
	return s.liveSession(ctx, ` AND s.id = $2`, id)
}

func (s *Store) liveSession(ctx context.Context, where string, arg any) (registry.Session, registry.User, error) {
	type pair struct {
		s registry.Session
		u registry.User
	}
	m := s.moment()
	p, err := one(ctx, s.read, func(r scanner) (p pair, err error) {
		err = r.Scan(slices.Concat(sessionFields(&p.s), userFields(&p.u))...)
		return p, err
	}, errNoSession(), `SELECT `+m.columns()+`, `+userColumns+` FROM sessions s JOIN users u ON u.id = s.user_id WHERE `+m.live()+where, us(m.now), arg)
	return p.s, p.u, err
}

func errNoSession() error {
	return registry.Errorf(registry.CodeNotFound, "", "the session has ended: sign in again")
}

// Sessions returns the live sessions of an account, last used first: the actor's
// own, or anybody's for platform admins. Error: CodeNotFound.
func (s *Store) Sessions(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Session, error) {
	if err := s.mayAccount(a, id, registry.ActionUserRead); err != nil {
		return nil, err
	}
	if _, err := s.User(ctx, a, id); err != nil {
		return nil, err
	}
	m := s.moment()
	return collect(ctx, s.read, func(r scanner) (v registry.Session, err error) {
		err = r.Scan(sessionFields(&v)...)
		return v, err
	}, `SELECT `+m.columns()+` FROM sessions s WHERE `+m.live()+` AND s.user_id = $2 ORDER BY s.last_seen_at DESC, s.id`, us(m.now), id)
}

// RevokeSessions ends all sessions of an account but one ("" = all): the actor's
// own, or anybody's for platform admins. Error: CodeNotFound.
func (s *Store) RevokeSessions(ctx context.Context, a registry.Actor, id registry.UserID, but registry.SessionID) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := t.mayAccount(id, registry.ActionUserUpdate); err != nil {
			return err
		}
		if _, err := t.userByID(id); err != nil {
			return err
		}
		return t.revokeSessions(id, but)
	})
}

// RevokeSession ends a session: the user's own, or any for platform admins and the system. Ending it twice is no error.
func (s *Store) RevokeSession(ctx context.Context, a registry.Actor, id registry.SessionID) error {
	return s.recording(ctx, a, func(t *tx) error {
		owner, err := one(ctx, t, func(r scanner) (u registry.UserID, err error) {
			err = r.Scan(&u)
			return u, err
		}, errNoSession(), `SELECT user_id FROM sessions WHERE id = $1`, id)
		if err != nil {
			return err
		}
		err = t.mayAccount(owner, registry.ActionUserUpdate)
		if registry.ErrorCode(err) == registry.CodeNotFound {
			return errNoSession()
		}
		if err != nil {
			return err
		}
		if a.IsSystem() { // for the person, who signs out: instances go on serving their other devices
			_, err := t.endSession(id, owner)
			return err
		}
		return t.revokeSession(id, owner)
	})
}

// revokeSession ends a session that somebody else may have used: instances are to be told.
func (t *tx) revokeSession(id registry.SessionID, owner registry.UserID) error {
	ended, err := t.endSession(id, owner)
	if err != nil || !ended {
		return err
	}
	return t.revokeUser(owner)
}

func (t *tx) endSession(id registry.SessionID, owner registry.UserID) (ended bool, err error) {
	n, err := t.exec(`UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`, id, us(t.now))
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.record(registry.Change{Kind: registry.ChangeSessionRevoked, UserID: owner, SessionID: id}, string(id), "")
}

// revokeSessions ends all live sessions of a user but one, and a change of address that was asked
// for in one. It forgets the browsers that signed in before.
func (t *tx) revokeSessions(owner registry.UserID, but registry.SessionID) error {
	if err := t.dropEmailChange(owner); err != nil {
		return err
	}
	if err := t.must(`UPDATE users SET device_epoch = device_epoch + 1 WHERE id = $1`, owner); err != nil {
		return err
	}
	ids, err := collect(t.ctx, t, func(r scanner) (id registry.SessionID, err error) {
		err = r.Scan(&id)
		return id, err
	},
		`SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL`, owner, but)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := t.revokeSession(id, owner); err != nil {
			return err
		}
	}
	return nil
}

// TouchSessions notes when sessions were last seen. Not a registry change: no feed entry. For the system.
func (s *Store) TouchSessions(ctx context.Context, a registry.Actor, seen map[registry.SessionID]time.Time) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		for _, id := range inOrder(seen) {
			if _, err := t.exec(`UPDATE sessions SET last_seen_at = {greatest last_seen_at, $2} WHERE id = $1`, id, us(seen[id])); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sweep removes what can never be used again: ended sessions, codes and links
// a day past their end, and feed entries older than a month. For the system.
func (s *Store) Sweep(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		day, month := us(t.now.Add(-24*time.Hour)), us(t.now.Add(-30*24*time.Hour))
		for _, q := range []string{
			`DELETE FROM sessions WHERE expires_at < $1`,
			`DELETE FROM codes WHERE expires_at < $1`,
			`DELETE FROM device_codes WHERE expires_at < $1`,
			`DELETE FROM links WHERE expires_at < $1`,
			`DELETE FROM idempotency WHERE at < $1`,
			`DELETE FROM keys WHERE expires_at < $1`,
			`DELETE FROM api_keys WHERE expires_at < $1`,
			`DELETE FROM runners WHERE expires_at < $1`,
			`DELETE FROM runner_claims WHERE expires_at < $1`,
			`DELETE FROM drafts WHERE expires_at < $1`,
		} {
			if _, err := t.exec(q, day); err != nil {
				return err
			}
		}
		if _, err := t.exec(`DELETE FROM deliveries WHERE created_at < $1`, us(t.now.Add(-registry.DeliveryLife))); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM feed WHERE at < $1`, month)
		return err
	})
}
