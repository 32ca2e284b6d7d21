package control

import (
	"context"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	quotaEvery = 10 * time.Second
	// Requests are refused for a while when some are in every check for so long; and not any more
	// when none was for longer, so that a client that comes and goes is worth one warning.
	refusedLong = time.Minute
	refusedCalm = 10 * time.Minute
)

// refusals remembers since when orgs have requests refused, by what was counted between two looks.
type refusals struct {
	began time.Time // of its memory
	orgs  map[registry.OrgID]*refusal
}

type refusal struct{ first, last time.Time }

func newRefusals(now time.Time) *refusals {
	return &refusals{began: now, orgs: map[registry.OrgID]*refusal{}}
}

// count takes in the refusals since the last look.
func (f *refusals) count(now time.Time, counts map[registry.OrgID]int) {
	for org := range counts {
		r, ok := f.orgs[org]
		if !ok || now.Sub(r.last) > 3*quotaEvery { // they have stopped in between; a report may miss a look
			r = &refusal{first: now}
			f.orgs[org] = r
		}
		r.last = now
	}
	for org, r := range f.orgs {
		if now.Sub(r.last) > refusedCalm {
			delete(f.orgs, org)
		}
	}
}

// of implements registry.RefusedRequests.
func (f *refusals) of(now time.Time) registry.RefusedRequests {
	return func(org registry.OrgID) registry.Refused {
		r, ok := f.orgs[org]
		switch {
		case !ok && now.Sub(f.began) > refusedCalm:
			return registry.RefusedNone
		case ok && r.last.Sub(r.first) >= refusedLong:
			return registry.RefusedLong
		}
		return registry.RefusedSome
	}
}

// refusedRequests are those that gateways told of since they were taken, by org. Only a process that
// watches quotas takes them, and collects them meanwhile.
type refusedRequests struct {
	mu      sync.Mutex
	watched bool
	of      map[registry.OrgID]int
}

// watch says whether they are taken from now on.
func (r *refusedRequests) watch(watched bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watched, r.of = watched, nil
}

func (r *refusedRequests) add(counts map[registry.OrgID]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.watched {
		return
	}
	if r.of == nil {
		r.of = map[registry.OrgID]int{}
	}
	for org, n := range counts {
		r.of[org] += n
	}
}

func (r *refusedRequests) take() map[registry.OrgID]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of
	r.of = nil
	return of
}

// watchQuotas warns of limits that are reached until ctx ends.
func (c *Control) watchQuotas(ctx context.Context) {
	tick := time.NewTicker(quotaEvery)
	defer tick.Stop()
	memory := newRefusals(time.Now())
	c.refused.watch(true)
	defer c.refused.watch(false)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			memory.count(now, c.refused.take())
			list, err := c.store.CheckQuotas(ctx, registry.AsSystem("quotas"), memory.of(now))
			for _, w := range list {
				c.Log.Info(
					"quota reached", "org", w.OrgID, "limit", w.Limit, "level", int(w.Level), "use",
					w.Detail(),
				)
				c.ids.TellQuota(ctx, w)
			}
			c.say(ctx, err)
		}
	}
}
