package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
)

// limits gives an org limits of its own, as JSON.
func (s *server) limits(p *person, slug, limits string) {
	s.t.Helper()
	p.call(
		s.t,
		"PATCH",
		s.url("")+"/api/v1/orgs/"+slug+"/limits",
		`{"limits":`+limits+`}`,
		200,
		nil,
	)
}

// answers waits until a request to an org is answered with a status.
func (s *server) answers(p *person, slug string, status int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s answers %d", slug, status), func() bool {
		return p.fetch(http.MethodGet, s.url(slug)+"/whoami", "").status == status
	})
}

// TestPlanLimits: what a plan and an org's own limits say counts in the gateway at once, without a
// reload, and for that org alone.
func TestPlanLimits(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	ada.open(s.url("acme") + "/")
	ada.open(s.url("globex") + "/")
	ws, err := s.dial(ada, s.url("acme")) // from before there is a limit, and counted
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	api := s.url("") + "/api/v1"
	ada.call(
		t,
		"POST",
		api+"/plans",
		`{"name":"team","limits":{"requests_per_second":1000,"websockets":1,"body":1024}}`,
		201,
		nil,
	)
	if a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", ""); a.status != 200 ||
		a.header.Get("RateLimit") != "" {
		t.Errorf("with a plan that it does not have: %d %v", a.status, a.header)
	}
	ada.call(t, "PUT", api+"/orgs/acme/plan", `{"plan":"team"}`, 200, nil)
	s.eventually("the plan counts", func() bool {
		a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "")
		return a.status == 200 && a.header.Get("RateLimit-Policy") == `"plan";q=2000;w=2`
	})
	if second, err := s.dial(ada, s.url("acme")); err == nil ||
		!strings.Contains(err.Error(), "429") {
		t.Errorf("a second WebSocket: %v", err)
		_ = second.CloseNow()
	}
	own := map[string]string{
		"Sec-Fetch-Site": "same-origin",
		"Origin":         s.url("acme"),
		"Accept":         "application/json",
	}
	for size, want := range map[int]int{0: 200, 1024: 200, 1025: 413, 1 << 20: 413} {
		for how, body := range map[string]io.Reader{"with its length": strings.NewReader(strings.Repeat("x", size)), "without": io.MultiReader(strings.NewReader(strings.Repeat("x", size)))} {
			if a := ada.do("POST", s.url("acme")+"/size", body, own); a.status != want {
				t.Errorf("%d bytes, %s: %d %s", size, how, a.status, a.body)
			}
		}
	}

	var usage struct {
		Quota struct {
			Plan  string
			Items []struct {
				Name           string
				Limit, Used    *float64
				Over, Enforced bool
			}
		}
	}
	ada.call(t, "GET", api+"/orgs/acme/usage", "", 200, &usage)
	for _, i := range usage.Quota.Items {
		if i.Name == "websockets" &&
			(i.Limit == nil || *i.Limit != 1 || *i.Used != 1 || i.Over || !i.Enforced) {
			t.Errorf("%+v", i)
		}
	}
	if a := ada.open(s.url("") + "/orgs/acme"); !strings.Contains(a.body, "Plan team") ||
		!strings.Contains(a.body, "WebSockets") {
		t.Errorf("the console says nothing of the plan: %s", a.body)
	}

	// A change of the plan reaches its orgs; 0 is 0, and nothing is no limit.
	ada.call(t, "PATCH", api+"/plans/team", `{"limits":{"requests_per_second":0}}`, 200, nil)
	s.answers(ada, "acme", 429)
	a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "")
	if a.header.Get("Retry-After") == "" || a.header.Get("RateLimit-Policy") != `"plan";q=0;w=60` ||
		!strings.Contains(a.body, "has too many requests") {
		t.Errorf("%v %s", a.header, a.body)
	}
	if a := ada.fetch(http.MethodGet, s.url("globex")+"/whoami", ""); a.status != 200 {
		t.Errorf("another org: %d", a.status)
	}
	s.limits(ada, "acme", `{"requests_per_second":100,"concurrency":1}`) // in place of the plan's
	s.answers(ada, "acme", 429)                                          // the WebSocket is the one at once
	_ = ws.CloseNow()
	s.answers(ada, "acme", 200)
	ada.call(t, "PATCH", api+"/plans/team", `{"limits":{"requests_per_second":null}}`, 200, nil)
	s.limits(ada, "acme", `{"requests_per_second":null,"concurrency":null}`)
	s.eventually("there is no limit", func() bool {
		a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "")
		return a.status == 200 && a.header.Get("RateLimit") == ""
	})
	if a := ada.submit(
		s.url("")+"/orgs/acme/plan", map[string][]string{"plan": {"standard"}},
	); a.status != 200 ||
		!strings.Contains(a.body, "Plan standard") {
		t.Errorf("the console: %d %s", a.status, a.body)
	}
}

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
	s.limits(ada, "acme", `{"websockets":1,"requests_per_second":1000,"body":10000}`)
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
	s.limits(ada, "acme", `{"websockets":100,"body":500}`)
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

// TestQuotaWarnings: owners and admins are told by mail, and webhooks, once; and who is invited
// into a full org reads why they cannot come.
func TestQuotaWarnings(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	r := newReceiver(t)
	s := startWithMail(t, sink, "webhook_allow 127.0.0.1")
	ada := s.admin()
	s.org(ada, "acme")
	api := s.url("") + "/api/v1"
	ada.call(
		t,
		"POST",
		api+"/orgs/acme/webhooks",
		`{"url":"`+r.URL+`/hook","events":["org.quota_warning"]}`,
		201,
		nil,
	)
	s.limits(ada, "acme", `{"members":1}`)
	text, _ := s.mailed(sink, "ada@example.com", "The acme org has reached its limit of members")
	if !strings.Contains(text, "uses 1 of 1 members") {
		t.Error(text)
	}
	s.eventually("the webhook is told", func() bool { return r.count() == 1 })
	if a := ada.fetch(
		"POST",
		api+"/orgs/acme/invites",
		`{"email":"eve@example.com","role":"member"}`,
	); a.status != 409 ||
		!strings.Contains(a.body, "may have 1 members") {
		t.Errorf("%d %s", a.status, a.body)
	}
	var log struct {
		Items []struct{ Target, Detail string }
	}
	ada.call(t, "GET", api+"/orgs/acme/audit?action=org.quota_warning", "", 200, &log)
	if len(log.Items) != 1 || log.Items[0].Target != "members" || log.Items[0].Detail != "1 of 1" {
		t.Errorf("%+v", log)
	}
}
