package api

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	maxTokenBody = 32 << 10
	maxQuery     = 8 << 10
)

func (a *API) registerOpenID(mux *http.ServeMux) {
	discovery := func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, a.Identity.Discovery()) }
	mux.HandleFunc("GET /.well-known/openid-configuration", discovery)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", discovery)
	for path, keys := range map[string]func() []byte{
		"/.well-known/jwks.json": a.Identity.TokenJWKS, "/.well-known/jwks/session.json": a.Identity.Session.JWKS, "/.well-known/jwks/assertion.json": a.Identity.Assertions.JWKS,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwk-set+json")
			w.Header().Set("Cache-Control", "public, max-age=300")
			_, _ = w.Write(keys())
		})
	}
	mux.HandleFunc("GET /authorize", a.authorize)
	mux.HandleFunc("POST /authorize", formToQuery)
	mux.HandleFunc("POST /end-session", formToQuery)
	mux.HandleFunc("POST /token", a.tokenSide(func(r *http.Request, c identity.Credentials) (any, error) {
		return a.Identity.Redeem(r.Context(), c, r.PostForm, web.ClientOf(r).Address)
	}))
	mux.HandleFunc("POST /introspect", a.tokenSide(func(r *http.Request, c identity.Credentials) (any, error) {
		return a.Identity.Introspect(r.Context(), c, r.PostForm.Get("token"))
	}))
	mux.HandleFunc("POST /revoke", a.tokenSide(func(r *http.Request, c identity.Credentials) (any, error) {
		return struct{}{}, a.Identity.Revoke(r.Context(), c, r.PostForm.Get("token"))
	}))
	mux.HandleFunc("POST /device_authorization", a.tokenSide(func(r *http.Request, c identity.Credentials) (any, error) {
		return a.Identity.BeginDevice(r.Context(), c, web.ClientOf(r))
	}))
	mux.HandleFunc("GET /userinfo", a.userInfo)
	mux.HandleFunc("POST /userinfo", a.userInfo)
}

// authorize sends the browser on: to the client with a code or an error, or to sign in.
func (a *API) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	c, err := web.Who(a.Identity, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, "the request is malformed", http.StatusBadRequest)
		return
	}
	s := &c.Session
	if s.ID == "" || c.Actor.MustReview() { // the page to sign in leads to the review
		s = nil
	}
	d, err := a.Identity.Authorize(r.Context(), q, s)
	switch {
	case err != nil:
		a.Log.Error("authorize", "error", err)
		a.fail(w, r, err)
	case d.Redirect != "":
		http.Redirect(w, r, d.Redirect, http.StatusSeeOther)
	case d.Denied != "":
		http.Redirect(w, r, "/sign-in/denied?"+url.Values{"return": {"/authorize?" + d.Denied}}.Encode(), http.StatusSeeOther)
	case d.For != "":
		http.Redirect(w, r, "/sign-in/for/"+string(d.For)+"?"+url.Values{"return": {"/authorize?" + d.SignIn}}.Encode(), http.StatusSeeOther)
	case d.SignIn != "":
		to := url.Values{"return": {"/authorize?" + d.SignIn}}
		if s != nil { // the session that there is does not do
			to.Set("again", "1")
		}
		http.Redirect(w, r, "/sign-in?"+to.Encode(), http.StatusSeeOther)
	default:
		http.Error(w, "This sign-in request is not valid: "+d.Refuse+".", http.StatusBadRequest)
	}
}

// fail answers what a browser or a program opens.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if wire.WantsPage(r) {
		a.Page(w, r, err)
		return
	}
	wire.WriteProblem(w, r, a.issuer(), err)
}

// formToQuery answers a request that a client's page sent as a form (OpenID Connect Core, section
// 3.1.2.1; RP-Initiated Logout, section 2) with the same one as a navigation. It reads no cookie: a
// browser sends none with another site's POST.
func formToQuery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxQuery)
	if err != nil || media != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" || r.ParseForm() != nil {
		http.Error(w, "The request is malformed: send one form, of at most 8 KiB.", http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, r.URL.Path+"?"+r.PostForm.Encode(), http.StatusSeeOther)
}

// tokenSide serves an endpoint that programs ask: POST, a form as body and nothing in
// the query, one way of client authentication (RFC 6749, sections 2.3 and 3.2). There is no CORS.
func (a *API) tokenSide(f func(*http.Request, identity.Credentials) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		refuse := func(e identity.TokenError) {
			status := http.StatusBadRequest
			if e == identity.InvalidClient {
				status = http.StatusUnauthorized
				w.Header().Set("WWW-Authenticate", `Basic realm="pizzeria"`)
			}
			writeJSON(w, status, map[string]string{"error": string(e)})
		}
		w.Header().Set("Pragma", "no-cache")
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
			refuse(identity.InvalidRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxTokenBody)
		if r.ParseForm() != nil || r.PostForm.Has("client_assertion") || len(r.PostForm["token"]) > 1 {
			refuse(identity.InvalidRequest)
			return
		}
		c, err := credentials(r)
		var answer any
		if err == nil {
			answer, err = f(r, c)
		}
		var te identity.TokenError
		switch {
		case errors.As(err, &te):
			refuse(te)
		case registry.ErrorCode(err) == registry.CodeTooManyRequests:
			wire.WriteProblem(w, r, a.issuer(), err)
		case err != nil:
			a.Log.Error("token", "error", err)
			w.Header().Set("Retry-After", strconv.Itoa(5))
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	}
}

// credentials reads who a client says it is: in the Authorization header or in the form, and not in both.
func credentials(r *http.Request) (c identity.Credentials, err error) {
	id, secret := r.PostForm["client_id"], r.PostForm["client_secret"]
	if len(id) > 1 || len(secret) > 1 || len(r.Header["Authorization"]) > 1 {
		return c, identity.InvalidRequest
	}
	if r.Header.Get("Authorization") == "" {
		c.ID, c.Secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
		if c.ID == "" {
			return c, identity.InvalidClient
		}
		return c, nil
	}
	c.Basic = true
	var ok bool
	if c.ID, c.Secret, ok = r.BasicAuth(); !ok {
		return c, identity.InvalidClient
	}
	if c.ID, ok = unescape(c.ID, ok); ok {
		c.Secret, ok = unescape(c.Secret, ok)
	}
	switch {
	case !ok:
		return c, identity.InvalidClient
	case len(secret) > 0 || len(id) > 0 && id[0] != c.ID:
		return c, identity.InvalidRequest
	}
	return c, nil
}

// userInfo is OpenID Connect Core, section 5.3: for the access token of a registered app, in the Authorization header (RFC 6750).
func (a *API) userInfo(w http.ResponseWriter, r *http.Request) {
	tok, ok := wire.Bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="pizzeria"`)
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	u, err := a.Identity.UserInfo(r.Context(), tok)
	switch {
	case errors.Is(err, token.ErrToken):
		w.Header().Set("WWW-Authenticate", `Bearer realm="pizzeria", error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
	case err != nil:
		wire.WriteProblem(w, r, a.issuer(), err)
	default:
		writeJSON(w, http.StatusOK, u)
	}
}

// unescape undoes the form encoding of client credentials (RFC 6749, section 2.3.1).
func unescape(s string, ok bool) (string, bool) {
	v, err := url.QueryUnescape(s)
	return v, ok && err == nil && v != ""
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
