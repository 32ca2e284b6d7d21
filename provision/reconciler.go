package provision

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Config of a Reconciler.
type Config struct {
	Store       registry.InstanceStore
	Provider    Provider
	Environment func(registry.Work) (map[string]string, error)
	// Configuration is what Spec says of it, and may change at any time. Optional.
	Configuration func() string
	// Health says how instances are asked how they are, and may change at any time. Optional.
	Health func() Health
	// Dial reaches instances for health checks. Optional: a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger
	Now  func() time.Time
	// Started is told how long an instance took from the first look to healthy. Optional.
	Started func(d time.Duration)
	// Failed is told every failure that counts for the back-off. Optional.
	Failed func(Failure)
}

// Failure is why an instance is not as it should be.
type Failure string

// The failures.
const (
	FailureStart        Failure = "start"        // it could not be created, or did not become healthy
	FailureStop         Failure = "stop"         // it could not be stopped
	FailureCrash        Failure = "crash"        // it ended by itself after it had been healthy
	FailureUnresponsive Failure = "unresponsive" // it was restarted since it missed its health checks
)

// Failures lists every failure.
func Failures() []Failure {
	return []Failure{FailureStart, FailureStop, FailureCrash, FailureUnresponsive}
}

// Reconciler drives one provider. It implements registry.FeedHandler.
type Reconciler struct {
	Config
	checker *checker
	queue   *queue
	watch   *watch
	slots   chan struct{}
}

const (
	workers    = 8
	resync     = 2 * time.Second
	sweepEvery = 30 * time.Second
)

var self = registry.AsSystem("reconciler")

// NewReconciler makes a Reconciler; Run starts it.
func NewReconciler(c Config) *Reconciler {
	if c.Health == nil {
		c.Health = DefaultHealth
	}
	if c.Configuration == nil {
		c.Configuration = func() string { return "" }
	}
	r := &Reconciler{
		Config: c, checker: newChecker(c.Dial), queue: newQueue(),
		slots: make(chan struct{}, workers),
	}
	r.watch = &watch{r: r, all: map[registry.OrgID]*subject{}}
	return r
}

// Apply implements registry.FeedHandler.
func (r *Reconciler) Apply(c registry.Change) {
	switch c.Kind {
	case registry.ChangeOrgCreated, registry.ChangeOrgSuspended, registry.ChangeOrgResumed, registry.ChangeOrgDeleting,
		registry.ChangeOrgKept, registry.ChangeInstanceChanged, registry.ChangeSettingsChanged:
		r.Look(c.OrgID)
	}
}

// Reset implements registry.FeedHandler: everything gets a look at the next tick.
func (r *Reconciler) Reset() {}

// Look asks for an org to be looked at soon. What fails is tried again no sooner for it.
func (r *Reconciler) Look(org registry.OrgID) { r.queue.add(org, nil) }

// Outdated returns the instances that serve and were started with another configuration than the
// one that counts now: their generations, by org. They keep it until they are restarted.
func (r *Reconciler) Outdated() map[registry.OrgID]int64 {
	return r.watch.outdated(r.Configuration())
}

// Run reconciles until ctx ends, and returns when all workers have.
func (r *Reconciler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer r.checker.close()
	defer wg.Wait()
	wg.Go(func() { r.sweeps(ctx) })
	wg.Go(func() { r.watch.run(ctx) })
	tick := time.NewTicker(resync)
	defer tick.Stop()
	due := time.NewTimer(resync)
	defer due.Stop()
	r.lookAtAll(ctx)
	for {
		for org, w := range r.queue.take(r.Now()) {
			select {
			case r.slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() { r.work(ctx, org, w) })
		}
		if at, ok := r.queue.next(); ok {
			due.Reset(at.Sub(r.Now()))
		}
		select {
		case <-ctx.Done():
			return
		case <-r.queue.wake:
		case <-due.C:
		case <-tick.C:
			r.lookAtAll(ctx)
		}
	}
}

// lookAtAll queues every instance that is wanted or still there, but for those
// that wait after a failure.
func (r *Reconciler) lookAtAll(ctx context.Context) {
	all, err := r.Store.Work(ctx, self)
	if err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("cannot read desired state", "error", err)
		}
		return
	}
	r.watch.keep(all)
	now := r.Now()
	for i := range all {
		if at := all[i].Instance.RetryAt(); all[i].Instance.Waits(now) {
			r.queue.addAt(all[i].Instance.OrgID, at)
			continue
		}
		r.queue.add(all[i].Instance.OrgID, &all[i])
	}
}

// work looks at one org and, when something is to do, does it under a lease. It
// gives its slot back, at the latest when it returns.
func (r *Reconciler) work(ctx context.Context, org registry.OrgID, w *registry.Work) {
	release := sync.OnceFunc(func() { <-r.slots })
	defer release()
	defer r.queue.done(org)
	err := r.once(ctx, org, w, release)
	switch {
	case err == nil, ctx.Err() != nil, registry.ErrorCode(err) == registry.CodeNotFound:
	case errors.Is(err, errSuperseded):
		r.queue.add(org, nil)
	case registry.ErrorCode(err) == registry.CodeConflict: // another has it, or it changed meanwhile
	default:
		r.Log.Warn("reconcile failed, retrying", "org", org, "error", err)
	}
}
