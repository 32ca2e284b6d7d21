package provision

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// move is what an instance needs next.
type move int

const (
	moveNone    move = iota
	moveStart        // create it, or adopt it where it is now
	moveStop         // stop it, or remove it
	moveRevive       // it ended by itself: start it again, after a wait if that happens often
	moveDegrade      // it misses its health checks: say so
	moveRecover      // it is healthy again: say so
	moveReplace      // it has missed them for too long: restart it
	moveForgive      // it was healthy for long enough to forget its failures
)

// decide says what an instance needs whose state is that of a serving one: from
// what the provider and the health checks saw of it. known: this reconciler has
// seen it run, so that its end is a crash and not, say, a restart of the machine.
func decide(i registry.Instance, o Observed, v verdict, known bool, h Health, now time.Time) move {
	overdue := h.RestartAfter >= 0 && now.Sub(i.ChangedAt) >= h.RestartAfter
	missed := h.Interval >= 0 && v.misses >= h.Failures
	switch {
	case !o.Running && known:
		return moveRevive
	case !o.Running, o.Address != i.Address:
		return moveStart
	case i.State == registry.InstanceRunning && missed:
		return moveDegrade
	case i.State == registry.InstanceDegraded && missed && overdue:
		return moveReplace
	case i.State == registry.InstanceDegraded && (v.healthy || h.Interval < 0):
		return moveRecover
	case i.Failures > 0 && i.Recovered(now):
		return moveForgive
	}
	return moveNone
}

// next says what an instance needs, and observes it when that depends on it.
func (r *Reconciler) next(
	i registry.Instance, observe func() (Observed, error),
) (m move, o Observed, err error) {
	ref := refOf(i)
	switch {
	case i.Waits(r.Now()):
		r.queue.addAt(i.OrgID, i.RetryAt())
		return moveNone, o, nil
	case i.Desired != registry.DesiredRunning:
		r.watch.drop(i.OrgID)
		if i.Settled() {
			return moveNone, o, nil
		}
		return moveStop, o, nil
	case !i.State.Serves():
		return moveStart, o, nil
	}
	if o, err = observe(); err != nil {
		return moveNone, o, err
	}
	v, known := r.watch.verdict(ref)
	if o.Running && o.Address == i.Address {
		r.watch.add(i.Provider, ref, o)
	}
	if m = decide(i, o, v, known, r.Health(), r.Now()); m == moveNone && i.Failures > 0 && i.State == registry.InstanceRunning {
		r.queue.addAt(i.OrgID, i.ChangedAt.Add(registry.HealthyFor)) // to forget them
	}
	return m, o, nil
}
