package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// job is the work on one org, under a lease. What it asks of the provider ends
// before the lease does; only a process that stood still can act later, and finds
// that its generation is history.
type job struct {
	*Reconciler
	w       registry.Work // as it was read
	i       registry.Instance
	release func()                          // gives the worker's slot to another org
	report  func(rep registry.Report) error // of the current generation
	replace func(rep registry.Report) error // goes to the next generation
	ended   func() error                    // not nil when the reconciler ends
}

var errTooLong = errors.New("it took too long")

const (
	jobSpare    = 50 * time.Second // for what creates an instance, on top of what is bounded
	detailLimit = 500              // bytes
)

// once looks at an org, and does what it needs under a lease.
func (r *Reconciler) once(
	ctx context.Context, org registry.OrgID, w *registry.Work, release func(),
) error {
	if w == nil {
		read, err := r.Store.WorkOn(ctx, self, org)
		if err != nil {
			return err
		}
		w = &read
	}
	r.limit(ctx, *w)
	observe := func(i registry.Instance) func() (Observed, error) {
		return func() (Observed, error) { return r.observe(ctx, i) }
	}
	if m, _, err := r.next(w.Instance, observe(w.Instance)); err != nil || m == moveNone {
		return err
	}
	held, lease, lose, err := r.acquire(ctx, org)
	if err != nil {
		return err
	}
	defer func() {
		lose()
		// It is given back also when ctx has ended: the next owner should not wait for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.Store.Release(ctx, self, lease)
	}()
	// Under the lease the world is looked at again: another reconciler may have done it all.
	fresh, err := r.Store.WorkOn(ctx, self, org)
	if err != nil {
		return err
	}
	m, o, err := r.next(fresh.Instance, observe(fresh.Instance))
	if err != nil || m == moveNone {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(
		held, healthDeadline+2*r.Providers().grace()+jobSpare, errTooLong)
	defer cancel()
	return r.newJob(ctx, lease, fresh, release).do(bounded, m, o)
}

func (r *Reconciler) newJob(
	ctx context.Context, lease registry.Lease, w registry.Work, release func(),
) *job {
	j := &job{
		Reconciler: r, w: w, i: w.Instance, release: release, ended: ctx.Err,
	}
	j.report = func(rep registry.Report) error {
		rep.Detail = registry.CleanLine(rep.Detail, detailLimit)
		return r.Store.Report(ctx, self, lease, j.i.Generation, j.i.Provider, rep)
	}
	j.replace = func(rep registry.Report) error {
		rep.Detail = registry.CleanLine(rep.Detail, detailLimit)
		next, err := r.Store.ReplaceInstance(ctx, self, lease, j.i.Generation, j.i.Provider, rep)
		if err == nil {
			j.i = next
		}
		return err
	}
	return j
}

func (j *job) ref() Ref { return refOf(j.i) }

// observe asks what runs an instance how it is.
func (r *Reconciler) observe(ctx context.Context, i registry.Instance) (Observed, error) {
	p, err := r.Providers().Get(i.Provider)
	if err != nil {
		return leftAlone(i), nil //nolint:nilerr // nobody can be asked
	}
	return p.Observe(ctx, refOf(i))
}

// end stops an org's instances up to a generation by the provider that they run under.
func (j *job) end(ctx context.Context, upTo int64) error {
	p, err := j.Providers().Get(j.i.RunBy())
	if err != nil {
		return err
	}
	return p.Stop(ctx, j.i.OrgID, upTo)
}

func (j *job) do(ctx context.Context, m move, o Observed) error {
	switch m {
	case moveStart:
		return j.start(ctx)
	case moveStop:
		return j.stop(ctx)
	case moveRevive:
		return j.revive(ctx, o)
	case moveDegrade:
		return j.degrade(o)
	case moveRecover:
		j.Log.Info("instance recovered", "org", j.i.OrgID, "generation", j.i.Generation)
		return j.running(o, registry.StepRecovered)
	case moveReplace:
		return j.restart(ctx)
	case moveForgive:
		return j.running(o, "")
	}
	return nil
}

// running reports a healthy instance.
func (j *job) running(o Observed, step registry.StepName) error {
	return j.report(registry.Report{
		State: registry.InstanceRunning, Address: o.Address, Detail: o.Notice, Step: step,
	})
}

func (j *job) stop(ctx context.Context) error {
	if err := j.end(ctx, j.i.Generation); err != nil {
		return j.failed(ctx, FailureStop, fmt.Errorf("stopping: %w", err))
	}
	if j.i.Desired == registry.DesiredStopped {
		return j.report(registry.Report{State: registry.InstanceStopped, Step: registry.StepStopped})
	}
	return j.report(registry.Report{State: registry.InstanceAbsent, Step: registry.StepRemoved})
}

func (j *job) degrade(o Observed) error {
	v, _ := j.watch.verdict(j.ref())
	j.Log.Warn("instance degraded", "org", j.i.OrgID, "generation", j.i.Generation,
		"misses", v.misses, "error", v.why)
	return j.report(registry.Report{
		State: registry.InstanceDegraded, Address: o.Address, Step: registry.StepDegraded,
		Detail: fmt.Sprintf("it missed %d health checks in a row: %v", v.misses, v.why),
	})
}

// revive starts an instance again that ended by itself.
func (j *job) revive(ctx context.Context, o Observed) error {
	j.count(FailureCrash)
	j.watch.drop(j.i.OrgID)
	state := j.afterFailure()
	wait := j.wait(state)
	j.Log.Warn("instance crashed, restarting", "org", j.i.OrgID, "generation", j.i.Generation,
		"failures", j.failures(), "wait", wait, "error", o.Detail)
	err := j.report(registry.Report{
		State: state, Failure: true, Detail: "the instance ended: " + o.Detail, Step: registry.StepCrashed,
	})
	if err != nil {
		return err
	}
	if state == registry.InstanceFailed {
		j.retryAfter(wait)
		return nil
	}
	j.i.State, j.i.Failures = state, j.failures()
	return j.start(ctx)
}

// restart replaces an instance that does not respond by the next generation.
// Its end then needs no lease: who still acts on the old one cannot touch the new one.
func (j *job) restart(ctx context.Context) error {
	j.count(FailureUnresponsive)
	v, _ := j.watch.verdict(j.ref())
	j.watch.drop(j.i.OrgID)
	state := j.afterFailure()
	wait := j.wait(state)
	j.Log.Warn("instance unresponsive, restarting", "org", j.i.OrgID,
		"generation", j.i.Generation, "failures", j.failures(), "wait", wait, "error", v.why)
	detail := fmt.Sprintf("the instance did not respond: %v", v.why)
	err := j.replace(registry.Report{State: state, Detail: detail, Step: registry.StepUnresponsive})
	if err != nil {
		return err
	}
	if state != registry.InstanceFailed {
		return j.start(ctx)
	}
	j.retryAfter(wait)
	return j.end(ctx, j.i.Generation-1)
}
