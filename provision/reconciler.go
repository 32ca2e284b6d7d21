package provision

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Config of a Reconciler.
type Config struct {
	Store registry.InstanceStore
	// Providers are what makes instances, and may change at any time: instances of one that is not
	// there any more are left alone.
	Providers func() *Providers
	// Environment returns Env and Secrets of the instance's Spec.
	Environment func(registry.Work) (env map[string]string, secrets []string, err error)
	// Redis gives the user of an instance that is about to start, and returns what Env gets, and
	// Spec.Redis. RedisVariable is a secret. Optional.
	Redis func(context.Context, Provider, Ref) (env map[string]string, socket string, err error)
	// Keys is what Spec says of it. Optional.
	Keys string
	// Configuration is what Spec says of it, by provider, and may change at any time. Optional.
	Configuration func(Provider) string
	// Health says how instances are asked how they are, and may change at any time. Optional.
	Health func() Health
	// Dial reaches instances for health checks. Optional.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger
	Now  func() time.Time
	// Started is told how long an instance took from the first look to healthy. Optional.
	Started func(d time.Duration)
	// Failed is told every failure that counts for the back-off, and of which provider. Optional.
	Failed func(provider string, f Failure)
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

// Reconciler drives the providers of one installation. It implements registry.FeedHandler.
type Reconciler struct {
	Config
	checker *checker
	queue   *queue
	watch   *watch
	limited limited
	slots   chan struct{}
	told    atomic.Bool   // the provider tells what ends
	again   chan struct{} // everything gets a look
	foreign foreign
	missing missing
}

const (
	workers    = 8
	resync     = 2 * time.Second  // between two looks at everything while nobody tells what ends
	toldResync = 30 * time.Second // and while the provider does
	sweepEvery = 30 * time.Second
)

var self = registry.AsSystem("reconciler")

// NewReconciler makes a Reconciler; Run starts it.
func NewReconciler(c Config) *Reconciler {
	if c.Health == nil {
		c.Health = DefaultHealth
	}
	if c.Configuration == nil {
		c.Configuration = func(Provider) string { return "" }
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.Providers().Dial(ctx, network, address)
		}
	}
	r := &Reconciler{
		Config: c, checker: newChecker(c.Dial), queue: newQueue(),
		slots: make(chan struct{}, workers), again: make(chan struct{}, 1),
		foreign: foreign{log: c.Log}, missing: missing{log: c.Log},
	}
	r.watch = &watch{r: r, all: map[registry.OrgID]*subject{}}
	r.limited.all = map[registry.OrgID]bounds{}
	return r
}

// Apply implements registry.FeedHandler.
func (r *Reconciler) Apply(c registry.Change) {
	switch c.Kind {
	case registry.ChangeOrgCreated, registry.ChangeOrgSuspended, registry.ChangeOrgResumed, registry.ChangeOrgDeleting,
		registry.ChangeOrgKept, registry.ChangeInstanceChanged, registry.ChangeSettingsChanged,
		registry.ChangeOrgPlanChanged, registry.ChangeOrgLimitsChanged:
		r.Look(c.OrgID)
	case registry.ChangePlanCreated, registry.ChangePlanUpdated, registry.ChangePlanDeleted:
		r.Reset() // any org may have it
	}
}

// Reset implements registry.FeedHandler: everything gets a look.
func (r *Reconciler) Reset() { signal(r.again) }

// Look asks for an org to be looked at soon. What fails is tried again no sooner for it.
func (r *Reconciler) Look(org registry.OrgID) { r.queue.add(org, nil) }

// Outdated returns the instances that serve and were started with another configuration than the
// one that counts now: their generations, by org. They keep it until they are restarted.
func (r *Reconciler) Outdated() map[registry.OrgID]int64 {
	set := r.Providers()
	return r.watch.outdated(func(s *subject) bool {
		p, err := set.Get(s.provider)
		return !s.elsewhere && (err != nil || r.Configuration(p) != s.configuration)
	})
}

// Serving returns the instances that serve, as far as this reconciler knows.
func (r *Reconciler) Serving() []Ref { return r.watch.serving() }

// Image returns what an instance runs that serves, as Observed.Image; "" when it is not known.
func (r *Reconciler) Image(ref Ref) string { return r.watch.image(ref) }

// RunBy returns the name of the provider under which an instance runs that serves, and ok when it
// does.
func (r *Reconciler) RunBy(ref Ref) (provider string, ok bool) { return r.watch.runBy(ref) }

// Run reconciles until ctx ends, and returns when all workers have.
func (r *Reconciler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer r.checker.close()
	defer wg.Wait()
	wg.Go(func() { r.watch.run(ctx) })
	wg.Go(func() { r.listen(ctx) })
	all := time.NewTicker(resync)
	defer all.Stop()
	due := time.NewTimer(resync)
	defer due.Stop()
	strays := sweeper{r: r}
	defer strays.wg.Wait()
	var last time.Time // that everything was looked at
	look := func() {
		now := r.Now()
		if r.lookAtAll(ctx, &strays) {
			last = now
		}
	}
	look()
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
			continue
		case <-due.C:
			continue
		case <-r.again:
		case <-all.C:
			if r.told.Load() && r.Now().Sub(last) < toldResync {
				continue
			}
		}
		look()
	}
}

// lookAtAll queues every instance that needs something, by one look at the store and one at each
// provider, and lets strays be stopped. While a provider cannot list its instances, they seem to be
// gone, and so each is looked at. It returns whether all answered.
func (r *Reconciler) lookAtAll(ctx context.Context, strays *sweeper) bool {
	began := r.Now()
	all, err := r.Store.Work(ctx, self)
	if err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("cannot read desired state", "error", err)
		}
		return false
	}
	r.watch.keep(all)
	r.limited.keep(all)
	set := r.Providers()
	r.missing.say(set, all)
	found, failed := set.List(ctx)
	for name, err := range failed {
		if ctx.Err() == nil {
			r.Log.Warn("cannot list instances", "provider", name, "error", err)
		}
	}
	found = r.foreign.leave(found)
	strays.sweep(ctx, began, found, all)
	type place struct {
		provider string
		ref      Ref
	}
	now := make(map[place]Observed, len(found))
	for _, f := range found {
		now[place{f.Provider, f.Ref}] = f.Observed
	}
	for i := range all {
		inst := all[i].Instance
		r.limit(ctx, all[i])
		name := cmp.Or(inst.Provider, set.Default())
		observe := func() (Observed, error) {
			if _, err := set.Get(name); err != nil {
				return leftAlone(inst), nil
			}
			return now[place{name, refOf(inst)}], nil
		}
		if m, _, err := r.next(inst, observe); m != moveNone || err != nil {
			r.queue.add(inst.OrgID, &all[i])
		}
	}
	return len(failed) == 0
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
		r.queue.addAt(org, r.Now().Add(resync))
	default:
		r.Log.Warn("reconcile failed, retrying", "org", org, "error", err)
		r.queue.addAt(org, r.Now().Add(resync))
	}
}
