package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Store is what the Reconciler needs of the registry.
type Store interface {
	Work(ctx context.Context, a registry.Actor) ([]registry.Work, error)
	WorkOn(ctx context.Context, a registry.Actor, org registry.OrgID) (registry.Work, error)
	Acquire(ctx context.Context, a registry.Actor, org registry.OrgID, ttl time.Duration) (registry.Lease, error)
	Release(ctx context.Context, a registry.Actor, l registry.Lease) error
	Report(ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string, r registry.Report) error
}

// Config of a Reconciler.
type Config struct {
	Store       Store
	Provider    Provider
	Environment func(registry.Work) (map[string]string, error)
	HealthPath  string // default: "/healthz"
	Log         *slog.Logger
	Now         func() time.Time
	// Started is told how long an instance took from the first look to healthy. Optional.
	Started func(d time.Duration)
}

// Reconciler drives one provider. It implements registry.FeedHandler.
type Reconciler struct {
	Config
	health *healthChecker

	mu      sync.Mutex
	pending map[registry.OrgID]bool // wants a look
	busy    map[registry.OrgID]bool // a worker has it
	retry   map[registry.OrgID]time.Time
	wake    chan struct{}
}

const (
	workers        = 8
	resync         = 2 * time.Second
	healthDeadline = 60 * time.Second
	healthEvery    = 25 * time.Millisecond
	maxBackoff     = time.Minute
)

var self = registry.AsSystem("reconciler")

// NewReconciler makes a Reconciler; Run starts it.
func NewReconciler(c Config) *Reconciler {
	if c.HealthPath == "" {
		c.HealthPath = "/healthz"
	}
	return &Reconciler{
		Config: c, health: newHealthChecker(c.HealthPath),
		pending: map[registry.OrgID]bool{}, busy: map[registry.OrgID]bool{}, retry: map[registry.OrgID]time.Time{}, wake: make(chan struct{}, 1),
	}
}

// Apply implements registry.FeedHandler.
func (r *Reconciler) Apply(c registry.Change) {
	switch c.Kind {
	case registry.OrgCreated, registry.OrgSuspendedNow, registry.OrgResumed, registry.OrgDeletion, registry.InstanceChanged:
		r.Look(c.OrgID)
	}
}

// Reset implements registry.FeedHandler: everything gets a look at the next tick.
func (r *Reconciler) Reset() {}

// Look asks for an org to be looked at soon, in spite of any back-off.
func (r *Reconciler) Look(org registry.OrgID) {
	r.mu.Lock()
	r.pending[org] = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends, and returns when all workers have.
func (r *Reconciler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, workers)
	defer wg.Wait()
	defer r.health.close()
	tick := time.NewTicker(resync)
	defer tick.Stop()
	r.sweep(ctx)
	r.lookAtAll(ctx)
	for n := 1; ; n++ {
		for _, org := range r.take() {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-slots }()
				r.work(ctx, org)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
			if n%15 == 0 {
				r.sweep(ctx)
			}
			r.lookAtAll(ctx)
		}
	}
}

// take returns the orgs to look at now; those that a worker has stay pending.
func (r *Reconciler) take() []registry.OrgID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []registry.OrgID
	for org := range r.pending {
		if !r.busy[org] {
			out = append(out, org)
			delete(r.pending, org)
			r.busy[org] = true
		}
	}
	return out
}

func (r *Reconciler) lookAtAll(ctx context.Context) {
	all, err := r.Store.Work(ctx, self)
	if err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("cannot read what is wanted", "error", err)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	for _, w := range all {
		if id := w.Instance.OrgID; !now.Before(r.retry[id]) {
			r.pending[id] = true
		}
	}
}

// sweep stops what runs although nobody wants it: left by a crash, or made by a leader that had lost its lease.
func (r *Reconciler) sweep(ctx context.Context) {
	refs, err := r.Provider.List(ctx)
	if err != nil {
		r.Log.Warn("cannot list instances", "error", err)
		return
	}
	for _, ref := range refs {
		w, err := r.Store.WorkOn(ctx, self, ref.OrgID)
		unknown := registry.ErrorCode(err) == registry.NotFound
		if err != nil && !unknown {
			return
		}
		if !unknown && ref.Generation >= w.Instance.Generation && w.Instance.Desired == registry.DesiredRunning {
			continue
		}
		if !unknown && ref.Generation == w.Instance.Generation && !w.Instance.Settled() {
			continue // a worker is about to stop it
		}
		r.Log.Info("stopping an instance that nobody wants", "org", ref.OrgID, "generation", ref.Generation)
		if err := r.Provider.Stop(ctx, ref.OrgID, ref.Generation); err != nil && ctx.Err() == nil {
			r.Log.Error("cannot stop an instance that nobody wants", "org", ref.OrgID, "generation", ref.Generation, "error", err)
		}
	}
}

