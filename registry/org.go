package registry

import (
	"context"
	"time"
)

// Org is a tenant.
type Org struct {
	ID   OrgID  `json:"id" doc:"ID of the org (UUIDv7); never changes"`
	Slug string `json:"slug" doc:"the org's DNS label; can change"`
	Name string `json:"name" doc:"display name"`
	Plan string `json:"plan" doc:"plan that the operator assigned"`
	// Provider is set for this org alone.
	Provider string    `json:"provider,omitempty" doc:"provider that a platform admin gave the org; absent: its plan's, or the default"`
	Status   OrgStatus `json:"status" enum:"provisioning,active,suspended,deleting,deleted" doc:"provisioning until the first instance runs; deleting can be undone until delete_at"`
	Reason   string    `json:"reason,omitempty" doc:"why it is suspended"`
	// Generation counts the instances that the org has had; a new one gets the next number.
	Generation int64     `json:"generation" doc:"number of its newest instance"`
	Version    int64     `json:"version" doc:"rises with every edit; the same number as in the ETag"`
	CreatedAt  time.Time `json:"created_at" doc:"when it was created"`
	UpdatedAt  time.Time `json:"updated_at" doc:"last edit"`
	DeleteAt   time.Time `json:"delete_at,omitzero" doc:"until then a deletion can be undone"`
	// What it asks of its people's sign-in; see Lacks.
	SSORequired        bool `json:"sso_required" doc:"members, owners aside, must sign in with the org's identity provider"`
	SecondStepRequired bool `json:"second_step_required" doc:"members need two-factor authentication"`
	// How long a sign-in session counts for it.
	Sessions Lifetimes `json:"sessions" doc:"when members have to sign in again for this org"`
	// What its plan asks for. The shorter one counts.
	PlanSessions Lifetimes `json:"plan_sessions" doc:"when the org's plan lets members sign in again; the shorter one counts"`
	// How often that changed: a token issued under another number is read again.
	SignInVersion int64 `json:"-"`
}

// SessionsLast is how long sessions count for the org.
func (o Org) SessionsLast() Lifetimes { return o.Sessions.Shorter(o.PlanSessions) }

// OrgView is an org as one actor sees it.
type OrgView struct {
	Org
	Role Role `json:"role,omitempty" enum:"member,admin,owner" doc:"your own role; absent for platform admins who are not members"`
	// WantedRole is the role that the actor gets once their address is verified.
	WantedRole Role     `json:"wanted_role,omitempty" enum:"member,admin,owner" doc:"role that you get once your email address is verified"`
	Instance   Instance `json:"instance" doc:"server of the org"`
}

// NewOrg is what CreateOrg needs.
type NewOrg struct {
	Slug  string
	Name  string // 1 to 80 characters; default: the slug
	Plan  string // default: DefaultPlan
	Owner UserID // may be empty: an org made by the operator waits for its first owner
}

// OrgStatus is what was decided about an org; how its instance does is InstanceState.
type OrgStatus string

// The statuses.
const (
	OrgProvisioning OrgStatus = "provisioning" // its instance has not been healthy yet
	OrgActive       OrgStatus = "active"
	OrgSuspended    OrgStatus = "suspended" // closed by an admin; the instance is stopped, data kept
	OrgDeleting     OrgStatus = "deleting"  // closed; removed when the time to keep it has passed
	OrgDeleted      OrgStatus = "deleted"   // final; the slug is in quarantine
)

// orgTransitions is the one table of legal status changes.
var orgTransitions = transitions[OrgStatus]{
	{OrgProvisioning, []OrgStatus{OrgActive, OrgSuspended, OrgDeleting}},
	{OrgActive, []OrgStatus{OrgSuspended, OrgDeleting}},
	{OrgSuspended, []OrgStatus{OrgProvisioning, OrgDeleting}},
	{OrgDeleting, []OrgStatus{OrgDeleted, OrgProvisioning, OrgSuspended}}, // kept after all
	{OrgDeleted, nil},
}

// OrgStatuses lists every status.
func OrgStatuses() []OrgStatus {
	return orgTransitions.all()
}

// OrgDeletion says how an org is deleted.
type OrgDeletion struct {
	Confirm string // the org's slug, typed by who deletes it
	Now     bool   // without DeleteUndo
}

// DeleteUndo is how long a deleted org can be kept after all.
const DeleteUndo = 7 * 24 * time.Hour

// To returns a CodeConflict error when an org may not go from s to next.
func (s OrgStatus) To(next OrgStatus) error {
	if orgTransitions.allows(s, next) {
		return nil
	}
	return Errorf(CodeConflict, "status", "the org is %s and cannot become %s", s, next).Because(ReasonWrongStatus)
}

// OrgReader reads orgs.
type OrgReader interface {
	Org(ctx context.Context, a Actor, id OrgID) (OrgView, error)
	OrgBySlug(ctx context.Context, a Actor, slug string) (OrgView, error)
	OrgByFormerSlug(ctx context.Context, a Actor, slug string) (OrgView, error)
	OrgID(ctx context.Context, a Actor, slug string) (OrgID, error)
	Orgs(ctx context.Context, a Actor, l OrgList) (Page[OrgView], error)
	MyOrgs(ctx context.Context, a Actor) ([]OrgView, error)
}

// OrgStore creates and changes orgs.
type OrgStore interface {
	CreateOrg(ctx context.Context, a Actor, n NewOrg) (Org, error)
	UpdateOrg(ctx context.Context, a Actor, id OrgID, version int64, name string) error
	RenameOrg(ctx context.Context, a Actor, id OrgID, version int64, slug string) error
	SuspendOrg(ctx context.Context, a Actor, id OrgID, version int64, reason string) error
	ResumeOrg(ctx context.Context, a Actor, id OrgID, version int64) error
	RestartInstance(ctx context.Context, a Actor, id OrgID, version int64) error
	DeleteOrg(ctx context.Context, a Actor, id OrgID, version int64, d OrgDeletion) error
	KeepOrg(ctx context.Context, a Actor, id OrgID, version int64) error
	TransferOrg(ctx context.Context, a Actor, org OrgID, to UserID) error
}
