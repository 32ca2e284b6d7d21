// Package api is the management API below /api/v1, and the OpenID endpoints.
//
// Every route stands in one table, from which the isolation tests are made.
// Handlers decide nothing: they pass the caller's Actor to the registry, whose
// policy table does. The operator reaches the same routes over the admin socket.
package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// API serves the management API.
type API struct {
	Store    Store
	Identity *identity.Service
	Log      *slog.Logger
}

// Route is one row of the table.
type Route struct {
	Method, Pattern string
	Action          registry.Action // what the policy table is asked; "" for the caller's own affairs
	serve           func(*API, call) (any, error)
	Status          int // of success
}

// call is one request with its caller.
type call struct {
	r *http.Request
	web.Caller
}

// Routes returns the table.
func Routes() []Route {
	return []Route{
		{"GET", "/api/v1/me", "", (*API).me, 200},
		{"POST", "/api/v1/tokens", "", (*API).token, 201},
		{"GET", "/api/v1/orgs", "", (*API).orgs, 200},
		{"POST", "/api/v1/orgs", registry.OrgCreate, (*API).createOrg, 201},
		{"GET", "/api/v1/orgs/{org}", registry.OrgRead, (*API).org, 200},
		{"PATCH", "/api/v1/orgs/{org}", registry.OrgUpdate, (*API).updateOrg, 200},
		{"POST", "/api/v1/orgs/{org}/rename", registry.OrgRename, (*API).renameOrg, 200},
		{"POST", "/api/v1/orgs/{org}/suspend", registry.OrgSuspend, (*API).suspendOrg, 200},
		{"POST", "/api/v1/orgs/{org}/resume", registry.OrgResume, (*API).resumeOrg, 200},
		{"POST", "/api/v1/orgs/{org}/restart", registry.InstanceReboot, (*API).restart, 200},
		{"DELETE", "/api/v1/orgs/{org}", registry.OrgDelete, (*API).deleteOrg, 202},
		{"GET", "/api/v1/orgs/{org}/members", registry.MemberRead, (*API).members, 200},
		{"PATCH", "/api/v1/orgs/{org}/members/{user}", registry.MemberChange, (*API).setRole, 204},
		{"DELETE", "/api/v1/orgs/{org}/members/{user}", registry.MemberRemove, (*API).removeMember, 204},
		{"GET", "/api/v1/orgs/{org}/invites", registry.MemberInvite, (*API).invites, 200},
		{"POST", "/api/v1/orgs/{org}/invites", registry.MemberInvite, (*API).invite, 201},
		{"DELETE", "/api/v1/orgs/{org}/invites/{invite}", registry.MemberInvite, (*API).revokeInvite, 204},
		{"GET", "/api/v1/orgs/{org}/audit", registry.AuditRead, (*API).audit, 200},
		{"POST", "/api/v1/users", registry.UserCreate, (*API).createUser, 201},
	}
}

const maxBody = 64 << 10

// Register adds the routes to a mux.
func (a *API) Register(mux *http.ServeMux) {
	for _, rt := range Routes() {
		mux.HandleFunc(rt.Method+" "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(rt, w, r) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, registry.Errorf(registry.NotFound, "", "there is no such API route"))
	})
	a.registerOpenID(mux)
}

func (a *API) serve(rt Route, w http.ResponseWriter, r *http.Request) {
	c, err := web.Who(a.Identity, r)
	if err == nil && !c.Actor.Valid() {
		err = registry.Errorf(registry.Unauthenticated, "", "sign in, or send an API token")
	}
	// A cookie alone does not show that the person meant it; a bearer token and the admin socket do.
	if err == nil && rt.Method != http.MethodGet && c.Session.ID != "" && !web.SameOrigin(r, a.Identity.Site().Issuer) {
		err = registry.Errorf(registry.Forbidden, "", "this request came from another site")
	}
	var out any
	if err == nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err = rt.serve(a, call{r: r, Caller: c})
	}
	if err != nil {
		if registry.ErrorCode(err) == "" {
			a.Log.Error("api", "route", rt.Pattern, "error", err)
		}
		web.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if rt.Status == http.StatusNoContent {
		w.WriteHeader(rt.Status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if v, ok := out.(registry.OrgView); ok {
		w.Header().Set("ETag", `"`+strconv.FormatInt(v.Version, 10)+`"`)
	}
	w.WriteHeader(rt.Status)
	_ = json.NewEncoder(w).Encode(out)
}

// body decodes the request's JSON object; unknown fields are errors, an empty body is an empty object.
func body[T any](c call) (v T, err error) {
	d := json.NewDecoder(c.r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return v, registry.Errorf(registry.Invalid, "", "the body is not the JSON that this route takes: %s", err)
	}
	return v, nil
}

// orgID resolves {org}: an ID, or the slug of an org that the caller sees.
func (a *API) orgID(c call) (registry.OrgID, error) {
	v := c.r.PathValue("org")
	if registry.ValidID(v) {
		return registry.OrgID(v), nil
	}
	o, err := a.Store.OrgBySlug(c.r.Context(), c.Actor, v)
	return o.ID, err
}

// version is the If-Match precondition (RFC 9110, section 13.1.1), 0 when there is none.
func version(c call) (int64, error) {
	v := c.r.Header.Get("If-Match")
	if v == "" || v == "*" {
		return 0, nil
	}
	s, err := strconv.Unquote(v)
	n, err2 := strconv.ParseInt(s, 10, 64)
	if err != nil || err2 != nil || n < 1 {
		return 0, registry.Errorf(registry.Stale, "", "If-Match is not an ETag of this org")
	}
	return n, nil
}
