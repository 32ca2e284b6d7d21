package provision

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// The back-off is in the store: registry.Instance.RetryAt makes it of the number
// of failures and the time of the last one. So it holds for every reconciler, over
// restarts, and ends as soon as a person wants something else of the instance.

// patience is how often an instance that runs but does not get healthy is waited
// for. A slow one gets there; one that hangs then makes way for a new generation.
const patience = 3

// count tells of a failure.
func (j *job) count(f Failure) {
	if j.Failed != nil {
		j.Failed(cmp.Or(j.i.RunBy(), j.Providers().Default()), f)
	}
}

// failures is the number of consecutive failures, with the present one.
func (j *job) failures() int {
	if j.i.Recovered(j.Now()) {
		return 1
	}
	return j.i.Failures + 1
}

// afterFailure is the state of a serving instance after it was lost. The first
// time it is started again at once, and requests wait for it; from then on it is
// failed, and is started again after a wait.
func (j *job) afterFailure() registry.InstanceState {
	if j.failures() == 1 {
		return registry.InstanceStarting
	}
	return registry.InstanceFailed
}

func (j *job) wait(state registry.InstanceState) time.Duration {
	if state == registry.InstanceStarting {
		return 0
	}
	return registry.RetryDelay(j.failures())
}

func (j *job) retryAfter(d time.Duration) { j.queue.addAt(j.i.OrgID, j.Now().Add(d)) }

// failed reports a failed attempt, and puts the next one off.
func (j *job) failed(ctx context.Context, f Failure, cause error) error {
	if err := j.ended(); err != nil {
		return err
	}
	if errors.Is(cause, errSuperseded) {
		return cause
	}
	if end := context.Cause(ctx); end != nil && !errors.Is(cause, end) {
		cause = errors.Join(end, cause)
	}
	j.count(f)
	wait, put := registry.RetryDelay(j.failures()), j.report
	if errors.Is(cause, errNotHealthy) && j.failures()%patience == 0 {
		put = j.replace
	}
	rep := registry.Report{State: registry.InstanceFailed, Detail: cause.Error(), Step: registry.StepFailed}
	if err := put(rep); err != nil {
		return errors.Join(cause, err)
	}
	j.retryAfter(wait)
	return cause
}
