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

// SessionStore lists and ends sign-in sessions.
type SessionStore interface {
	Sessions(ctx context.Context, a Actor, id UserID) ([]Session, error)
	RevokeSession(ctx context.Context, a Actor, id SessionID) error
	RevokeSessions(ctx context.Context, a Actor, id UserID, but SessionID) error
}

// SignInStore begins sign-in sessions and finds them.
type SignInStore interface {
	SignInPage(ctx context.Context, a Actor, to SignInTo) (SignInPage, error)
	CreateSession(ctx context.Context, a Actor, n NewSession) (Session, error)
	SessionByToken(ctx context.Context, a Actor, token Hash) (Session, User, error)
	SessionByID(ctx context.Context, a Actor, id SessionID) (Session, User, error)
	TouchSessions(ctx context.Context, a Actor, seen map[SessionID]time.Time) error
	UsedSession(_ context.Context, a Actor, id SessionID, org OrgID, at time.Time) error
}
