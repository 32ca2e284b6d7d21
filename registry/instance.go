package registry

import (
	"cmp"
	"context"
	"regexp"
	"time"
)

// Instance is the one dedicated server of an org: what is wanted, and what
// the reconciler last saw.
type Instance struct {
	OrgID      OrgID         `json:"org_id" doc:"org that the instance serves"`
	Generation int64         `json:"generation" doc:"number of this instance; each replacement gets the next one"`
	Desired    Desired       `json:"desired" enum:"running,stopped,absent" doc:"what the control plane aims for"`
	State      InstanceState `json:"state" enum:"pending,starting,running,degraded,failed,stopped,absent" doc:"what was last observed"`
	Detail     string        `json:"detail,omitempty" doc:"what happens now, or what went wrong"`
	Address    string        `json:"address,omitempty" doc:"where the instance listens; shown to platform admins only"`
	Provider   string        `json:"provider,omitempty" doc:"name of the provider that runs it; absent until it is started"`
	Failures   int           `json:"failures" doc:"consecutive failures; reset after a while of health"`
	Steps      []Step        `json:"steps,omitempty" doc:"progress of the current start, oldest first"`
	ChangedAt  time.Time     `json:"changed_at" doc:"last change of the state"`

	// Previous is the provider that earlier generations may still run under. It counts until this
	// generation has one.
	Previous string `json:"-"`

	// Heartbeat is the last one of this generation while it serves.
	Heartbeat *Heartbeat `json:"heartbeat,omitempty" doc:"what the instance said of itself last; absent until it says something"`

	// Outdated is whether it keeps an earlier configuration until it is restarted. The store does
	// not know: who shows an instance asks the reconciler.
	Outdated bool `json:"outdated,omitempty" doc:"runs with an earlier configuration of the server until it is restarted"`
}

// MarkOutdated sets Outdated by what the reconciler says: the generations that are, by org.
func (i *Instance) MarkOutdated(generations map[OrgID]int64) {
	i.Outdated = i.State.Serves() && generations[i.OrgID] == i.Generation
}

// ForMembers is an instance without where it is on the server: for whoever does not run the platform.
func (i Instance) ForMembers() Instance {
	i.Address, i.Detail = "", places.ReplaceAllString(i.Detail, "…")
	if i.Heartbeat != nil {
		h := i.Heartbeat.ForMembers()
		i.Heartbeat = &h
	}
	return i
}

// places are absolute paths, and addresses with a port.
var places = regexp.MustCompile(`(?:unix:|[a-z]+://)?(?:/[^\s/:'"\x60,;()]+){2,}/?|\[?[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+\]?:[0-9]+\b`)

// Step is one step of bringing an instance up, with its time.
type Step struct {
	Name StepName  `json:"name" doc:"step of the start, such as created"`
	At   time.Time `json:"at" doc:"when the step began"`
}

// StepName is what happened to an instance.
type StepName string

// The steps.
const (
	StepCreated      StepName = "created" // its provider makes it
	StepStarted      StepName = "started" // its provider made it; it does not answer yet
	StepHealthy      StepName = "healthy"
	StepRecovered    StepName = "recovered" // healthy again, without a start
	StepDegraded     StepName = "degraded"
	StepUnresponsive StepName = "unresponsive" // degraded for too long; replaced
	StepCrashed      StepName = "crashed"
	StepFailed       StepName = "failed" // it could not be started or stopped
	StepStopped      StepName = "stopped"
	StepRemoved      StepName = "removed"
)

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
	InstanceStarting InstanceState = "starting" // created, not yet healthy
	InstanceRunning  InstanceState = "running"  // healthy
	InstanceDegraded InstanceState = "degraded" // misses its health checks; still gets requests
	InstanceFailed   InstanceState = "failed"   // the last attempt failed; see RetryAt
	InstanceStopped  InstanceState = "stopped"
	InstanceAbsent   InstanceState = "absent"
)

// InstanceStates lists every state.
func InstanceStates() []InstanceState { return instanceTransitions.all() }

