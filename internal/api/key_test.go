package api_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestScopeSuffices: the one scope that an operation names is enough for the whole of it, the
// answer
// included; and an operation that needs two leaves everything as it was when one is missing.
func TestScopeSuffices(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Schema = registry.Schema{Allow: []string{"APP_*"}}
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	l := s.SignIn(owner)
	with := func(scope registry.Scope) *controltest.Client {
		return s.Bearer(s.Key(l, registry.NewAPIKey{Scopes: []registry.Scope{scope}}))
	}
	org := "/api/v1/orgs/" + string(acme.ID)
	for _, c := range []struct {
		scope              registry.Scope
		method, path, body string
		status             int
	}{
		{registry.ScopeOrgWrite, "PATCH", "", `{"name":"Acme"}`, 200},
		{registry.ScopeOrgWrite, "POST", "/rename", `{"slug":"apex"}`, 200},
		{registry.ScopeInstanceWrite, "POST", "/instance/restart", "", 200},
		{registry.ScopeSettingsWrite, "PATCH", "/settings", `{"values":{"APP_X":"1"}}`, 200},
		{registry.ScopeWebhookWrite, "POST", "/webhooks", `{"url":"https://example.com/"}`, 201},
		{registry.ScopeMemberWrite, "POST", "/invites",
			`{"email":"eve@example.com","role":"member"}`, 201},
		{registry.ScopeRunnerRead, "GET", "/runners", "", 200},
		{registry.ScopeAuditRead, "GET", "/audit", "", 200},
	} {
		with(c.scope).Want(t, c.status, c.method, org+c.path, c.body)
	}

	before, err := s.Store.Org(t.Context(), registry.AsOperator(), acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	with(registry.ScopeSettingsWrite).Want(t, 403, "PATCH", org+"/settings",
		`{"values":{"APP_X":"2"},"restart":true}`)
	now, err := s.Store.Org(t.Context(), registry.AsOperator(), acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	a := s.Operator().Want(t, 200, "GET", org+"/settings", "")
	if strings.Contains(a.Body, `"value":"2"`) || now.Version != before.Version {
		t.Errorf("a request that was refused changed something: %s", a.Body)
	}
}

// TestNotCredentials: what is good elsewhere, or nearly, lets nobody in here.
func TestNotCredentials(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	l := s.SignIn(owner)
	actor := registry.AsSession(l.User, l.Session, "")
	key := s.Key(l, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeOrgRead}})
	token, err := s.Identity.APITokenFor(t.Context(), actor, l.Session)
	if err != nil {
		t.Fatal(err)
	}
	_, claim, err := s.Identity.CreateRunnerClaim(t.Context(), actor, acme.ID,
		registry.NewRunnerClaim{Name: "build"})
	if err != nil {
		t.Fatal(err)
	}
	_, unused, err := s.Identity.CreateRunnerClaim(t.Context(), actor, acme.ID,
		registry.NewRunnerClaim{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	_, runner, err := s.Identity.EnrollRunner(t.Context(), claim.Reveal(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.Store.Grant(t.Context(), registry.AsSystem("test"), l.Session.ID, acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.Identity.SessionToken(g)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]*controltest.Client{
		"a runner's key": s.Bearer(runner.Reveal()), "a claim": s.Bearer(unused.Reveal()),
		"an org session":    s.Bearer(session),
		"a sign-in session": s.Bearer(l.Token.Reveal()), "nothing": s.Bearer(""),
		"half a key": s.Bearer(key[:20]), "a key and more": s.Bearer(key + "0"),
		"another kind of key":      s.Bearer(strings.Replace(key, "pza_", "pzs_", 1)),
		"a token without its end":  s.Bearer(token[:strings.LastIndexByte(token, '.')+1]),
		"a key as a password":      s.Nobody().With("Authorization", "Basic "+key),
		"a key without its scheme": s.Nobody().With("Authorization", key),
		"two keys":                 s.Bearer(key).With("Authorization", "Bearer "+key),
		"a key in the cookie": s.Nobody().With("Cookie", "__Host-pizzeria="+key,
			"Sec-Fetch-Site", "same-origin"),
		"a cookie of another name": s.Nobody().With("Cookie", "pizzeria="+l.Token.Reveal(),
			"Sec-Fetch-Site", "same-origin"),
		"the cookie twice":          s.Page(l).With("Cookie", "__Host-pizzeria=tossed"),
		"a bad bearer and a cookie": s.Page(l).With("Authorization", "Bearer x"),
	} {
		a := c.Want(t, 401, "GET", "/api/v1/me", "")
		if a.Header.Get("WWW-Authenticate") == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", what, a.Header)
		}
	}
	s.Bearer(key).Want(t, 200, "GET", "/api/v1/me", "")
	// RFC 9110, section 11.1
	s.Nobody().With("Authorization", "bEaReR "+key).Want(t, 200, "GET", "/api/v1/me", "")
	s.Clock.Advance(registry.KeyLife)
	s.Bearer(key).Want(t, 401, "GET", "/api/v1/me", "")
	s.Bearer(token).Want(t, 401, "GET", "/api/v1/me", "")
}
