package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
)

const maxTokenBody = 32 << 10

func (a *API) registerOpenID(mux *http.ServeMux) {
	discovery := func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, a.Identity.Discovery()) }
	mux.HandleFunc("GET /.well-known/openid-configuration", discovery)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", discovery)
	for path, ring := range map[string]*identity.Ring{
		"/.well-known/jwks.json": a.Identity.Token, "/.well-known/jwks/session.json": a.Identity.Session, "/.well-known/jwks/assertion.json": a.Identity.Assertions,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwk-set+json")
			w.Header().Set("Cache-Control", "public, max-age=300")
			_, _ = w.Write(ring.JWKS())
		})
	}
	mux.HandleFunc("GET /authorize", a.authorize)
	mux.HandleFunc("POST /token", a.tokenEndpoint)
}

// authorize sends the browser on: to the client with a code or an error, or to sign in.
func (a *API) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	c, err := web.Who(a.Identity, r)
	if err != nil {
		web.WriteProblem(w, r, err)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, "the request is malformed", http.StatusBadRequest)
		return
	}
	s := &c.Session
	if s.ID == "" {
		s = nil
	}
	d, err := a.Identity.Authorize(r.Context(), q, s)
	switch {
	case err != nil:
		a.Log.Error("authorize", "error", err)
		web.WriteProblem(w, r, err)
	case d.Redirect != "":
		http.Redirect(w, r, d.Redirect, http.StatusSeeOther)
	case d.SignIn:
		http.Redirect(w, r, "/sign-in?"+url.Values{"return": {"/authorize?" + r.URL.RawQuery}}.Encode(), http.StatusSeeOther)
	default:
		http.Error(w, "This sign-in request is not valid: "+d.Refuse+".", http.StatusBadRequest)
	}
}

// tokenEndpoint is RFC 6749, section 3.2: POST, form body, HTTP Basic client authentication.
func (a *API) tokenEndpoint(w http.ResponseWriter, r *http.Request) {
	refuse := func(e identity.TokenError) {
		status := http.StatusBadRequest
		if e == identity.InvalidClient {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="pizzeria"`)
		}
		writeJSON(w, status, map[string]string{"error": string(e)})
	}
	w.Header().Set("Pragma", "no-cache")
	if r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		refuse(identity.InvalidRequest)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenBody)
	if r.ParseForm() != nil || r.PostForm.Has("client_secret") || r.PostForm.Has("client_assertion") {
		refuse(identity.InvalidRequest)
		return
	}
	id, secret, ok := r.BasicAuth()
	if id, ok = unescape(id, ok); !ok {
		refuse(identity.InvalidClient)
		return
	}
	if secret, ok = unescape(secret, ok); !ok {
		refuse(identity.InvalidClient)
		return
	}
	t, err := a.Identity.Redeem(r.Context(), id, secret, r.PostForm, web.ClientOf(r).Address)
	var te identity.TokenError
	switch {
	case errors.As(err, &te):
		refuse(te)
	case err != nil:
		a.Log.Error("token", "error", err)
		w.Header().Set("Retry-After", strconv.Itoa(5))
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
	default:
		writeJSON(w, http.StatusOK, t)
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
