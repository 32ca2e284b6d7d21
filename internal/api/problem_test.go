package api_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// TestCodes: a program tells errors apart by their codes.
func TestCodes(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	ada := s.SignIn(s.User("ada@example.com", true))
	s.Org("acme", ada.User)
	page := s.Page(ada)
	page.Want(t, 201, "POST", "/api/v1/plans", `{"name":"team"}`)
	page.Want(t, 200, "PUT", "/api/v1/orgs/acme/plan", `{"plan":"team"}`)
	page.Want(t, 200, "PATCH", "/api/v1/orgs/acme/limits", `{"limits":{"members":1}}`)
	if err := s.Store.ConfigurePlans(t.Context(), registry.AsSystem("test"), registry.PlansOf{},
		[]registry.Plan{{Name: "large"}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		as                 *controltest.Client
		method, path, body string
		status             int
		code               wire.Code
	}{
		{s.Nobody(), "GET", "/orgs", "", 401, "unauthenticated"},
		{page, "GET", "/nosuch", "", 404, "not_found"},
		{page, "DELETE", "/orgs", "", 404, "not_found"},
		{page, "GET", "/orgs/nosuch", "", 404, "not_found"},
		{page, "POST", "/orgs", `{"slug":"acme"}`, 409, "slug_taken"},
		{page, "POST", "/orgs", `{"slug":"X"}`, 422, "invalid"},
		{page, "POST", "/orgs", `{"slug":`, 400, "malformed_request"},
		{page, "POST", "/orgs", `{}`, 422, "invalid"},
		{page, "POST", "/orgs", `{"slug":"` + strings.Repeat("x", 70000) + `"}`, 413, "content_too_large"},
		{page.With("Content-Type", "text/csv"), "POST", "/orgs", "a;b", 415, "unsupported_media_type"},
		{page.With("If-Match", `"99"`), "PATCH", "/orgs/acme", `{"name":"x"}`, 412, "version_conflict"},
		{page.With("Sec-Fetch-Site", "", "Sec-Fetch-Site", "same-site"), "PATCH", "/orgs/acme", `{"name":"x"}`, 403, "cross_site_request"},
		{page, "POST", "/users", `{"email":"ada@example.com","name":"x","password":"correct horse battery"}`, 409, "email_taken"},
		{page, "PATCH", "/orgs/acme/members/ada@example.com", `{"role":"member"}`, 409, "last_owner"},
		{page, "POST", "/plans", `{"name":"team"}`, 409, "plan_taken"},
		{page, "DELETE", "/plans/team", "", 409, "plan_in_use"},
		{page, "DELETE", "/plans/large", "", 409, "plan_configured"},
		{page, "POST", "/orgs/acme/invites", `{"email":"bob@example.com","role":"member"}`, 409, "limit_reached"},
		{page, "PATCH", "/users/ada@example.com", `{"platform_admin":false}`, 409, "last_platform_admin"},
	} {
		what := c.method + " " + c.path
		p := problem(t, what, c.as.Do(c.method, "/api/v1"+c.path, c.body), c.status)
		if p.Code != c.code || p.Type != controltest.Issuer+"/problems/"+string(c.code) {
			t.Errorf("%s: %+v, want %s", what, p, c.code)
		}
	}
}

// TestProblemPages: the type of each problem leads to a page for people, and to JSON for programs.
func TestProblemPages(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	person := s.Nobody().With("Accept", "text/html", "Sec-Fetch-Mode", "navigate")
	list := person.Want(t, 200, "GET", "/problems", "")
	for _, pt := range wire.ProblemTypes() {
		path := strings.TrimPrefix(wire.TypeURL(controltest.Issuer, pt.Code), controltest.Issuer)
		var got wire.ProblemType
		s.Nobody().Want(t, 200, "GET", path, "").Decode(t, &got)
		if got != pt {
			t.Errorf("%s: %+v", path, got)
		}
		a := person.Want(t, 200, "GET", path, "")
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(a.Body, "<h1>"+pt.Title+"</h1>") {
			t.Errorf("%s: %v %s", path, a.Header, a.Body)
		}
		if !strings.Contains(list.Body, path) {
			t.Errorf("%s is not in the list", path)
		}
	}
	s.Nobody().Want(t, 404, "GET", "/problems/nosuch", "")
	s.Nobody().Want(t, 200, "GET", "/problems", "")
}

// TestTimes: a time that cannot be read is answered with an example of one that can.
func TestTimes(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	for _, name := range []string{"since", "until"} {
		for _, value := range []string{"yesterday", "2026-01-31"} {
			path := "/audit?" + name + "=" + value
			p := problem(t, path, s.Operator().Do("GET", "/api/v1"+path, ""), 422)
			if p.Field != name || !strings.Contains(p.Detail, "2026-01-31T12:00:00Z") ||
				len(p.Errors) != 1 || !strings.HasSuffix(p.Detail, p.Errors[0].Message) {
				t.Errorf("%s: %+v", path, p)
			}
		}
	}
}
