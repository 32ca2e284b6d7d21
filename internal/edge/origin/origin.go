// Package origin is what a gateway asks the control plane for.
//
// An Origin is one gateway's own: the control plane knows by it who asks. In one process the control
// plane answers by itself (see internal/control). Everything here may fail, since the control plane
// may be away: then known routes and sessions go on, and what needs an answer is refused.
package origin

import (
	"context"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Origin is the control plane as one gateway sees it. It is safe for concurrent use.
type Origin interface {
	Feed
	Routes
	Sessions
	// Keys returns the public keys of a ring, by when they sign from.
	token.KeySource
	// Handler serves discovery, the token endpoint and its keys, below the issuer's URL. A gateway
	// redeems codes there, as any OpenID client does, with its Credential.
	http.Handler
	// Credential is what the gateway shows at the token endpoint, whichever org it asks for.
	Credential() token.Secret
	// Report tells what the gateway counted since the last report that succeeded.
	Report(ctx context.Context, r Report) error
}

// Feed is the changes.
type Feed interface {
	registry.Feed
	// ChangesSince returns the changes after a time, oldest first, for as long as they are kept.
	ChangesSince(ctx context.Context, t time.Time) ([]registry.Change, error)
}

// Routes are those of every org.
type Routes interface {
	RouteSource
	// Routes returns at most limit routes after a slug, in the order of slugs.
	Routes(ctx context.Context, after string, limit int) ([]*registry.Route, error)
}

// RouteSource finds routes.
type RouteSource interface {
	// Route returns the route of a slug, which has that Slug. Errors: CodeNotFound; anything else
	// means that nobody knows.
	Route(ctx context.Context, slug string) (*registry.Route, error)
}

// Sessions are the sign-in sessions behind org sessions.
type Sessions interface {
	// Renew makes a new org session for the live sign-in session behind an old one, which was used
	// at a time. Errors: CodeNotFound (the session ended), CodeReauthenticationNeeded (it is over for
	// the org), CodeForbidden (no member any more); anything else means that the control plane is
	// away.
	Renew(ctx context.Context, old token.SessionClaims, used time.Time) (string, error)
	// RoleOf returns the role that the person behind an org session has in its org now, whether the
	// org is served or not. Errors: CodeNotFound, and those of signing in to that org.
	RoleOf(ctx context.Context, c token.SessionClaims) (registry.Role, error)
	// SignOut ends a sign-in session, for every org. Error: CodeNotFound.
	SignOut(ctx context.Context, id registry.SessionID) error
}

// Report is what a gateway counted.
type Report struct {
	Usage   map[registry.OrgID]registry.Usage // requests to orgs
	Refused map[registry.OrgID]int            // requests that were more than the org may make
}
