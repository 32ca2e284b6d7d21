package registry

import (
	"context"
	"strings"
	"time"
)

// Session is a sign-in session at the control plane. Its token is known to the
// browser alone; the store has its SHA-256.
type Session struct {
	ID         SessionID `json:"id" doc:"ID of the session (UUIDv7)"`
	UserID     UserID    `json:"user_id" doc:"account that is signed in"`
	AuthTime   time.Time `json:"auth_time" doc:"last time the person proved who they are"`
	CreatedAt  time.Time `json:"created_at" doc:"when the session began"`
	LastSeenAt time.Time `json:"last_seen_at" doc:"last use, accurate to about a minute"`
	ExpiresAt  time.Time `json:"expires_at" doc:"when the session ends at the latest"`
	// IdleExpiresAt is zero of a device's session, which may rest.
	IdleExpiresAt time.Time `json:"idle_expires_at,omitzero" doc:"when the session ends if nobody uses it; absent: it may stay unused"`
	Address       string    `json:"address" doc:"client IP address at sign-in"`
	UserAgent     string    `json:"user_agent" doc:"browser or program, as it calls itself"`
	// Methods are how the person showed who they are, as words of RFC 8176 (amr); none of a sign-in with a provider elsewhere.
	Methods      string       `json:"methods" doc:"how the person signed in, as space-separated words of RFC 8176 (amr); empty with an identity provider"`
	ConnectionID ConnectionID `json:"connection_id,omitempty" doc:"identity provider that was used; absent: none"`
	ViaOrg       OrgID        `json:"-"` // whose connection it is
}

// NewSession is what CreateSession needs.
type NewSession struct {
	Token              Hash
	User               User // as it was when the person showed that it is theirs
	Address, UserAgent string
	Methods            string
	Connection         ConnectionID
	AuthTime           time.Time // when the person showed who they are; zero = now
}

// The ways to show who one is, as RFC 8176 names them.
const (
	MethodPassword = "pwd"
	MethodCode     = "otp" // of an authenticator app, or a recovery code
	MethodPasskey  = "pop"
	MethodMultiple = "mfa" // more than one factor
)

// WithMethod adds a second way to a first, which may be none of our own.
func WithMethod(first, second string) string {
	return strings.TrimSpace(first + " " + second + " " + MethodMultiple)
}

// Ends is when the session ends if nobody uses it from now on.
func (s Session) Ends() time.Time {
	if i := s.IdleExpiresAt; !i.IsZero() && i.Before(s.ExpiresAt) {
		return i
	}
	return s.ExpiresAt
}

// SignIn is how the session was made.
func (s Session) SignIn() SignIn {
	return SignIn{
		Via: s.ViaOrg, Second: HasWord(s.Methods, MethodMultiple), At: s.CreatedAt,
		Rests: s.IdleExpiresAt.IsZero(),
	}
}

// Lifetimes of a sign-in session, unless the operator says others.
const (
	SessionIdle     = 12 * time.Hour
	SessionAbsolute = 7 * 24 * time.Hour
)

// AuthTimeMax is how long ago a provider may say that somebody signed in there.
const AuthTimeMax = 7 * 24 * time.Hour

// Hash is the SHA-256 of a secret that only its holder knows.
type Hash [32]byte

// Link is a one-time link: to set the installation up, or into an org.
type Link struct {
	ID      string   `json:"id" doc:"ID of the invitation (UUIDv7)"`
	Kind    LinkKind `json:"kind" enum:"setup,invite,verify,email,reset,stop" doc:"what the link is for; always invite in this API"`
	OrgID   OrgID    `json:"org_id,omitempty" doc:"org that the person is invited to"`
	OrgName string   `json:"org_name,omitempty" doc:"display name of that org"`
	OrgSlug string   `json:"org_slug,omitempty" doc:"slug of that org"`
	Role    Role     `json:"role,omitempty" enum:"member,admin,owner" doc:"role that the person gets"`
	// WantedRole is, of an accepted invitation, the role that waits until the address is verified.
	WantedRole Role      `json:"-"`
	Email      string    `json:"email,omitempty" doc:"the only address that can accept the invitation"`
	UserID     UserID    `json:"-"` // whose account it is about
	Mailed     bool      `json:"mailed" doc:"the link was sent by mail, and shown to nobody"`
	CreatedBy  UserID    `json:"created_by,omitempty" doc:"account that invited"`
	CreatedAt  time.Time `json:"created_at" doc:"when it was created"`
	ExpiresAt  time.Time `json:"expires_at" doc:"when the link stops working"`
}

