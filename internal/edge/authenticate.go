package edge

import (
	"errors"
	"net/http"
	"time"

	"github.com/pizzaface/pizzeria/internal/guard"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

var (
	errNobody    = errors.New("nobody is signed in")
	errCrossSite = errors.New("cookie identity on a request from elsewhere")
	errNotMember = errors.New("not a member")
	errAway      = errors.New("the control plane is away")
)

// Authenticate finds out whose request it is. It returns false when it answered
// the request itself: with a redirect to sign in, or a refusal. With optional,
// nobody is fine, and so is a request from elsewhere: it is nobody's. Only a page that a worker
// passed on is loaded again, since the person may well be signed in.
func (g *Gateway) Authenticate(w http.ResponseWriter, r *http.Request, st *State, role registry.Role, optional bool) bool {
	err := g.identify(w, r, st)
	switch {
	case err == nil && st.Claims.Role.AtLeast(role):
		return true
	case err == nil:
		st.Assertion = ""
		g.fail(w, r, st, Problem{Code: wire.RoleTooLow, Status: http.StatusForbidden, Title: "Your role does not reach this", Detail: "This part of " + st.Route.Name + " is for the role " + string(role) + ". Ask an owner of the org."})
		return false
	case optional && (errors.Is(err, errNobody) || errors.Is(err, errNotMember) || errors.Is(err, errCrossSite) && !passedOn(r)):
		return true
	}
	g.refuse(w, r, st, err)
	return false
}

// refuse answers a request whose caller identify did not find.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, st *State, err error) {
	switch {
	case errors.Is(err, errCrossSite) && (!wire.Safe(r.Method) || IsWebSocket(r)):
		g.fail(w, r, st, Problem{Code: wire.Code(registry.ReasonCrossSiteRequest), Status: http.StatusForbidden, Title: "Refused", Detail: "This request came from another site and would have acted in your name."})
	case errors.Is(err, errNotMember) && navigation(r) && !framed(r) && !passedOn(r): // the control plane says as whom, and why
		g.signIn(w, r, st, returnPath(r))
	case errors.Is(err, errNotMember):
		g.fail(w, r, st, notMember(st, "Ask one of its admins to invite you."))
	case errors.Is(err, errAway):
		g.fail(w, r, st, Problem{Code: wire.Unavailable, Status: http.StatusServiceUnavailable, Title: "Signing in is not possible right now", Detail: "The control plane is away. Try again shortly.", RetryAfter: 5})
	case passedOn(r):
		g.onward(w, r, st)
	case navigation(r) && !framed(r):
		g.signIn(w, r, st, returnPath(r))
	case wantsPage(r) && !wire.Safe(r.Method):
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeUnauthenticated), Status: http.StatusUnauthorized, Title: "You are signed out", Detail: "What you sent was not received. Sign in, then send it again.", Challenge: true})
	default:
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeUnauthenticated), Status: http.StatusUnauthorized, Title: "Sign in first", Detail: "Open " + g.Tokens.Site().SignInURL(st.Route.Slug) + " in a browser to sign in.", Challenge: true, SignIn: returnPath(r)})
	}
}

// notMember is for somebody who is signed in, and no member.
func notMember(st *State, advice string) Problem {
	if st.conceal {
		return noOrg
	}
	return Problem{Code: wire.NotAMember, Status: http.StatusForbidden, Title: "You are not a member of " + st.Route.Name, Detail: advice}
}

// identify fills in the request's claims and assertion.
func (g *Gateway) identify(w http.ResponseWriter, r *http.Request, st *State) error {
	token, bearer := bearerToken(r)
	if !bearer {
		var ok bool
		if token, ok = wire.OneCookie(r, SessionCookie); !ok {
			return errNobody
		}
		if !ownRequest(r, g.Tokens.Site().OrgURL(st.slug)) {
			return errCrossSite
		}
	}
	s, err := g.verified(token, st.Route.OrgID)
	if err != nil || s.claims.ClientID != "" && (!bearer || s.claims.Expires <= g.Now().Unix()) { // a program's is no cookie, and not renewed
		return errNobody
	}
	if u := s.claims.Until; u != 0 && u <= g.Now().Unix() {
		return errNotMember
	}
	if e := g.ends(&s.claims); e != 0 && e <= g.Now().Unix() {
		return errNobody
	}
	s, fresh, err := g.current(r, s, st.Route)
	if err != nil {
		return err
	}
	if fresh != "" && !bearer {
		setCookie(w, SessionCookie, fresh, 0)
	}
	if g.Now().Unix()-s.claims.IssuedAt < int64(roundLife/time.Second) {
		endRound(w, r)
	}
	if now := g.Now().Unix(); s.used.Load() != now {
		s.used.Store(now)
	}
	st.Claims, st.session = s.claims, s
	guard.SignedIn(r.Context())
	st.Assertion, err = g.assertionFor(s, st.Route)
	return err
}

// ownRequest reports whether a request that carries a cookie was made by the org's own pages, or is a
// top-level GET navigation. Sibling orgs are same-site, so SameSite does not tell (Fetch Metadata does).
func ownRequest(r *http.Request, origin string) bool {
	o := r.Header.Values("Origin")
	if IsWebSocket(r) {
		return len(o) == 1 && o[0] == origin
	}
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case site == "same-origin":
		// A page with "Referrer-Policy: no-referrer" sends the origin null to its own origin.
		return len(o) == 0 || len(o) == 1 && (o[0] == origin || o[0] == "null")
	case wire.Safe(r.Method) && r.Header.Get("Sec-Fetch-Mode") == "navigate":
		dest := r.Header.Get("Sec-Fetch-Dest")
		return site != "" && (dest == "document" || dest == "") || site == "none" && dest == "empty"
	case site != "":
		return false
	case len(o) == 1:
		return o[0] == origin
	}
	return wire.Safe(r.Method) && len(o) == 0 // a client without Fetch Metadata: reading only
}
