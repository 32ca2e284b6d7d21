package gateway

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// againEvery is how often an instance that cannot be reached is tried.
const againEvery = 50 * time.Millisecond

// Again says whether a request whose instance could not be reached should be sent
// once more: after a pause, until its time to wait is over, and only to the
// instance that its org has then, with an assertion for that one.
func (g *Gateway) Again(ctx context.Context, st *State) bool {
	for g.Now().Before(st.until) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(againEvery):
		}
		rt, err := g.Routes.Lookup(ctx, st.Route.Slug)
		if err != nil || rt.OrgID != st.Route.OrgID {
			return false
		}
		switch rt.Status {
		case registry.RouteServing:
			return g.move(st, rt)
		case registry.RouteStarting:
		default:
			return false
		}
	}
	return false
}

// move makes a request one for another instance of its org.
func (g *Gateway) move(st *State, rt *registry.Route) bool {
	if st.SignedIn() {
		if g.doubtful(st, rt) {
			return false // what lets it in has changed meanwhile
		}
		var err error
		if st.Assertion, err = g.assertionFor(st.session, rt); err != nil {
			return false
		}
	}
	st.Route = rt
	return true
}
