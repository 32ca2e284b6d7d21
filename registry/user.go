package registry

import (
	"context"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// User is a central account.
type User struct {
	ID            UserID       `json:"id" doc:"ID of the account (UUIDv7)"`
	Email         string       `json:"email" doc:"email address, in lower case"`
	EmailVerified bool         `json:"email_verified" doc:"mail to the address arrived, or a platform admin vouched for it"`
	Name          string       `json:"name" doc:"display name"`
	PlatformAdmin bool         `json:"platform_admin" doc:"manages all orgs and accounts"`
	PasswordHash  PasswordHash `json:"-"`
	CreatedAt     time.Time    `json:"created_at" doc:"when the account was created"`
	// DeviceEpoch rises when all sessions end: browsers that signed in before are known no more.
	DeviceEpoch int64 `json:"-"`
	// RecoveredAt is when the password was reset; zero once the person reviewed the account.
	RecoveredAt time.Time `json:"recovered_at,omitzero" doc:"password reset that the person has not reviewed yet"`
	// DisabledAt is when the account was disabled; zero: it is not. Nobody signs in to it.
	DisabledAt     time.Time `json:"disabled_at,omitzero" doc:"when the account was disabled; absent: enabled"`
	DisabledReason string    `json:"disabled_reason,omitempty" doc:"why it was disabled"`
	// LastSignInAt is zero when nobody ever signed in.
	LastSignInAt time.Time `json:"last_sign_in_at,omitzero" doc:"last sign-in; absent: never"`
	// EnabledAt is when the account was enabled after it was disabled; zero: it never was.
	EnabledAt time.Time `json:"-"`
	// MadeByOrg is the org whose invitation or provider made the account, "" for none.
	MadeByOrg OrgID `json:"-"`
}

// Disabled reports whether the account was disabled.
func (u User) Disabled() bool { return !u.DisabledAt.IsZero() }

// Confirm compares what somebody typed to confirm that they mean this account. Error: CodeInvalid.
func (u User) Confirm(typed string) error {
	if email, err := CleanEmail(typed); err != nil || email != u.Email {
		return Errorf(CodeInvalid, "confirm", "type the account's e-mail address to confirm: %s", u.Email)
	}
	return nil
}

// Dormant reports whether nobody has signed in to the account since a time, though somebody could
// have.
func (u User) Dormant(since time.Time) bool {
	return u.LastSignInAt.Before(since) && u.CreatedAt.Before(since) && u.EnabledAt.Before(since)
}

// UserChange is what changes of an account; nil stays as it is.
type UserChange struct {
	Name          *string
	PlatformAdmin *bool
}

// UserDisabling says how an account is disabled.
type UserDisabling struct {
	Reason        string // up to 500 characters, for platform admins
	RevokeRunners bool   // of the runners that the person enrolled
	LastOwner     bool   // even when an org loses its last owner who can act
}

// UserDeletion says how an account is deleted.
type UserDeletion struct {
	RevokeRunners bool // of the runners that the person enrolled
}

// ReasonDormant is the reason of accounts that are disabled because nobody signs in to them.
const ReasonDormant = "no sign-in for a long time"

// NewUser is what CreateUser needs.
type NewUser struct {
	Email         string
	Name          string
	PlatformAdmin bool
	PasswordHash  PasswordHash
	MadeByOrg     OrgID // see User
}

// CleanEmail trims (spaces and tabs) and lower-cases (A to Z) an e-mail address and returns an
// CodeInvalid error on field "email" when it cannot be one. It asks for the shape only
// (RFC 5321 limits: 64 octets local part, 254 in all); whether the address
// exists is for a message to find out.
func CleanEmail(s string) (string, error) {
	s = ascii.Lower(ascii.Trim(s))
	local, domain, ok := strings.Cut(s, "@")
	bad := !ok || local == "" || len(local) > 64 || len(s) > 254 || strings.Contains(domain, "@") ||
		domain == "" || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, "..")
	for _, c := range []byte(s) {
		// Non-ASCII is refused: two addresses that look alike must not be two accounts.
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<>[\]{}`, c) >= 0 {
			bad = true
		}
	}
	if bad {
		return "", Errorf(CodeInvalid, "email", "%q is not an e-mail address: write it like name@example.com", s)
	}
	return s, nil
}

// UserReader reads accounts.
type UserReader interface {
	User(ctx context.Context, a Actor, id UserID) (User, error)
	UserByEmail(ctx context.Context, a Actor, email string) (User, error)
	Users(ctx context.Context, a Actor, l UserList) (Page[User], error)
	UserOrgs(ctx context.Context, a Actor, id UserID) ([]OrgView, error)
}

// UserStore changes and closes accounts.
type UserStore interface {
	UpdateUser(ctx context.Context, a Actor, id UserID, c UserChange) error
	VerifyUser(ctx context.Context, a Actor, id UserID) error
	DisableUser(ctx context.Context, a Actor, id UserID, d UserDisabling) (User, error)
	EnableUser(ctx context.Context, a Actor, id UserID) (User, error)
	DeleteUser(ctx context.Context, a Actor, id UserID, d UserDeletion) (User, error)
}

// AccountStore creates accounts and keeps their passwords.
type AccountStore interface {
	CreateUser(ctx context.Context, a Actor, n NewUser) (User, error)
	SetPassword(ctx context.Context, a Actor, hash PasswordHash) error
	Rehash(ctx context.Context, a Actor, id UserID, from, to PasswordHash) error
}