// LinkKind says what a link is for.
type LinkKind string

// The kinds of links.
const (
	LinkSetup  LinkKind = "setup"
	LinkInvite LinkKind = "invite"
	LinkVerify LinkKind = "verify" // that mail to an account's address arrives
	LinkEmail  LinkKind = "email"  // and that it becomes the account's
	LinkReset  LinkKind = "reset"  // of a password
	LinkStop   LinkKind = "stop"   // a change of address, for the old one
)

// Lifetimes of links.
const (
	SetupLinkLife  = time.Hour
	InviteLinkLife = 7 * 24 * time.Hour
	EmailLinkLife  = 24 * time.Hour // of the kinds verify, email and stop
	ResetLinkLife  = time.Hour
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

// Key is one key of a ring. Private is sealed; the store never sees it open.
type Key struct {
	ID        string
	Purpose   string
	Public    []byte // JWK (RFC 7517), JSON
	Private   []byte // sealed JWK
	SignsFrom time.Time
	SignsTo   time.Time // the next key takes over
	ExpiresAt time.Time // verification ends
}

// KeyRotation says what the keys that are replaced are still good for.
type KeyRotation struct {
	Verify    time.Duration // how long what they signed is accepted after they sign no more
	Emergency bool          // they sign no more, and nothing that they signed is accepted
}

// SessionStore lists and ends sign-in sessions.
type SessionStore interface {
	Sessions(ctx context.Context, a Actor, id UserID) ([]Session, error)
	RevokeSession(ctx context.Context, a Actor, id SessionID) error
	RevokeSessions(ctx context.Context, a Actor, id UserID, but SessionID) error
}

// SignInStore begins sign-in sessions and finds them.
type SignInStore interface {
	CreateSession(ctx context.Context, a Actor, n NewSession) (Session, error)
	SessionByToken(ctx context.Context, a Actor, token Hash) (Session, User, error)
	SessionByID(ctx context.Context, a Actor, id SessionID) (Session, User, error)
	TouchSessions(ctx context.Context, a Actor, seen map[SessionID]time.Time) error
	UsedSession(_ context.Context, a Actor, id SessionID, org OrgID, at time.Time) error
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

// KeyStore keeps sealed signing keys.
type KeyStore interface {
	Keys(ctx context.Context, a Actor, purpose string) ([]Key, error)
	AddKey(ctx context.Context, a Actor, k Key) error
	SigningKeys(ctx context.Context, a Actor) ([]Key, error)
	RotateKeys(ctx context.Context, a Actor, keys []Key, r KeyRotation) error
}

// SetupStore lets the first platform admin in.
type SetupStore interface {
	HasPlatformAdmin(ctx context.Context, a Actor) (yes bool, err error)
	CreateSetupLink(ctx context.Context, a Actor, secret Hash) (time.Time, error)
	RedeemSetup(ctx context.Context, a Actor, secret Hash, n NewUser) (User, error)
}

// InviteStore lists and revokes invitations.
type InviteStore interface {
	Invites(ctx context.Context, a Actor, org OrgID) ([]Link, error)
	RevokeInvite(ctx context.Context, a Actor, org OrgID, id string) error
}

// InviteIssuer invites people.
type InviteIssuer interface {
	CreateInvite(
		ctx context.Context, a Actor, org OrgID, email string, role Role, secret Hash,
	) (Link, error)
	AcceptInvite(ctx context.Context, a Actor, secret Hash) (Link, error)
	AcceptInviteAsNew(
		ctx context.Context, a Actor, secret Hash, name string, hash PasswordHash,
	) (u User, l Link, err error)
	DeclineInvite(ctx context.Context, a Actor, secret Hash) error
}

// LinkStore keeps the links of accounts.
type LinkStore interface {
	Link(ctx context.Context, a Actor, secret Hash) (Link, error)
	CreateAccountLink(
		ctx context.Context, a Actor, kind LinkKind, id UserID, email string, secret Hash,
	) (Link, error)
	ConfirmEmail(ctx context.Context, a Actor, secret Hash) (was, now User, err error)
	StopEmailChange(ctx context.Context, a Actor, secret Hash) (User, error)
	ResetPassword(ctx context.Context, a Actor, secret Hash, hash PasswordHash) (User, error)
}