// instanceTransitions is the one table of legal reports by a reconciler. A new
// generation begins as pending, or as starting or failed when it replaces an
// unresponsive one.
var instanceTransitions = transitions[InstanceState]{
	{InstancePending, []InstanceState{
		InstanceStarting, InstanceRunning, InstanceFailed, InstanceStopped, InstanceAbsent,
	}},
	{InstanceStarting, []InstanceState{
		InstanceStarting, InstanceRunning, InstanceFailed, InstanceStopped, InstanceAbsent,
	}},
	{InstanceRunning, []InstanceState{
		InstanceStarting, InstanceRunning, InstanceDegraded, InstanceFailed, InstanceStopped,
		InstanceAbsent,
	}},
	{InstanceDegraded, []InstanceState{
		InstanceStarting, InstanceRunning, InstanceFailed, InstanceStopped, InstanceAbsent,
	}},
	{InstanceFailed, []InstanceState{
		InstanceStarting, InstanceRunning, InstanceFailed, InstanceStopped, InstanceAbsent,
	}},
	{InstanceStopped, []InstanceState{InstanceFailed, InstanceStopped, InstanceAbsent}},
	{InstanceAbsent, []InstanceState{InstanceFailed, InstanceAbsent}},
}

// To returns a CodeConflict error when an instance may not be reported as next after s.
func (s InstanceState) To(next InstanceState) error {
	if instanceTransitions.allows(s, next) {
		return nil
	}
	return Errorf(CodeConflict, "state", "the instance is %s and cannot become %s", s, next)
}

// Serves reports whether requests go to an instance in this state.
func (s InstanceState) Serves() bool { return s == InstanceRunning || s == InstanceDegraded }

// Settled reports whether the state is what was wanted.
func (i Instance) Settled() bool {
	switch i.Desired {
	case DesiredRunning:
		return i.State.Serves()
	case DesiredStopped:
		return i.State == InstanceStopped
	default:
		return i.State == InstanceAbsent
	}
}

// HealthyFor is how long an instance must be healthy until its failures are forgotten.
const HealthyFor = time.Minute

// Recovered reports whether the failures of an instance are to be forgotten.
func (i Instance) Recovered(now time.Time) bool {
	return i.State == InstanceRunning && now.Sub(i.ChangedAt) >= HealthyFor
}

// maxRetryDelay bounds RetryDelay.
const maxRetryDelay = time.Minute

// RetryDelay is the wait after a number of consecutive failures: 1 s, doubled
// by each further failure, at most 1 min. Without a failure there is none.
func RetryDelay(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	return min(maxRetryDelay, time.Second<<min(failures-1, 10))
}

// RetryAt is when a failed instance is tried again, as every reconciler reads it
// from the store. Zero when there is nothing to wait for.
func (i Instance) RetryAt() time.Time {
	if i.State != InstanceFailed || i.Failures == 0 {
		return time.Time{}
	}
	return i.ChangedAt.Add(RetryDelay(i.Failures))
}

// Waits reports whether a failed instance is to be left alone until RetryAt. A
// clock that was set back does not make it wait longer than RetryDelay.
func (i Instance) Waits(now time.Time) bool {
	return !now.Before(i.ChangedAt) && now.Before(i.RetryAt())
}

// Report is what a reconciler saw of an instance.
type Report struct {
	State   InstanceState
	Detail  string // one line; see CleanLine
	Address string
	Step    StepName // when set, added to Steps
	Failure bool     // counts as a failure although State is not InstanceFailed
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
	Limits   Limits // of the org, as they count now

	OrgProvider  string // "": its plan's
	PlanProvider string // "": the default
}

// RunBy is the provider that an org's instance runs under, or was started under last; "" before the
// first start.
func (i Instance) RunBy() string { return cmp.Or(i.Provider, i.Previous) }

// InstanceTokenStore records who is told the token of an instance.
type InstanceTokenStore interface {
	// ShowInstanceToken records that an actor is told what an org's instance elsewhere is to be given.
	ShowInstanceToken(ctx context.Context, a Actor, org OrgID) error
}

// InstanceStore is the work of the reconciler, and the leases on it.
type InstanceStore interface {
	Work(ctx context.Context, a Actor) ([]Work, error)
	WorkOn(ctx context.Context, a Actor, org OrgID) (Work, error)
	Acquire(ctx context.Context, a Actor, org OrgID, ttl time.Duration) (Lease, error)
	Renew(ctx context.Context, a Actor, l Lease, ttl time.Duration) (Lease, error)
	Release(ctx context.Context, a Actor, l Lease) error
	Report(ctx context.Context, a Actor, l Lease, gen int64, provider string, r Report) error
	ReplaceInstance(
		ctx context.Context, a Actor, l Lease, gen int64, provider string, r Report,
	) (next Instance, err error)
}
