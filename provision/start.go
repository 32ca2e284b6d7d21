package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	healthDeadline = 60 * time.Second       // from created to healthy
	firstPoll      = 25 * time.Millisecond  // between health checks of an instance that starts
	slowPoll       = 250 * time.Millisecond // the same, once it has taken longer than slowStart
	slowStart      = 5 * time.Second        // one that takes longer lets others start meanwhile
	drainTime      = 250 * time.Millisecond // between a replacement and the end of what it replaces
)

var (
	// errSuperseded: something else is wanted of the instance by now.
	errSuperseded = errors.New("the instance is wanted otherwise by now")
	// errNotHealthy: it runs, but does not get healthy.
	errNotHealthy = errors.New("the instance does not get healthy")
)

func (j *job) start(ctx context.Context) error {
	began := j.Now()
	ref := j.ref()
	if ref.Generation > 1 {
		j.drain(ctx, ref.Generation-1)
		if err := j.end(ctx, ref.Generation-1); err != nil {
			return j.failed(ctx, FailureStop, fmt.Errorf("stopping the previous instance: %w", err))
		}
	}
	p, err := j.assign()
	if err != nil {
		return j.failed(ctx, FailureStart, err)
	}
	env, secrets, err := j.Environment(j.work())
	if err != nil {
		return j.failed(ctx, FailureStart, err)
	}
	redis, err := j.useRedis(ctx, p, env, &secrets)
	if err != nil {
		return j.failed(ctx, FailureStart, err)
	}
	if err := j.starting("creating the instance", registry.StepCreated); err != nil {
		return err
	}
	o, err := p.Ensure(ctx, Spec{
		Ref: ref, Slug: j.w.Slug, Env: env, Secrets: secrets, Keys: j.Keys, Health: j.Health().Path,
		Limits: j.w.Limits, Configuration: j.Configuration(p), Progress: j.progress, Redis: redis,
	})
	if err != nil {
		return j.failed(ctx, FailureStart, err)
	}
	if o.Notice != "" {
		j.Log.Warn("instance not started as its plan says", "org", ref.OrgID,
			"generation", ref.Generation, "reason", o.Notice)
	}
	if err := j.starting("waiting until it answers", registry.StepStarted); err != nil {
		return err
	}
	if err := j.awaitHealthy(ctx, ref, o); err != nil {
		return j.failed(ctx, FailureStart, err)
	}
	if err := j.running(o, registry.StepHealthy); err != nil {
		return err
	}
	j.watch.add(j.i.Provider, ref, o)
	if j.Started != nil {
		j.Started(j.Now().Sub(began))
	}
	return nil
}

// useRedis adds what the instance needs for the Redis of instances.
func (j *job) useRedis(
	ctx context.Context, p Provider, env map[string]string, secrets *[]string,
) (socket string, err error) {
	if j.Redis == nil {
		return "", nil
	}
	ours, socket, err := j.Redis(ctx, p, j.ref())
	maps.Copy(env, ours)
	if _, ok := ours[RedisVariable]; ok {
		*secrets = append(*secrets, RedisVariable)
	}
	return socket, err
}

func (j *job) work() registry.Work {
	w := j.w
	w.Instance = j.i
	return w
}

// assign gives the generation its provider, once what ran before it has ended.
func (j *job) assign() (Provider, error) {
	name, away := j.Providers().Next(j.work())
	p, err := j.Providers().Get(name)
	if err != nil {
		return nil, err
	}
	if away {
		j.Log.Warn("provider of the plan does not have the data of the org, which stays",
			"org", j.i.OrgID, "provider", name,
			"plan", cmp.Or(j.w.PlanProvider, j.Providers().Default()))
	}
	j.i.Provider = name
	return p, nil
}

// drain gives gateways time to hear that requests have to wait, before the previous
// instance is stopped. One that is sent to an instance that is closing its
// connections fails, and only some can be sent again.
func (j *job) drain(ctx context.Context, generation int64) {
	previous := j.i
	previous.Generation, previous.Provider = generation, j.i.RunBy()
	o, err := j.observe(ctx, previous)
	if err != nil || !o.Running {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(drainTime):
	}
}

// starting reports a step of the start. Between attempts an instance stays
// failed, with its reason: otherwise one that cannot start would look as if it did.
func (j *job) starting(detail string, step registry.StepName) error {
	if j.i.State == registry.InstanceFailed {
		return nil
	}
	return j.report(registry.Report{State: registry.InstanceStarting, Detail: detail, Step: step})
}

// progress tells people what the provider waits for. If they are not told, the start goes on.
func (j *job) progress(detail string) { _ = j.starting(detail, "") }

func (j *job) awaitHealthy(ctx context.Context, ref Ref, o Observed) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	wg.Go(func() { j.abandon(ctx, cancel, j.queue.asked(ref.OrgID)) })
	began := j.Now()
	tick := time.NewTicker(firstPoll)
	defer tick.Stop()
	for {
		err := j.checker.check(ctx, j.Health().Path, o.Address, checkTimeout)
		if err == nil {
			return nil
		}
		now, seen := j.observe(ctx, j.i)
		took := j.Now().Sub(began)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case seen == nil && !now.Running:
			return fmt.Errorf("the instance ended while starting: %s", now.Detail)
		case took >= healthDeadline:
			return fmt.Errorf("%w: %s did not answer within %s: %w",
				errNotHealthy, j.Health().Path, healthDeadline, err)
		case took >= slowStart:
			tick.Reset(slowPoll)
			j.release()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// abandon ends the wait for an instance when another generation is wanted, or
// none, so that a person does not wait for what they have given up on. It ends with ctx.
func (j *job) abandon(ctx context.Context, cancel context.CancelCauseFunc, asked <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		w, err := j.Store.WorkOn(ctx, self, j.i.OrgID)
		now := w.Instance
		if err == nil && (now.Generation != j.i.Generation || now.Desired != j.i.Desired) {
			cancel(errSuperseded)
			return
		}
	}
}
