package registry

import "time"

// Instance is the one dedicated server of an org: what is wanted, and what
// the reconciler last saw.
type Instance struct {
	OrgID      OrgID         `json:"org_id"`
	Generation int64         `json:"generation"`
	Desired    Desired       `json:"desired"`
	State      InstanceState `json:"state"`
	Detail     string        `json:"detail,omitempty"` // what happens or what went wrong, for people
	Address    string        `json:"address,omitempty"`
	Provider   string        `json:"provider,omitempty"`
	Failures   int           `json:"failures"` // in a row
	Steps      []Step        `json:"steps,omitempty"`
	ChangedAt  time.Time     `json:"changed_at"`
}

// Step is one step of bringing an instance up, with its time.
type Step struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Desired is what an instance should be.
type Desired string

// What an instance should be.
const (
	DesiredRunning Desired = "running"
	DesiredStopped Desired = "stopped" // not running, data kept
	DesiredAbsent  Desired = "absent"  // removed; data is kept until it is purged
)

// InstanceState is what an instance was last seen to be.
type InstanceState string

// The states.
const (
	InstancePending  InstanceState = "pending"  // nobody has begun
	InstanceStarting InstanceState = "starting" // made, not yet healthy
	InstanceRunning  InstanceState = "running"  // healthy
	InstanceFailed   InstanceState = "failed"   // the last try failed; it is tried again
	InstanceStopped  InstanceState = "stopped"
	InstanceAbsent   InstanceState = "absent"
)

// InstanceStates lists every state.
func InstanceStates() []InstanceState {
	return []InstanceState{InstancePending, InstanceStarting, InstanceRunning, InstanceFailed, InstanceStopped, InstanceAbsent}
}

// Settled reports whether the state is what was wanted.
func (i Instance) Settled() bool {
	switch i.Desired {
	case DesiredRunning:
		return i.State == InstanceRunning
	case DesiredStopped:
		return i.State == InstanceStopped
	default:
		return i.State == InstanceAbsent
	}
}

// Report is what a reconciler saw of an instance.
type Report struct {
	State   InstanceState
	Detail  string
	Address string
	Step    string // when set, added to Steps
}

// Lease lets one reconciler work on one org. Token rises with every new
// holder (a fencing token): a report with an older one is refused.
type Lease struct {
	OrgID     OrgID
	Token     int64
	ExpiresAt time.Time
}

// Work is an instance with what a reconciler must know of its org.
type Work struct {
	Instance Instance
	Slug     string
	Status   OrgStatus
}
