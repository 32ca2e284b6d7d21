package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func errNoGrant() error {
	return registry.Errorf(registry.CodeGone, "", "the token is unknown, used, or has ended")
}

// keepGrant begins what a registered client is given at a sign-in, with a refresh token if its scope has one.
func (t *tx) keepGrant(g registry.Grant, refresh registry.Hash) error {
	if err := t.must(`INSERT INTO grants (id, client_id, session_id, org_id, scope) VALUES ($1,$2,$3,$4,$5)`,
		g.ID, g.ClientID, g.Session.ID, g.Org.ID, g.Scope); err != nil {
		return err
	}
	if registry.HasWord(g.Scope, registry.OfflineScope) {
		if err := t.must(`INSERT INTO refresh_tokens (hash, grant_id) VALUES ($1,$2)`, refresh[:], g.ID); err != nil {
			return err
		}
	}
	t.actor = registry.AsUser(g.User, g.Session.ID, t.actor.Address()) // the log names who signed in
	return t.record(registry.Change{Kind: registry.ChangeClientSignedIn, OrgID: g.Org.ID, UserID: g.User.ID, SessionID: g.Session.ID}, t.clientName(g.ClientID), g.Scope)
}

// clientName is what the log calls a client.
func (t *tx) clientName(id registry.ClientID) string {
	c, err := one(t.ctx, t, scanClient, errNoClient(), clientQuery+` WHERE c.id = $1`, id)
	if err != nil {
		return string(id)
	}
	return c.Name
}

// grantByID reads a grant and what stands behind it now. Errors: CodeGone; CodeForbidden (no member of its org any more).
func grantByID(ctx context.Context, q querier, at moment, id registry.GrantID) (registry.Grant, error) {
	var org registry.OrgID
	g, err := one(ctx, q, func(r scanner) (g registry.Grant, err error) {
		err = r.Scan(slices.Concat([]any{&g.ID, &g.ClientID, &g.Scope, &org}, sessionFields(&g.Session), userFields(&g.User))...)
		return g, err
	}, errNoGrant(), `SELECT g.id, g.client_id, g.scope, g.org_id, `+at.columns()+`, `+userColumns+`
		FROM grants g JOIN sessions s ON s.id = g.session_id JOIN users u ON u.id = s.user_id WHERE `+at.alive()+` AND g.id = $2`, us(at.now), id)
	if err != nil || org == "" {
		return g, err
	}
	type membership struct {
		org   registry.Org
		role  registry.Role
		until time.Time
		held  bool
	}
	m, err := one(ctx, q, func(r scanner) (m membership, err error) {
		err = r.Scan(append(orgFields(&m.org), &m.role, (*micros)(&m.until), &m.held)...)
		return m, err
	}, errNotMember, `SELECT `+orgColumns+`, m.role, m.ends_at, m.held_at > 0 FROM orgs o JOIN memberships m ON m.org_id = o.id AND m.user_id = $2 WHERE o.id = $1`, org, g.User.ID)
	if err == nil && m.org.Status != registry.OrgActive && m.org.Status != registry.OrgProvisioning {
		err = errNotMember
	}
	if err == nil && !m.until.IsZero() && !at.now.Before(m.until) {
		err = errNotMember
	}
	if err == nil && m.held {
		err = errHeld()
	}
	g.Org, g.Role, g.Until = m.org, m.role, m.until
	if err != nil {
		return g, err
	}
	in := g.Session.SignIn()
	in.Rests = true // see moment.alive
	return forOrg(g, in, at.now)
}

// GrantByID returns a grant and what stands behind it, read now. For the system.
// Errors: CodeGone (ended), CodeForbidden (no member of its org any more), CodeReauthenticationNeeded (see Org.Lacks).
func (s *Store) GrantByID(ctx context.Context, a registry.Actor, id registry.GrantID) (registry.Grant, error) {
	if err := only(a); err != nil {
		return registry.Grant{}, err
	}
	return grantByID(ctx, s.read, s.moment(), id)
}

