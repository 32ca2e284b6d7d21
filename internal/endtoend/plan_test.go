package endtoend

import (
	"net/http"
	"strings"
	"testing"
)

// TestPlanBesideOrgLimit: of a plan and an org_limit the smaller wins, whichever it is.
func TestPlanBesideOrgLimit(t *testing.T) {
	t.Parallel()
	s := startWith(
		t, "",
		"route {\norg\norg_auth\norg_limit {\nwebsockets 2\nrate 500 1000\nbody 1KiB\n}\nreverse_proxy {\ndynamic org\ntransport org\n}\n}",
	)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	ada.is().SetLimits("acme", `{"websockets":1,"requests_per_second":1000,"body":10000}`)
	s.eventually("both rates are told", func() bool {
		a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "")
		return strings.Join(
			a.header.Values("RateLimit-Policy"), ", ",
		) == `"org";q=1000;w=2, "plan";q=2000;w=2`
	})
	open := func(want int) {
		t.Helper()
		n := 0
		for range 4 {
			ws, err := s.dial(ada, s.url("acme"))
			if err != nil {
				break
			}
			n++
			defer func() { _ = ws.CloseNow() }()
		}
		if n != want {
			t.Errorf("%d WebSockets, want %d", n, want)
		}
	}
	open(1)
	own := map[string]string{
		"Sec-Fetch-Site": "same-origin",
		"Origin":         s.url("acme"),
		"Accept":         "application/json",
	}
	send := func(size, want int) {
		t.Helper()
		if a := ada.do(
			"POST", s.url("acme")+"/size", strings.NewReader(strings.Repeat("x", size)), own,
		); a.status != want {
			t.Errorf("%d bytes: %d, want %d", size, a.status, want)
		}
	}
	send(2000, 413)
	ada.is().SetLimits("acme", `{"websockets":100,"body":500}`)
	s.eventually("the org's own body counts", func() bool {
		return ada.do(
			"POST", s.url("acme")+"/size", strings.NewReader(strings.Repeat("x", 600)), own,
		).status == 413
	})
	send(400, 200)
	s.eventually("the WebSockets are closed", func() bool {
		ws, err := s.dial(ada, s.url("acme"))
		if err == nil {
			_ = ws.CloseNow()
		}
		return err == nil
	})
	s.eventually("two fit again", func() bool {
		first, err := s.dial(ada, s.url("acme"))
		if err != nil {
			return false
		}
		defer func() { _ = first.CloseNow() }()
		second, err := s.dial(ada, s.url("acme"))
		if err != nil {
			return false
		}
		_ = second.CloseNow()
		return true
	})
}

// TestPlansOfCaddyfile: they are read-only in the API, change by a reload, and orgs of one that is
// gone run on without its limits.
func TestPlansOfCaddyfile(t *testing.T) {
	t.Parallel()
	s := startWith(
		t, "plan team {\nmembers 5\nrequests_per_second 1000\n}\nplan small {\nmembers 1\n}",
		"org_gateway",
	)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	api := s.url("") + "/api/v1"
	ada.call(t, "PUT", api+"/orgs/acme/plan", `{"plan":"team"}`, 200, nil)
	for _, c := range []struct{ method, path, body string }{{"PATCH", "/plans/team", `{"title":"x"}`}, {"DELETE", "/plans/small", ""}} {
		if a := ada.fetch(c.method, api+c.path, c.body); a.status != 409 ||
			!strings.Contains(a.body, "defined in the Caddyfile") {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	ada.call(t, "POST", api+"/orgs", `{"slug":"beta","plan":"nosuch"}`, 422, nil)
	policy := func(want string) {
		t.Helper()
		s.eventually("the rate is "+want, func() bool {
			a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "")
			return a.status == 200 && a.header.Get("RateLimit-Policy") == want
		})
	}
	policy(`"plan";q=2000;w=2`)
	if out, err := s.reload(s.caddyfile("plan team {\nrequests_per_second 500\n}", 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	policy(`"plan";q=1000;w=2`)
	if out, err := s.cli("", "plan", "list"); err != nil || !strings.Contains(out, "Caddyfile") ||
		strings.Contains(out, "small") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := s.reload(s.caddyfile("", 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	policy("")
	if out, err := s.cli("", "org", "limits", "acme"); err != nil ||
		!strings.Contains(out, `no plan "team" is defined`) {
		t.Errorf("%v %s", err, out)
	}
	if a := ada.open(
		s.url("") + "/orgs/acme",
	); !strings.Contains(a.body, "No plan of this name is defined") {
		t.Error(a.body)
	}
}
