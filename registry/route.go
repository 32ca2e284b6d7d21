package registry

import (
	"context"
	"strings"
	"time"
)

// Route is what the gateway needs of an org to serve a request. Routes are
// immutable: a change makes a new one.
type Route struct {
	OrgID      OrgID
	Slug       string
	Name       string
	Plan       string
	Status     RouteStatus
	Generation int64
	Address    string       // network address of the instance, as a provider gave it: "unix//path", "host:port" or "tls/host:port"
	Limits     *RouteLimits // what it may use of the gateway; nil = as much as it likes
	Detail     string       // why it is not serving, for its members
	RedirectTo string       // the slug that a renamed org has now, for as long as this one rests
	// RestoreUntil is when an org that is being deleted can no longer be restored; zero of others.
	RestoreUntil time.Time
}

// Packed is r in two objects instead of one for each text: every garbage
// collection looks at each object of every route that is remembered.
func (r *Route) Packed() *Route {
	out := *r
	texts := [...]*string{(*string)(&out.OrgID), &out.Slug, &out.Name, &out.Plan, &out.Address, &out.Detail, &out.RedirectTo, (*string)(&out.Status)}
	var all strings.Builder
	for _, text := range texts {
		all.WriteString(*text)
	}
	rest := all.String()
	for _, text := range texts {
		*text, rest = rest[:len(*text)], rest[len(*text):]
	}
	return &out
}

// RouteStatus is an org's status and its instance's state as one word.
type RouteStatus string

// What a request for an org meets.
const (
	RouteServing     RouteStatus = "serving"
	RouteStarting    RouteStatus = "starting"
	RouteSuspended   RouteStatus = "suspended"
	RouteFailed      RouteStatus = "failed"      // the instance does not come up
	RouteQuarantined RouteStatus = "quarantined" // the org is gone or renamed; the slug rests
	RouteRenamed     RouteStatus = "renamed"     // pages lead to RedirectTo
)

// RouteStatusOf combines an org's status and its instance's state.
func RouteStatusOf(org OrgStatus, inst InstanceState) RouteStatus {
	switch org {
	case OrgSuspended:
		return RouteSuspended
	case OrgDeleting, OrgDeleted:
		return RouteQuarantined
	}
	switch {
	case inst.Serves():
		return RouteServing
	case inst == InstanceFailed:
		return RouteFailed
	}
	return RouteStarting
}

// RouteLister lists every route.
type RouteLister interface {
	Routes(ctx context.Context, a Actor, after string, limit int) ([]*Route, error)
}

// RouteSource finds routes. The route of a slug has that Slug.
type RouteSource interface {
	Route(ctx context.Context, a Actor, slug string) (*Route, error)
}
