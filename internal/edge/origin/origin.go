// Package origin is what a gateway asks the control plane for.
//
// In one process the control plane answers by itself (see internal/runtime). Everything here may
// fail, since the control plane may be away: then known routes and sessions go on, and what needs
// an answer is refused.
package origin

import (
	"context"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Origin is the control plane as a gateway sees it. It is safe for concurrent use.
type Origin interface {
	Sessions
	// Handler serves discovery, the token endpoint and its keys, below the issuer's URL. A gateway
	// redeems codes there, as any OpenID client does, with the secret that ClientSecret returns.
	http.Handler
	// ClientSecret returns the secret of an OpenID client of this gateway: see token.ClientID.
	ClientSecret(clientID string) token.Secret
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
