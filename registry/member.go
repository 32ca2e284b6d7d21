package registry

import (
	"context"
	"time"
)

// Membership links a user to an org.
type Membership struct {
	OrgID     OrgID     `json:"org_id" doc:"org of the membership"`
	UserID    UserID    `json:"user_id" doc:"account of the member"`
	Role      Role      `json:"role" enum:"member,admin,owner" doc:"current role"`
	CreatedAt time.Time `json:"created_at" doc:"when the person joined"`
	EndsAt    time.Time `json:"ends_at,omitzero" doc:"when temporary access ends; absent: no end"`
	// WantedRole is the role that the member gets once the account's address is verified.
	WantedRole Role `json:"wanted_role,omitempty" enum:"member,admin,owner" doc:"role that applies once the email address is verified"`
}

// Member is a membership with the user's public details.
type Member struct {
	Membership
	Email    string `json:"email" doc:"email address of the account"`
	Name     string `json:"name" doc:"display name of the account"`
	Disabled bool   `json:"disabled,omitempty" doc:"the account is disabled, so the person cannot sign in"`
	// Of a member with a WantedRole, for those who may invite: the account is older than the
	// membership. MadeBy is the org whose invitation made it, "" for none.
	AccountSince time.Time `json:"account_since,omitzero" doc:"when the account was created, while the person's role waits for a verified address; shown to those who may invite"`
	MadeBy       string    `json:"account_made_by,omitempty" doc:"org whose invitation created the account, while the role waits"`
}

// MemberRemoval says how a member is removed.
type MemberRemoval struct {
	RevokeRunners bool // of the runners that the person enrolled for the org
}

// MemberReader reads who belongs to an org.
type MemberReader interface {
	Members(ctx context.Context, a Actor, org OrgID, l List) (Page[Member], error)
	Member(ctx context.Context, a Actor, org OrgID, id UserID) (Member, error)
	MemberByEmail(ctx context.Context, a Actor, org OrgID, email string) (Member, error)
	Owners(ctx context.Context, a Actor, org OrgID) ([]Member, error)
	Admins(ctx context.Context, a Actor, org OrgID) ([]Member, error)
}

// MemberRemover ends memberships.
type MemberRemover interface {
	RemoveMember(
		ctx context.Context, a Actor, org OrgID, id UserID, r MemberRemoval,
	) (left []Runner, err error)
}

// RoleSetter changes roles.
type RoleSetter interface {
	SetRole(ctx context.Context, a Actor, org OrgID, id UserID, role Role) error
}
