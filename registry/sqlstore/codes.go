package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func errBadCode() error {
	return registry.Errorf(registry.CodeGone, "code", "the code is unknown, used, expired, or not for this client")
}

// InsertCode stores an authorization code. For the system.
func (s *Store) InsertCode(ctx context.Context, a registry.Actor, c registry.NewCode) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		return t.must(`INSERT INTO codes (hash, client_id, org_id, user_id, session_id, redirect_uri, challenge, nonce, grant_id, scope, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`,
			c.Hash[:], c.ClientID, c.OrgID, c.UserID, c.SessionID, c.RedirectURI, c.Challenge, c.Nonce, c.Grant, c.Scope, us(c.ExpiresAt))
	})
}

// RedeemCode uses a code up and returns what it stands for. One statement
// matches client, redirect, challenge, expiry and first use; a code that was
// used more than replayGrace ago ends what it gave: an app's grant, and of an
// org's gateway the session (RFC 6749, section 4.1.2).
// For the system. Error: CodeGone.
func (s *Store) RedeemCode(ctx context.Context, a registry.Actor, m registry.CodeMatch) (registry.Grant, error) {
	var g registry.Grant
	if err := only(a); err != nil {
		return g, err
	}
	var v code
	var replayed bool
	err := s.atomic(ctx, a, func(t *writeTx) (err error) {
		v, err = one(t.ctx, t, scanCode, errBadCode(), `UPDATE codes SET used_at = $5
			WHERE hash = $1 AND client_id = $2 AND redirect_uri = $3 AND challenge = $4 AND used_at IS NULL AND expires_at > $5
			RETURNING `+codeColumns, m.Hash[:], m.ClientID, m.RedirectURI, m.Challenge, us(t.now))
		if err == nil {
			g, err = t.redeem(v)
			return err
		}
		// A second click on a slow page is no theft: only a later use ends anything.
		v, err = one(t.ctx, t, scanCode, errBadCode(), `SELECT `+codeColumns+` FROM codes WHERE hash = $1 AND client_id = $2 AND used_at < $3`,
			m.Hash[:], m.ClientID, us(t.now.Add(-replayGrace)))
		replayed = err == nil
		return err
	})
	switch {
	case err != nil:
		return g, err
	case replayed:
		if err := s.endReplayed(ctx, a, v); err != nil {
			return g, err
		}
		return g, errBadCode()
	case v.grant == "" && g.Until.IsZero():
		return g, nil
	}
	// The code is used up by now: should this fail, its client asks for another.
	return g, s.recording(ctx, a, func(t *tx) error { return t.recordGrant(g, m.Refresh) })
}

// endReplayed ends what a code gave that was used twice.
func (s *Store) endReplayed(ctx context.Context, a registry.Actor, v code) error {
	if v.grant != "" {
		return s.endGrant(ctx, a, v.grant, "a code was used twice")
	}
	return s.recording(ctx, a, func(t *tx) error { return t.revokeSession(v.sid, v.user) })
}

// code is what RedeemCode reads of one.
type code struct {
	org    registry.OrgID
	user   registry.UserID
	sid    registry.SessionID
	nonce  string
	grant  registry.GrantID
	client registry.ClientID
	scope  string
}

const codeColumns = `org_id, user_id, session_id, nonce, grant_id, client_id, scope`

func scanCode(r scanner) (v code, err error) {
	err = r.Scan(&v.org, &v.user, &v.sid, &v.nonce, &v.grant, &v.client, &v.scope)
	return v, err
}

// redeem reads what a code stands for.
func (t *writeTx) redeem(v code) (g registry.Grant, err error) {
	m := t.moment()
	if v.org != "" {
		g, err = grant(t.ctx, t, m, v.sid, v.org)
	} else {
		g, err = one(t.ctx, t, func(r scanner) (g registry.Grant, err error) {
			err = r.Scan(slices.Concat(sessionFields(&g.Session), userFields(&g.User))...)
			return g, err
		}, errNoSession(), `SELECT `+m.columns()+`, `+userColumns+` FROM sessions s JOIN users u ON u.id = s.user_id WHERE `+m.live()+` AND s.id = $2 AND u.recovered_at = 0`, us(t.now), v.sid)
	}
	g.Nonce = v.nonce
	if v.grant != "" {
		g.ID, g.ClientID, g.Scope = v.grant, v.client, v.scope
	}
	return g, err
}

