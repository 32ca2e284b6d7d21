package registry

import (
	"time"
)

// Org is a tenant.
type Org struct {
	ID     OrgID     `json:"id"`
	Slug   string    `json:"slug"` // its DNS label; may change, the ID does not
	Name   string    `json:"name"`
	Plan   string    `json:"plan"`
	Status OrgStatus `json:"status" enum:"provisioning,active,suspended,deleting,deleted"`
	Reason string    `json:"reason,omitempty"` // why it is suspended
	// Generation counts the instances that the org has had; a new one gets the next number.
	Generation int64     `json:"generation"`
	Version    int64     `json:"version"` // changes with every edit; see Stale
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	DeleteAt   time.Time `json:"delete_at,omitzero"` // being deleted: until then it can be kept
	// What it asks of its people's sign-in; see Lacks.
	SSORequired        bool `json:"sso_required"`
	SecondStepRequired bool `json:"second_step_required"`
	// How often that changed: a token issued under another number is read again.
	SignInVersion int64 `json:"-"`
}

// OrgView is an org as one actor sees it.
type OrgView struct {
	Org
	Role Role `json:"role,omitempty" enum:"member,admin,owner"` // the actor's own; empty for a platform admin who is no member
	// WantedRole is the role that the actor gets once their address is verified.
	WantedRole Role     `json:"wanted_role,omitempty" enum:"member,admin,owner"`
	Instance   Instance `json:"instance"`
}

// NewOrg is what CreateOrg needs.
type NewOrg struct {
	Slug  string
	Name  string // 1 to 80 characters; default: the slug
	Plan  string // default: "standard"
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
var orgTransitions = map[OrgStatus][]OrgStatus{
	OrgProvisioning: {OrgActive, OrgSuspended, OrgDeleting},
	OrgActive:       {OrgSuspended, OrgDeleting},
	OrgSuspended:    {OrgProvisioning, OrgDeleting},
	OrgDeleting:     {OrgDeleted, OrgProvisioning, OrgSuspended}, // kept after all
	OrgDeleted:      {},
}

// OrgStatuses lists every status.
func OrgStatuses() []OrgStatus {
	return []OrgStatus{OrgProvisioning, OrgActive, OrgSuspended, OrgDeleting, OrgDeleted}
}

// DeleteUndo is how long a deleted org can be kept after all.
const DeleteUndo = 7 * 24 * time.Hour

// To returns a Conflict error when an org may not go from s to next.
func (s OrgStatus) To(next OrgStatus) error {
	for _, t := range orgTransitions[s] {
		if t == next {
			return nil
		}
	}
	return Errorf(Conflict, "status", "the org is %s and cannot become %s", s, next).Because(WrongStatus)
}
