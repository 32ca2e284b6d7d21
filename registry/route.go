package registry

// Route is what the gateway needs of an org to serve a request. Routes are
// immutable: a change makes a new one.
type Route struct {
	OrgID      OrgID
	Slug       string
	Name       string
	Plan       string
	Status     RouteStatus
	Generation int64
	Address    string // network address of the instance, as a provider gave it: "unix//path" or "host:port"
	Detail     string // why it is not serving, for people
	RedirectTo string // the slug that a renamed org has now
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
	RouteRenamed     RouteStatus = "renamed"     // see RedirectTo
)

// RouteStatusOf combines an org's status and its instance's state.
func RouteStatusOf(org OrgStatus, inst InstanceState) RouteStatus {
	switch org {
	case OrgSuspended:
		return RouteSuspended
	case OrgDeleting, OrgDeleted:
		return RouteQuarantined
	}
	switch inst {
	case InstanceRunning:
		return RouteServing
	case InstanceFailed:
		return RouteFailed
	}
	return RouteStarting
}