// work looks at one org and, when something is to do, does it under a lease.
func (r *Reconciler) work(ctx context.Context, org registry.OrgID) {
	err := r.once(ctx, org)
	if err != nil && ctx.Err() == nil && registry.ErrorCode(err) != registry.Conflict {
		r.Log.Warn("instance is not as wanted yet", "org", org, "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, org)
	if r.pending[org] {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *Reconciler) once(ctx context.Context, org registry.OrgID) error {
	w, err := r.Store.WorkOn(ctx, self, org)
	if err != nil {
		return err
	}
	if w.Instance.Settled() {
		if w.Instance.Desired != registry.DesiredRunning {
			return nil
		}
		o, err := r.Provider.Observe(ctx, Ref{org, w.Instance.Generation})
		if err != nil || o.Running && o.Address == w.Instance.Address {
			return err
		}
	}
	lease, err := r.Store.Acquire(ctx, self, org, healthDeadline+2*r.Provider.Grace()+30*time.Second)
	if err != nil {
		return err
	}
	defer func() {
		// The lease is given back also when ctx has ended: the next owner should not wait for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.Store.Release(ctx, self, lease)
	}()
	if w, err = r.Store.WorkOn(ctx, self, org); err != nil {
		return err
	}
	gen := w.Instance.Generation
	report := func(rep registry.Report) error {
		return r.Store.Report(ctx, self, lease, gen, r.Provider.Name(), rep)
	}
	if w.Instance.Desired == registry.DesiredRunning {
		return r.start(ctx, w, report)
	}
	if err := r.Provider.Stop(ctx, org, gen); err != nil {
		return r.failed(ctx, w, report, fmt.Errorf("stopping: %w", err))
	}
	if w.Instance.Desired == registry.DesiredStopped {
		return report(registry.Report{State: registry.InstanceStopped, Step: "stopped"})
	}
	return report(registry.Report{State: registry.InstanceAbsent, Step: "removed"})
}

func (r *Reconciler) start(ctx context.Context, w registry.Work, report func(registry.Report) error) error {
	began := r.Now()
	ref := Ref{w.Instance.OrgID, w.Instance.Generation}
	if ref.Generation > 1 {
		if err := r.Provider.Stop(ctx, ref.OrgID, ref.Generation-1); err != nil {
			return r.failed(ctx, w, report, fmt.Errorf("stopping the previous instance: %w", err))
		}
	}
	env, err := r.Environment(w)
	if err != nil {
		return r.failed(ctx, w, report, err)
	}
	if w.Instance.State != registry.InstanceFailed { // between tries it stays "failed", with its reason
		if err := report(registry.Report{State: registry.InstanceStarting, Detail: "creating the instance", Step: "created"}); err != nil {
			return err
		}
	}
	o, err := r.Provider.Ensure(ctx, Spec{Ref: ref, Slug: w.Slug, Env: env})
	if err != nil {
		return r.failed(ctx, w, report, err)
	}
	if err := report(registry.Report{State: registry.InstanceStarting, Detail: "waiting until it answers", Step: "started"}); err != nil {
		return err
	}
	if err := r.awaitHealthy(ctx, ref, o); err != nil {
		return r.failed(ctx, w, report, err)
	}
	if err := report(registry.Report{State: registry.InstanceRunning, Address: o.Address, Step: "healthy"}); err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.retry, ref.OrgID)
	r.mu.Unlock()
	if r.Started != nil {
		r.Started(r.Now().Sub(began))
	}
	return nil
}

func (r *Reconciler) awaitHealthy(ctx context.Context, ref Ref, o Observed) error {
	deadline := time.NewTimer(healthDeadline)
	defer deadline.Stop()
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		err := r.health.check(ctx, o.Address)
		if err == nil {
			return nil
		}
		now, seen := r.Provider.Observe(ctx, ref)
		if seen == nil && !now.Running {
			return fmt.Errorf("the instance ended while starting: %s", now.Detail)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("the instance did not answer %s within %s: %w", r.HealthPath, healthDeadline, err)
		case <-tick.C:
		}
	}
}

// failed reports a failed try and puts the next one off: 1 s, doubled with every failure, up to a minute.
func (r *Reconciler) failed(ctx context.Context, w registry.Work, report func(registry.Report) error, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	wait := min(maxBackoff, time.Second<<min(w.Instance.Failures, 10))
	r.mu.Lock()
	r.retry[w.Instance.OrgID] = r.Now().Add(wait)
	r.mu.Unlock()
	return errors.Join(cause, report(registry.Report{State: registry.InstanceFailed, Detail: cause.Error(), Step: "failed"}))
}
