package registry

import "time"

// RunnerID identifies a runner: a UUIDv7. It is the subject of the runner's
// tokens, and their session, so that a revocation ends them as it ends a sign-out's.
type RunnerID string

// Session is the session that the runner's tokens belong to.
func (id RunnerID) Session() SessionID { return SessionID(id) }

// Runner is a machine that works for an org: a build host, a coding agent. It
// holds a key (`pzr_`) of which the store has the SHA-256, and gets short tokens for
// its org's host with it: nothing of the control plane, nothing of another org.
type Runner struct {
	ID             RunnerID  `json:"id"`
	OrgID          OrgID     `json:"org_id"`
	Name           string    `json:"name"`
	EnrolledBy     UserID    `json:"enrolled_by,omitempty"` // "" = the operator
	EnrolledByName string    `json:"enrolled_by_name"`      // e-mail address, or operator
	CreatedAt      time.Time `json:"created_at"`
	ExpiresAt      time.Time `json:"expires_at"`
	LastSeenAt     time.Time `json:"last_seen_at,omitzero"`   // when it last asked for a token
	Address        string    `json:"address,omitempty"`       // client IP of that
	Connections    int       `json:"connections"`             // open WebSockets and streams; not of the store
	Gone           bool      `json:"enroller_gone,omitempty"` // who enrolled it is no member any more
}

// RunnerClaim is the permission to enroll one runner, once and soon. Who holds
// its secret (`pzc_`) needs nothing else.
type RunnerClaim struct {
	ID        string    `json:"id"`
	OrgID     OrgID     `json:"org_id"`
	Name      string    `json:"name,omitempty"` // of the runner; "" = the machine says
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// NewRunnerClaim is what CreateRunnerClaim needs.
type NewRunnerClaim struct {
	Name string
	Life time.Duration // of the runner's key; 0 = KeyLife, at most KeyLifeMax
}

// RunnerList asks for runners. Sorts: name (usual), created_at.
type RunnerList struct {
	List
	EnrolledBy UserID // "" = anybody
}

// RunnerSeen is when and from where a runner last asked for a token.
type RunnerSeen struct {
	At      time.Time
	Address string
}

// Lifetime of a claim, and the number of runners and open claims of an org.
const (
	RunnerClaimLife = 15 * time.Minute
	RunnersMax      = 1000
)
