package registry

import (
	"context"
	"time"
)

// SupportID identifies a request for support access: a UUIDv7.
type SupportID string

// Support is the access of a platform admin to an org for a while, to help its people. They ask, and an owner answers.
type Support struct {
	ID        SupportID    `json:"id" doc:"ID of the request (UUIDv7)"`
	OrgID     OrgID        `json:"org_id" doc:"org that access is asked for"`
	UserID    UserID       `json:"user_id" doc:"account of the platform admin"`
	Email     string       `json:"email" doc:"email address of the platform admin"`
	Name      string       `json:"name" doc:"display name of the platform admin"`
	Role      Role         `json:"role" enum:"member,admin" doc:"role during the access"`
	Reason    string       `json:"reason" doc:"why access is needed"`
	Hours     int          `json:"hours" doc:"duration from the approval on, in hours"`
	State     SupportState `json:"state" enum:"waiting,approved,denied,ended" doc:"waiting until an owner decides; ended: over or withdrawn"`
	CreatedAt time.Time    `json:"created_at" doc:"when it was asked for"`
	DecidedBy string       `json:"decided_by,omitempty" doc:"email address of the owner who decided"`
	EndsAt    time.Time    `json:"ends_at,omitzero" doc:"when approved access ends"`
}

// SupportState is how far a request is.
type SupportState string

// The states.
const (
	SupportWaiting  SupportState = "waiting"
	SupportApproved SupportState = "approved" // until EndsAt
	SupportDenied   SupportState = "denied"
	SupportEnded    SupportState = "ended"
)

// NewSupport is what RequestSupport needs.
type NewSupport struct {
	Role   Role   // member or admin
	Reason string // 1 to 500 characters, for the owners to read
	Hours  int    // 1 to SupportHoursMax
}

// Bounds of support access.
const (
	SupportHoursMax = 72
	SupportWait     = 7 * 24 * time.Hour // how long a request waits for an answer
)

// Clean checks a request. Error: CodeInvalid.
func (n NewSupport) Clean() (NewSupport, error) {
	var err error
	if n.Reason, err = CleanReason(n.Reason); err != nil {
		return n, err
	}
	if n.Reason == "" {
		return n, Errorf(CodeInvalid, "reason", "say in 1 to 500 characters what you need the access for: the org's owners read it")
	}
	if n.Role != RoleMember && n.Role != RoleAdmin {
		return n, Errorf(CodeInvalid, "role", "%q is no role of support: use member or admin", string(n.Role))
	}
	if n.Hours < 1 || n.Hours > SupportHoursMax {
		return n, Errorf(CodeInvalid, "hours", "ask for 1 to %d hours", SupportHoursMax)
	}
	return n, nil
}

// SupportStore answers and ends support access.
type SupportStore interface {
	Supports(ctx context.Context, a Actor, org OrgID) ([]Support, error)
	DecideSupport(
		ctx context.Context, a Actor, org OrgID, id SupportID, d Decision,
	) (Support, error)
	EndSupport(ctx context.Context, a Actor, org OrgID, id SupportID) error
}

// SupportRequester asks for support access.
type SupportRequester interface {
	RequestSupport(ctx context.Context, a Actor, org OrgID, n NewSupport) (Support, error)
}
