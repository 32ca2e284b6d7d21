package gateway

import (
	"errors"
	"net/http"

	"github.com/pizzaface/pizzeria/registry"
)

// signOut ends the sign-in session, and so the session on every org host. It answers on this host:
// an app's policy may let its forms lead nowhere else.
func (g *Gateway) signOut(w http.ResponseWriter, r *http.Request, st *State) {
	away := Problem{Status: http.StatusServiceUnavailable, Title: "You are still signed in", Detail: "The control plane is away. Try again shortly.", RetryAfter: 5}
	err := g.identify(w, r, st)
	switch {
	case errors.Is(err, errCrossSite):
		g.fail(w, r, st, Problem{Status: http.StatusForbidden, Title: "Refused", Detail: "This request came from another site."})
		return
	case err == nil && st.Claims.Role == registry.RoleRunner:
		g.fail(w, r, st, Problem{Status: http.StatusForbidden, Title: "A runner has no sign-in session", Detail: "Revoke the runner in the console to end what it may."})
		return
	case err == nil:
		if err := g.Identity.SignOut(r.Context(), st.Claims.SessionID); err != nil {
			g.fail(w, r, st, away)
			return
		}
	case errors.Is(err, errAway):
		g.fail(w, r, st, away)
		return
	}
	setCookie(w, SessionCookie, "", -1)
	setCookie(w, roundCookie, "", -1)
	if !wantsPage(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	g.page(w, r, st, Problem{Status: http.StatusOK, Title: "You are signed out", Detail: "You are signed out of all your orgs in this browser.", SignIn: "/"})
}
