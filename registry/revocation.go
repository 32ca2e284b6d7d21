package registry

import "context"

// Revocation names people and runners whose access to an org ended or changed. The app of the org
// ends what they have open and their sessions; those who may still use it sign in again.
type Revocation struct {
	Users   []UserID   `json:"users,omitempty"`
	Runners []RunnerID `json:"runners,omitempty"`

	// Those of them who may not use the app any more: what the app itself gave them is to end, such as
	// API keys.
	GoneUsers   []UserID   `json:"gone_users,omitempty"`
	GoneRunners []RunnerID `json:"gone_runners,omitempty"`
}

// InstanceRef names one instance for ever.
type InstanceRef struct {
	OrgID      OrgID
	Generation int64
}

// Untold is a person or a runner that the instance of an org is to be told of.
type Untold struct {
	UserID   UserID
	RunnerID RunnerID
	Seq      int64 // of the last change that is to be told
	Gone     bool  // they may not use the app any more
}

// UntoldMax is how many Untold returns at most.
const UntoldMax = 1000

// RevocationStore keeps what instances are yet to be told. The change itself makes the entry, in its
// transaction, and it stays until an instance of the org was told: also over restarts of either.
type RevocationStore interface {
	UntoldInstances(ctx context.Context, a Actor) ([]InstanceRef, error)
	Untold(ctx context.Context, a Actor, org OrgID) ([]Untold, error)
	MarkTold(ctx context.Context, a Actor, org OrgID, list []Untold) error
}
