package edge

import (
	"errors"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/wire"
)

// callback receives the code, redeems it, and starts the org session.
func (g *Gateway) callback(w http.ResponseWriter, r *http.Request, st *State) {
	q := r.URL.Query()
	again := Problem{
		Code: wire.SignInFailed, Status: http.StatusBadRequest, Title: "Signing in did not work", Again: "/",
		Detail: "This address does not belong to a sign-in here.",
	}
	for _, v := range q {
		if len(v) != 1 {
			g.fail(w, r, st, again)
			return
		}
	}
	a, ok := g.openAttempt(q.Get("state"), st.client())
	if !ok || q.Get("iss") != g.Tokens.Site().Issuer { // RFC 9207
		g.fail(w, r, st, again)
		return
	}
	own, err := g.takeProof(w, r, st, a)
	if err != nil {
		g.startOver(w, r, st, a)
		return
	}
	again.Again, again.Detail = a.Return, "The control plane's answer does not belong to this sign-in."
	if e := q.Get("error"); e != "" {
		if e == "access_denied" {
			again = notMember(st,
				"Ask one of its admins to invite you, or sign in as somebody else.")
		}
		g.fail(w, r, st, again)
		return
	}
	token, err := g.redeem(r.Context(), st, own, q.Get("code"))
	if err != nil {
		g.Log.Info("a code was refused", "org", st.Route.OrgID, "error", err)
		if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
			g.startOver(w, r, st, a) // a code lives for a minute
			return
		}
		g.fail(w, r, st, again)
		return
	}
	setCookie(w, SessionCookie, token, 0)
	g.startRound(w, st)
	w.Header().Set("Referrer-Policy", "no-referrer")
	wire.GoTo(w, a.Return)
}

// takeProof takes an attempt's cookie from the browser, so that it serves once.
func (g *Gateway) takeProof(
	w http.ResponseWriter, r *http.Request, st *State, a attempt,
) (proof, error) {
	sealed, ok := wire.OneCookie(r, a.cookie())
	if !ok {
		return proof{}, errNoProof
	}
	setCookie(w, a.cookie(), "", -1)
	return g.openProof(sealed, a.ID, st.client())
}
