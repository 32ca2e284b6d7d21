package registry

import (
	"context"
	"time"
)

// NewCode is an authorization code to be stored; see Store.InsertCode.
type NewCode struct {
	Hash        Hash
	ClientID    string
	OrgID       OrgID
	UserID      UserID
	SessionID   SessionID
	RedirectURI string
	Challenge   string // S256 (RFC 7636)
	Nonce       string
	Grant       GrantID // of a registered client; "" = an org's gateway
	Scope       string  // granted to a registered client
	ExpiresAt   time.Time
}

// CodeMatch is what a client presents to redeem a code. All of it must match.
type CodeMatch struct {
	Hash        Hash
	ClientID    string
	RedirectURI string
	Challenge   string // computed from the verifier
	Refresh     Hash   // of a refresh token, for a client that may have one
}

// Grant is what a redeemed code or a renewal stands for, read in the same
// transaction: a live session of an active member of a usable org.
type Grant struct {
	Nonce   string
	Session Session
	User    User // of a runner: its ID and name
	Org     Org  // zero for an app of no org
	Role    Role
	Until   time.Time // support access ends then; zero: the membership does not end by itself
	Version int64     // how often the membership changed; 0 of a runner

	// Of a registered client.
	ID       GrantID
	ClientID ClientID
	Scope    string
}

// Idle is after how long without use the session is over for the org; 0: it may rest.
func (g Grant) Idle() Seconds {
	if g.Session.IdleExpiresAt.IsZero() {
		return 0
	}
	idle := Seconds(g.Session.IdleExpiresAt.Sub(g.Session.LastSeenAt) / time.Second)
	if own := g.Org.SessionsLast().Idle; own > 0 {
		idle = min(idle, own)
	}
	return idle
}

// GrantStore keeps codes, and what apps and org hosts are granted for them.
type GrantStore interface {
	InsertCode(ctx context.Context, a Actor, c NewCode) error
	RedeemCode(ctx context.Context, a Actor, m CodeMatch) (Grant, error)
	Grant(ctx context.Context, a Actor, sid SessionID, org OrgID) (Grant, error)
	GrantByID(ctx context.Context, a Actor, id GrantID) (Grant, error)
	GrantByRefresh(ctx context.Context, a Actor, token Hash) (Grant, error)
	Refresh(ctx context.Context, a Actor, m RefreshMatch) (Grant, error)
	EndGrant(ctx context.Context, a Actor, id GrantID) error
}
