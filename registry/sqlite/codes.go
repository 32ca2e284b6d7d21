package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func errBadCode() error {
	return registry.Errorf(registry.Gone, "code", "the code is unknown, used, expired, or not for this client")
}

// InsertCode stores an authorization code. For the system.
func (s *Store) InsertCode(ctx context.Context, a registry.Actor, c registry.NewCode) error {
	if err := only(a); err != nil {
		return err
	}
	return s.update(ctx, a, func(t *tx) error {
		return t.must(`INSERT INTO codes (hash, client_id, org_id, user_id, session_id, redirect_uri, challenge, nonce, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
			c.Hash[:], c.ClientID, c.OrgID, c.UserID, c.SessionID, c.RedirectURI, c.Challenge, c.Nonce, us(c.ExpiresAt))
	})
}

// RedeemCode uses a code up and returns what it stands for. One statement
// matches client, redirect, challenge, expiry and first use; a code that was
// used more than replayGrace ago ends its session (RFC 6749, section 4.1.2).
// For the system. Error: Gone.
func (s *Store) RedeemCode(ctx context.Context, a registry.Actor, m registry.CodeMatch) (registry.Grant, error) {
	var g registry.Grant
	if err := only(a); err != nil {
		return g, err
	}
	var replayed bool
	err := s.update(ctx, a, func(t *tx) error {
		type row struct {
			org   registry.OrgID
			user  registry.UserID
			sid   registry.SessionID
			nonce string
		}
		scan := func(r scanner) (v row, err error) {
			err = r.Scan(&v.org, &v.user, &v.sid, &v.nonce)
			return v, err
		}
		v, err := one(t.ctx, t, scan, errBadCode(), `UPDATE codes SET used_at = $5
			WHERE hash = $1 AND client_id = $2 AND redirect_uri = $3 AND challenge = $4 AND used_at IS NULL AND expires_at > $5
			RETURNING org_id, user_id, session_id, nonce`, m.Hash[:], m.ClientID, m.RedirectURI, m.Challenge, us(t.now))
		if err == nil {
			g, err = grant(t.ctx, t, t.now, v.sid, v.org)
			g.Nonce = v.nonce
			return err
		}
		// A second click on a slow page is no theft: only a later use ends the session.
		v, used := one(t.ctx, t, scan, errBadCode(), `SELECT org_id, user_id, session_id, nonce FROM codes WHERE hash = $1 AND client_id = $2 AND used_at < $3`,
			m.Hash[:], m.ClientID, us(t.now.Add(-replayGrace)))
		if used != nil {
			return err
		}
		replayed = true
		return t.revokeSession(v.sid, v.user)
	})
	if err == nil && replayed {
		err = errBadCode()
	}
	return g, err
}

const replayGrace = 10 * time.Second

// Grant returns what a live session of an active member stands for in an org,
// read now: for issuing and for renewing an org session. For the system.
// Errors: NotFound (session ended, not a member, org not in use).
func (s *Store) Grant(ctx context.Context, a registry.Actor, sid registry.SessionID, org registry.OrgID) (registry.Grant, error) {
	if err := only(a); err != nil {
		return registry.Grant{}, err
	}
	return grant(ctx, s.read, s.now(), sid, org)
}

// errNotMember is the message of a session that lives, without a membership.
var errNotMember = registry.Errorf(registry.Forbidden, "", "you are not a member of this org")

func grant(ctx context.Context, q querier, now time.Time, sid registry.SessionID, org registry.OrgID) (registry.Grant, error) {
	g, err := one(ctx, q, func(r scanner) (g registry.Grant, err error) {
		err = r.Scan(slices.Concat(sessionFields(&g.Session), userFields(&g.User), orgFields(&g.Org), []any{&g.Role})...)
		return g, err
	}, errNoSession(), `SELECT `+sessionColumns+`, `+userColumns+`, `+orgColumns+`, COALESCE(m.role, '')
		FROM sessions s JOIN users u ON u.id = s.user_id JOIN orgs o ON o.id = $3
		LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = u.id
		WHERE `+liveSession+` AND s.id = $2`, us(now), sid, org)
	if err != nil {
		return g, err
	}
	if g.Role == "" || g.Org.Status != registry.OrgActive && g.Org.Status != registry.OrgProvisioning {
		return g, errNotMember
	}
	return g, nil
}
