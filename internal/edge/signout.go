package edge

import (
	"errors"
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

const signOutPath = "/sign-out"

// signsOut reports whether a request is to sign out. It is answered whatever becomes of the org and
// of its instance.
func (g *Gateway) signsOut(r *http.Request) bool {
	path, ok := strings.CutPrefix(r.URL.Path, g.Tokens.Site().Prefix)
	return ok && path == signOutPath && r.Method == http.MethodPost
}

// signOut ends the sign-in session, and so the session on every org host. It answers on this host:
// an app's policy may let its forms lead nowhere else.
func (g *Gateway) signOut(w http.ResponseWriter, r *http.Request, st *State) {
	c, err := g.leaving(w, r, st)
	if err == nil && c.Role != registry.RoleRunner {
		err = g.Origin.SignOut(r.Context(), c.SessionID)
	}
	detail := "You are signed out of all your orgs in this browser."
	switch {
	case errors.Is(err, errCrossSite):
		g.fail(w, r, st, Problem{Code: wire.Code(registry.ReasonCrossSiteRequest), Status: http.StatusForbidden, Title: "Refused", Detail: "This request came from another site."})
		return
	case c.Role == registry.RoleRunner:
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeForbidden), Status: http.StatusForbidden, Title: "A runner has no sign-in session", Detail: "Revoke the runner in the console to end what it may."})
		return
	case errors.Is(err, errNobody), errors.Is(err, errNotMember):
		detail = "There is no session at this address any more. You may still be signed in to other orgs: " +
			"to sign out of all of them, do so in the console."
	case err != nil && registry.ErrorCode(err) != registry.CodeNotFound: // such a session has ended
		g.fail(w, r, st, Problem{Code: wire.Unavailable, Status: http.StatusServiceUnavailable, Title: "You are still signed in", Detail: "The control plane is away. Try again shortly.", RetryAfter: 5})
		return
	}
	setCookie(w, SessionCookie, "", -1)
	setCookie(w, roundCookie, "", -1)
	if !wantsPage(r) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	g.page(w, r, st, Problem{Status: http.StatusOK, Title: "You are signed out", Detail: detail, SignIn: "/"})
}

// leaving returns the session that a request signs out of. A browser's may have expired, or be
// refused by now: the sign-in session behind it can be live all the same, and would sign in again.
func (g *Gateway) leaving(w http.ResponseWriter, r *http.Request, st *State) (token.SessionClaims, error) {
	if _, bearer := bearerToken(r); bearer {
		err := g.identify(w, r, st)
		return st.Claims, err
	}
	tok, ok := wire.OneCookie(r, SessionCookie)
	if !ok {
		return token.SessionClaims{}, errNobody
	}
	if !ownRequest(r, g.Tokens.Site().OrgURL(st.slug)) {
		return token.SessionClaims{}, errCrossSite
	}
	c, err := g.Tokens.VerifySession(tok, st.Route.OrgID, g.Lifetimes().Absolute.Duration())
	if err != nil || c.ClientID != "" {
		return token.SessionClaims{}, errNobody
	}
	return c, nil
}
