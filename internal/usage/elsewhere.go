package usage

import (
	"time"

	"github.com/google/uuid"

	"github.com/pizzaface/pizzeria/registry"
)

// elsewhere is what other nodes counted and may not have stored yet: in the step of the coarse
// history that is now.
type elsewhere struct {
	step time.Time
	of   map[uuid.UUID]point
}

// AddOf takes in what a gateway of another node counted until a time. That node stores it.
func (r *Recorder) AddOf(at time.Time, counts map[registry.OrgID]registry.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, step := at.UnixNano()/int64(fine), at.Truncate(coarse)
	if step.After(r.elsewhere.step) {
		r.elsewhere = elsewhere{step: step, of: map[uuid.UUID]point{}}
	}
	for org, u := range counts {
		of, ok := r.orgs.Get(org)
		if !ok {
			of = new(ring)
			r.orgs.Add(org, of)
		}
		of.addAt(n, u)
		r.total.addAt(n, u)
		if step.Equal(r.elsewhere.step) {
			p := r.elsewhere.of[keyOf(org)]
			r.elsewhere.of[keyOf(org)] = pointOf(p.usage().Plus(u))
		}
	}
}

// addAt adds to a point that may not be the newest one. One that is too old is left out.
func (g *ring) addAt(at int64, u registry.Usage) {
	if at > g.last {
		g.advance(at)
	}
	if g.last-at >= int64(points) {
		return
	}
	i := at % int64(points)
	g.points[i] = pointOf(g.points[i].usage().Plus(u))
}
