package edge

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
		rt, err := g.present(ctx, st.Route)
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

// present returns what an org's route is by now, also at another address.
func (g *Gateway) present(ctx context.Context, was *registry.Route) (*registry.Route, error) {
	rt, err := g.Routes.Lookup(ctx, was.Slug)
	// A former address may lead to another one for a while, when the org was renamed again.
	for range registry.RestingMax + 1 {
		if err != nil || rt.RedirectTo == "" {
			break
		}
		rt, err = g.Routes.Lookup(ctx, rt.RedirectTo)
	}
	return rt, err
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