// GrantByRefresh returns the grant of a refresh token that was not used. For the system. Errors: those of GrantByID.
func (s *Store) GrantByRefresh(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Grant, error) {
	if err := only(a); err != nil {
		return registry.Grant{}, err
	}
	id, err := one(ctx, s.read, scanGrantID, errNoGrant(), `SELECT grant_id FROM refresh_tokens WHERE hash = $1 AND used_at IS NULL`, token[:])
	if err != nil {
		return registry.Grant{}, err
	}
	return grantByID(ctx, s.read, s.moment(), id)
}

func scanGrantID(r scanner) (id registry.GrantID, err error) {
	err = r.Scan(&id)
	return id, err
}

// Refresh puts the next refresh token in the place of one, and returns what it
// stands for, read now. One that was used before ends the whole grant, unless its
// client only asks again: soon, and before it used what it got (RFC 9700, section
// 4.14.2). For the system. Errors: those of GrantByID.
func (s *Store) Refresh(ctx context.Context, a registry.Actor, m registry.RefreshMatch) (g registry.Grant, err error) {
	if err := only(a); err != nil {
		return g, err
	}
	var reused bool
	err = s.atomic(ctx, a, func(t *writeTx) error {
		reused = false
		id, err := one(t.ctx, t, scanGrantID, errNoGrant(), `SELECT r.grant_id FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id WHERE r.hash = $1 AND g.client_id = $2`, m.Token[:], m.ClientID)
		if err != nil {
			return err
		}
		if g, err = grantByID(t.ctx, t, t.moment(), id); err != nil {
			return err
		}
		n, err := t.exec(`UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL`, m.Token[:], us(t.now))
		if err != nil {
			return err
		}
		if n == 1 {
			return t.must(`INSERT INTO refresh_tokens (hash, grant_id) VALUES ($1,$2)`, m.Next[:], id)
		}
		var again bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM refresh_tokens WHERE hash = $1 AND used_at > $2)
			AND EXISTS (SELECT 1 FROM refresh_tokens WHERE hash = $3 AND grant_id = $4 AND used_at IS NULL)`,
			m.Token[:], us(t.now.Add(-registry.RefreshGrace)), m.Next[:], id).Scan(&again); err != nil {
			return err
		}
		reused = !again
		return nil
	})
	if err != nil || !reused {
		return g, err
	}
	if err := s.endGrant(ctx, a, g.ID, "a refresh token was used twice"); err != nil {
		return registry.Grant{}, err
	}
	return registry.Grant{}, errNoGrant()
}

// EndGrant ends what a client was given at a sign-in. For the system. Ending it twice is no error.
func (s *Store) EndGrant(ctx context.Context, a registry.Actor, id registry.GrantID) error {
	if err := only(a); err != nil {
		return err
	}
	return s.endGrant(ctx, a, id, "by its client")
}

func (s *Store) endGrant(
	ctx context.Context, a registry.Actor, id registry.GrantID, why string,
) error {
	return s.recording(ctx, a, func(t *tx) error {
		g, err := grantByID(t.ctx, t, t.moment(), id)
		switch code := registry.ErrorCode(err); {
		case code == registry.CodeGone:
			return nil
		case code == "" && err != nil:
			return err
		}
		return t.endGrant(g, why)
	})
}

// endGrant also ends a session that was made for a device and nothing else.
func (t *tx) endGrant(g registry.Grant, why string) error {
	if _, err := t.exec(`DELETE FROM grants WHERE id = $1`, g.ID); err != nil {
		return err
	}
	t.actor = registry.AsUser(g.User, g.Session.ID, t.actor.Address())
	if err := t.record(registry.Change{Kind: registry.ChangeGrantRevoked, OrgID: g.Org.ID, UserID: g.User.ID, SessionID: g.Session.ID}, t.clientName(g.ClientID), why); err != nil {
		return err
	}
	var device bool
	if err := t.QueryRowContext(t.ctx, `SELECT device FROM sessions WHERE id = $1`, g.Session.ID).Scan(&device); err != nil || !device {
		return err
	}
	return t.revokeSession(g.Session.ID, g.User.ID)
}
