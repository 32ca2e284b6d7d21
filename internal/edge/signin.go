package edge

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// roundCookie says that this browser has just come back from signing in. The first request with a
// session removes it; without one, signing in once more would not help.
const (
	roundCookie = "__Host-pizzeria-round"
	roundLife   = time.Minute
)

// signIn sends a browser to sign in and back to a path, but never twice in a row.
func (g *Gateway) signIn(w http.ResponseWriter, r *http.Request, st *State, back string) {
	if g.cameBack(r, st) {
		setCookie(w, roundCookie, "", -1) // who tries again is sent again
		g.fail(w, r, st, Problem{
			Code: wire.Code(registry.CodeUnauthenticated), Status: http.StatusUnauthorized, Title: "Signing in did not work", Challenge: true, SignIn: back,
			Detail: "You signed in, but your browser did not send the session back. It may block cookies, or a script or service worker of this site may drop them.",
		})
		return
	}
	g.begin(w, r, st, attempt{Return: back})
}

// signInPage is where an app sends a browser to sign in: {prefix}/sign-in?return=/path.
func (g *Gateway) signInPage(w http.ResponseWriter, r *http.Request, st *State) {
	switch {
	case passedOn(r):
		g.onward(w, r, st)
	case !navigation(r) || framed(r): // another site's image must not use up attempts
		g.fail(w, r, st, Problem{Code: wire.Malformed, Status: http.StatusBadRequest, Title: "This address is a page", Detail: "Open it in a tab of a browser to sign in."})
	default:
		back := wire.ReturnPath(r.URL.Query().Get("return"))
		if path := back[:strings.IndexAny(back+"?", "?#")]; under(path, g.Tokens.Site().Prefix) {
			back = "/" // none of ours is a page to return to: this one would begin again
		}
		g.signIn(w, r, st, back)
	}
}

// signInPath is the address that signs in and leads back to a path of web.ReturnPath.
func (g *Gateway) signInPath(back string) string {
	return g.Tokens.Site().Prefix + "/sign-in?return=" + url.QueryEscape(back)
}

// returnPath is where a request's browser goes after signing in.
func returnPath(r *http.Request) string {
	if !navigation(r) {
		return "/"
	}
	return wire.ReturnPath(r.URL.RequestURI())
}

// startRound notes that a browser comes back signed in.
func (g *Gateway) startRound(w http.ResponseWriter, st *State) {
	until := strconv.FormatInt(g.Now().Add(roundLife).Unix(), 10)
	setCookie(w, roundCookie, g.sealed([]byte(until), roundOf(st)), int(roundLife/time.Second))
}

// endRound forgets it, as the session has arrived.
func endRound(w http.ResponseWriter, r *http.Request) {
	for _, line := range r.Header["Cookie"] {
		if strings.Contains(line, roundCookie) {
			setCookie(w, roundCookie, "", -1)
			return
		}
	}
}

// cameBack reports whether a browser has just come back signed in. The note is sealed, as a script
// of the org could otherwise make one that keeps people out for good.
func (g *Gateway) cameBack(r *http.Request, st *State) bool {
	value, ok := wire.OneCookie(r, roundCookie)
	if !ok {
		return false
	}
	text, ok := g.open(value, 200, roundOf(st))
	if !ok {
		return false
	}
	until, err := strconv.ParseInt(string(text), 10, 64)
	return err == nil && g.Now().Unix() < until
}

// roundOf binds a note to an org.
func roundOf(st *State) []byte { return []byte("round " + st.client()) }