// recordGrant records that support came in, and keeps what a registered client is given.
func (t *tx) recordGrant(g registry.Grant, refresh registry.Hash) error {
	if !g.Until.IsZero() {
		t.actor = registry.AsUser(g.User, g.Session.ID, g.Session.Address)
		if err := t.record(registry.Change{Kind: registry.ChangeSupportEntered, OrgID: g.Org.ID, UserID: g.User.ID, SessionID: g.Session.ID}, g.User.Email, "until "+g.Until.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	if g.ID == "" {
		return nil
	}
	return t.keepGrant(g, refresh)
}

const replayGrace = 10 * time.Second

// Grant returns what a live session of an active member stands for in an org,
// read now: for issuing and for renewing an org session. For the system.
// Errors: CodeNotFound (session ended, not a member, org not in use).
func (s *Store) Grant(ctx context.Context, a registry.Actor, sid registry.SessionID, org registry.OrgID) (registry.Grant, error) {
	if err := only(a); err != nil {
		return registry.Grant{}, err
	}
	return grant(ctx, s.read, s.moment(), sid, org)
}

// errNotMember is the message of a session that lives, without a membership.
var errNotMember = registry.Errorf(registry.CodeForbidden, "", "you are not a member of this org")

func grant(ctx context.Context, q querier, m moment, sid registry.SessionID, org registry.OrgID) (registry.Grant, error) {
	var held bool
	g, err := one(ctx, q, func(r scanner) (g registry.Grant, err error) {
		err = r.Scan(slices.Concat(sessionFields(&g.Session), userFields(&g.User), orgFields(&g.Org), []any{&g.Role, (*micros)(&g.Until), &g.Version, &held})...)
		return g, err
	}, errNoSession(), `SELECT `+m.columns()+`, `+userColumns+`, `+orgColumns+`, COALESCE(m.role, ''), COALESCE(m.ends_at, 0), COALESCE(v.version, 0), COALESCE(m.held_at, 0) > 0
		FROM sessions s JOIN users u ON u.id = s.user_id JOIN orgs o ON o.id = $3
		LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = u.id
		LEFT JOIN member_versions v ON v.org_id = o.id AND v.user_id = u.id
		WHERE `+m.live()+` AND s.id = $2`, us(m.now), sid, org)
	if err != nil {
		return g, err
	}
	if !g.User.RecoveredAt.IsZero() {
		return g, registry.Errorf(registry.CodeReauthenticationNeeded, "", "%s", registry.ErrReview().Message)
	}
	if g.Role == "" || g.Org.Status != registry.OrgActive && g.Org.Status != registry.OrgProvisioning {
		return g, errNotMember
	}
	if held {
		return g, errHeld()
	}
	if !g.Until.IsZero() && !m.now.Before(g.Until) {
		return g, errNotMember
	}
	s := g.Session.SignIn()
	s.Used = m.uses.last(sid, org)
	if g, err = forOrg(g, s, m.now); err == nil {
		m.uses.note(sid, g.Org, m.now)
	}
	return g, err
}

// forOrg refuses a session that is not what the org asks for, and ends it where it is over for the
// org.
func forOrg(g registry.Grant, s registry.SignIn, now time.Time) (registry.Grant, error) {
	g.Session.ExpiresAt = g.Org.SessionsLast().End(g.Session.CreatedAt, g.Session.ExpiresAt)
	asks := g.Org
	if !g.Until.IsZero() { // support has no account at the org's company
		asks.SSORequired = false
	}
	if l := asks.Lacks(g.Role, s, now); l != "" {
		return g, asks.ErrLacks(l)
	}
	return g, nil
}
