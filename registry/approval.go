package registry

import (
	"context"
	"time"
)

// ApprovalID identifies a request for an approval: a UUIDv7.
type ApprovalID string

// Approval is a request, from outside an org, to change who gets into it. It waits for an owner
// of the org, and stands for exactly what it says, once.
type Approval struct {
	ID        ApprovalID    `json:"id" doc:"ID of the request (UUIDv7)"`
	OrgID     OrgID         `json:"org_id" doc:"org that the request is about"`
	OrgName   string        `json:"org_name" doc:"display name of that org"`
	Kind      ApprovalKind  `json:"kind" enum:"invite,role,return,break_glass" doc:"what is asked for: an invitation, another role, the return of a member, or an owner for an org whose owners are gone"`
	UserID    UserID        `json:"user_id,omitempty" doc:"account concerned; absent for an invitation"`
	Email     string        `json:"email" doc:"email address of the person concerned"`
	Role      Role          `json:"role" enum:"member,admin,owner" doc:"role that the person gets"`
	Was       Role          `json:"was,omitempty" enum:"member,admin,owner" doc:"their role when it was asked for"`
	Reason    string        `json:"reason,omitempty" doc:"why the person is kept out of the org"`
	AskedBy   string        `json:"asked_by" doc:"email address of the person who asked, or operator"`
	AskedByID UserID        `json:"asked_by_id,omitempty" doc:"account that asked; absent for the operator"`
	State     ApprovalState `json:"state" enum:"waiting,approved,refused,ended,done" doc:"waiting until an owner decides or it expires; done: took effect without an owner"`
	CreatedAt time.Time     `json:"created_at" doc:"when it was asked for"`
	ExpiresAt time.Time     `json:"expires_at,omitzero" doc:"when the request ends; absent: it waits until somebody decides"`
	// EffectiveAt is when it happens without an approval, unless an owner refuses it before.
	EffectiveAt time.Time `json:"effective_at,omitzero" doc:"when it takes effect, unless an owner refuses it before"`
	DecidedBy   string    `json:"decided_by,omitempty" doc:"email address of the person who decided"`
}

// ApprovalKind says what a request is for.
type ApprovalKind string

// The kinds of requests.
const (
	ApprovalInvite     ApprovalKind = "invite"      // somebody into the org
	ApprovalRole       ApprovalKind = "role"        // of a member, to another one
	ApprovalReturn     ApprovalKind = "return"      // of a member as whom an admin could sign in
	ApprovalBreakGlass ApprovalKind = "break_glass" // an owner, for an org whose owners are gone
)

// ApprovalState is how far a request is.
type ApprovalState string

// The states.
const (
	ApprovalWaiting  ApprovalState = "waiting"
	ApprovalApproved ApprovalState = "approved"
	ApprovalRefused  ApprovalState = "refused"
	ApprovalEnded    ApprovalState = "ended" // taken back, expired, or its ground is gone
	ApprovalDone     ApprovalState = "done"  // it took effect without an owner
)

// Times of approvals.
const (
	ApprovalLife   = 7 * 24 * time.Hour // how long a request waits for an owner
	BreakGlassWait = 72 * time.Hour     // how long members can object to what happens without one
	ApprovalsMax   = 100                // that wait in one org
)

// NewApproval is what RequestApproval needs.
type NewApproval struct {
	Kind  ApprovalKind // invite or role
	Email string       // of an invitation
	User  UserID       // whose role
	Role  Role
}

// ErrOwnerApproves is the error for a change that waits for an owner: see Store.RequestApproval.
var ErrOwnerApproves = Errorf(CodeForbidden, "role", "this org has an owner, who has to approve this").Because(ReasonApprovalNeeded)

// ErrFromOutside is the error for what gives access to an org that has an owner, and is not done
// from outside at all.
func ErrFromOutside(what string) *Error {
	return Errorf(CodeForbidden, "", "only lasting members of an org that has an owner %s: ask its "+
		"owners to do it. Support access is not enough, because it ends", what)
}

// ReturnReader lists the orgs that a person waits to return to.
type ReturnReader interface {
	Returns(ctx context.Context, a Actor, id UserID) ([]Approval, error)
}

// ApprovalStore lists and ends requests for an approval.
type ApprovalStore interface {
	Approvals(ctx context.Context, a Actor, org OrgID) ([]Approval, error)
	EndApproval(ctx context.Context, a Actor, org OrgID, id ApprovalID) error
}

// ApprovalDecider asks for approvals and gives them.
type ApprovalDecider interface {
	RequestApproval(ctx context.Context, a Actor, org OrgID, n NewApproval) (Approval, error)
	DecideApproval(
		ctx context.Context, a Actor, org OrgID, id ApprovalID, d Decision, secret Hash,
	) (p Approval, l Link, err error)
	BreakGlass(ctx context.Context, a Actor, org OrgID, email string) (Approval, error)
}
