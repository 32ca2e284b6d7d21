package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// mapRoutes are routes by slug.
type mapRoutes map[string]*registry.Route

func (m mapRoutes) Lookup(_ context.Context, slug string) (*registry.Route, error) {
	if rt, ok := m[slug]; ok {
		return rt, nil
	}
	return nil, registry.Errorf(registry.CodeNotFound, "slug", "no such org")
}

// TestFormerAddress: sockets and programs with a bearer token are served at a former address until
// it is free, pages are led on, and identity counts there as at any address of the org.
func TestFormerAddress(t *testing.T) {
	f := newFixture(t)
	serving := registry.Route{OrgID: f.org.ID, Slug: "apex", Name: "Acme", Status: registry.RouteServing, Generation: f.org.Generation, Address: "unix//run/x"}
	at := func(slug string, status registry.RouteStatus, to string) *registry.Route {
		rt := serving
		rt.Slug, rt.Status, rt.RedirectTo, rt.Address = slug, status, to, ""
		return &rt
	}
	taken := serving
	taken.OrgID, taken.Slug = "another", "taken"
	f.g.Routes = mapRoutes{
		"apex": &serving, "taken": &taken,
		"acme":   at("acme", registry.RouteRenamed, "apex"),
		"older":  at("older", registry.RouteRenamed, "acme"), // as it was remembered before the last rename
		"rests":  at("rests", registry.RouteQuarantined, "apex"),
		"gone":   at("gone", registry.RouteQuarantined, ""),
		"stolen": at("stolen", registry.RouteRenamed, "taken"),
		"closed": at("closed", registry.RouteRenamed, "shut"), "shut": at("shut", registry.RouteSuspended, ""),
	}
	bearer, cookie := "Authorization: Bearer "+f.token, "Cookie: "+SessionCookie+"="+f.token
	socket := []string{"Upgrade: websocket", "Connection: Upgrade"}
	page := []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document", "Accept: text/html"}
	with := func(all []string, more ...string) []string { return append(append([]string{}, all...), more...) }
	for name, c := range map[string]struct {
		method, host string
		header       []string
		want         int // 200 = it goes to the instance, as Ada's
		location     string
	}{
		"a runner's socket":                    {"GET", "acme", with(socket, bearer), 200, ""},
		"after a second rename":                {"GET", "older", with(socket, bearer), 200, ""},
		"while the address rests":              {"GET", "rests", with(socket, bearer), 200, ""},
		"a runner's request":                   {"POST", "acme", []string{bearer}, 200, ""},
		"a runner's request while it rests":    {"GET", "rests", []string{bearer}, 200, ""},
		"a page's socket":                      {"GET", "acme", with(socket, cookie, "Origin: https://acme.d.example"), 200, ""},
		"a socket from the present address":    {"GET", "acme", with(socket, cookie, "Origin: https://apex.d.example"), 403, ""},
		"a socket from a sibling":              {"GET", "acme", with(socket, cookie, "Origin: https://taken.d.example"), 403, ""},
		"the former origin, present address":   {"GET", "apex", with(socket, cookie, "Origin: https://acme.d.example"), 403, ""},
		"nobody's socket":                      {"GET", "acme", socket, 401, ""},
		"a socket with a token that is none":   {"GET", "acme", with(socket, "Authorization: Bearer x"), 401, ""},
		"an app's own token":                   {"GET", "acme", []string{"Authorization: Bearer x"}, 302, "https://apex.d.example/a?b=%2F"},
		"a page":                               {"GET", "acme", with(page, cookie), 302, "https://apex.d.example/a?b=%2F"},
		"a page with a bearer":                 {"GET", "acme", with(page, bearer), 302, "https://apex.d.example/a?b=%2F"},
		"a page while the address rests":       {"GET", "rests", with(page, cookie), 410, ""},
		"a form":                               {"POST", "acme", []string{cookie, "Origin: https://acme.d.example"}, 410, ""},
		"a socket to an org that is gone":      {"GET", "gone", with(socket, bearer), 410, ""},
		"a socket to an address of another's":  {"GET", "stolen", with(socket, bearer), 302, "https://taken.d.example/a?b=%2F"},
		"a socket to an org that is suspended": {"GET", "closed", with(socket, bearer), 403, ""},
	} {
		r := httptest.NewRequest(c.method, "https://"+c.host+".d.example/a?b=%2F", nil)
		r.TLS = nil
		for _, line := range c.header {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
		}
		w := httptest.NewRecorder()
		st := f.g.Admit(w, r, func() string { return "r" }, Admission{Hold: time.Second})
		got := w.Code
		if st != nil && f.g.Authenticate(w, r, st, registry.RoleMember, false) {
			cookie := "s=1; Domain=" + c.host + ".d.example"
			h := http.Header{"Set-Cookie": {cookie}}
			if f.g.filterSetCookie(st, h); h.Get("Set-Cookie") != "s=1" {
				t.Errorf("%s: the app cannot set %q", name, cookie)
			}
			if !st.SignedIn() || st.Route != &serving {
				t.Errorf("%s: signed in %v, to %+v", name, st.SignedIn(), st.Route)
			}
		} else {
			got = w.Code
		}
		if got != c.want || w.Header().Get("Location") != c.location {
			t.Errorf("%s: %d to %q", name, got, w.Header().Get("Location"))
		}
	}
}
