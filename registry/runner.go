package registry

import (
	"context"
	"time"
)

// RunnerID identifies a runner: a UUIDv7. It is the subject of the runner's
// tokens, and their session, so that a revocation ends them as it ends a sign-out's.
type RunnerID string

// Session is the session that the runner's tokens belong to.
func (id RunnerID) Session() SessionID { return SessionID(id) }

// Runner is a machine that works for an org: a build host, a coding agent. It
// holds a key (`pzr_`) of which the store has the SHA-256, and gets short tokens for
// its org's host with it: nothing of the control plane, nothing of another org.
type Runner struct {
	ID             RunnerID  `json:"id" doc:"ID of the runner (UUIDv7); its client_id at the token endpoint"`
	OrgID          OrgID     `json:"org_id" doc:"org that the runner works for"`
	Name           string    `json:"name" doc:"name of the machine"`
	EnrolledBy     UserID    `json:"enrolled_by,omitempty" doc:"account that enrolled it; absent for the operator"`
	EnrolledByName string    `json:"enrolled_by_name" doc:"email address of that account, or operator"`
	CreatedAt      time.Time `json:"created_at" doc:"when it enrolled"`
	ExpiresAt      time.Time `json:"expires_at" doc:"when its key stops working"`
	LastSeenAt     time.Time `json:"last_seen_at,omitzero" doc:"when it last asked for a token; absent: never"`
	Address        string    `json:"address,omitempty" doc:"client IP address of that request"`
	Connections    int       `json:"connections" doc:"open WebSockets and streams"`
	Gone           bool      `json:"enroller_gone,omitempty" doc:"the person who enrolled it is no longer a member"`
	App            RunnerApp `json:"app,omitempty" enum:"pizzapi" doc:"app whose own runner it is: it has a key of the app's, in the name of the person who enrolled it, and none of Pizzeria's; absent: none"`
}

// RunnerApp names an app that has runners of its own, with keys of its own.
type RunnerApp string

// RunnerPizzaPi is PizzaPi, behind the agent's profile pizzapi.
const RunnerPizzaPi RunnerApp = "pizzapi"

// RunnerClaim is the permission to enroll one runner, once and soon. Who holds
// its secret (`pzc_`) needs nothing else.
type RunnerClaim struct {
	ID        string    `json:"id" doc:"ID of the token (UUIDv7)"`
	OrgID     OrgID     `json:"org_id" doc:"org that the runner joins"`
	Name      string    `json:"name,omitempty" doc:"name of the runner; absent: the machine chooses"`
	App       RunnerApp `json:"app,omitempty" enum:"pizzapi" doc:"app whose own runner it enrolls; absent: none"`
	CreatedAt time.Time `json:"created_at" doc:"when the token was created"`
	ExpiresAt time.Time `json:"expires_at" doc:"when the token can no longer be used"`
}

// NewRunnerClaim is what CreateRunnerClaim needs.
type NewRunnerClaim struct {
	Name string
	Life time.Duration // of the runner's key; 0 = KeyLife, at most KeyLifeMax
	App  RunnerApp     // whose runner it is; "" = none. Such a runner acts as the person at the app
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

// RunnerStore keeps runners.
type RunnerStore interface {
	Runners(ctx context.Context, a Actor, org OrgID, l RunnerList) (Page[Runner], error)
	Runner(ctx context.Context, a Actor, org OrgID, id RunnerID) (Runner, error)
	RunnerClaim(ctx context.Context, a Actor, org OrgID, id string) (RunnerClaim, error)
	DisconnectRunner(ctx context.Context, a Actor, org OrgID, id RunnerID) error
	RevokeRunner(ctx context.Context, a Actor, org OrgID, id RunnerID) error
}

// RunnerEnroller enrolls runners and lets them in.
type RunnerEnroller interface {
	CreateRunnerClaim(
		ctx context.Context, a Actor, org OrgID, n NewRunnerClaim, secret Hash,
	) (RunnerClaim, error)
	EnrollRunner(ctx context.Context, a Actor, claim Hash, name string, key Hash) (Runner, error)
	RunnerGrant(ctx context.Context, a Actor, id RunnerID, key *Hash) (Grant, error)
	TouchRunners(ctx context.Context, a Actor, seen map[RunnerID]RunnerSeen) error
}
