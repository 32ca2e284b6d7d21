package registry

import (
	"context"
	"time"
)

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
