package flows

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestPlanLimits: what a plan and an org's own limits say counts in the gateway at once, without a
// reload, and for that org alone.
func TestPlanLimits(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	s.Org(ada, "globex")
	ada.Open(s.URL("acme") + "/")
	ada.Open(s.URL("globex") + "/")
	ws, err := ada.Dial(s.URL("acme"), s.URL("acme")) // from before there is a limit, and counted
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	api := s.URL("") + "/api/v1"
	ada.Call(
		t,
		"POST",
		api+"/plans",
		`{"name":"team","limits":{"requests_per_second":1000,"websockets":1,"body":1024}}`,
		201,
		nil,
	)
	if a := ada.Fetch(http.MethodGet, s.URL("acme")+"/whoami", ""); a.Status != 200 ||
		a.Header.Get("RateLimit") != "" {
		t.Errorf("with a plan that it does not have: %d %v", a.Status, a.Header)
	}
	ada.Call(t, "PUT", api+"/orgs/acme/plan", `{"plan":"team"}`, 200, nil)
	s.Eventually("the plan counts", func() bool {
		a := ada.Fetch(http.MethodGet, s.URL("acme")+"/whoami", "")
		return a.Status == 200 && a.Header.Get("RateLimit-Policy") == `"plan";q=2000;w=2`
	})
	if second, err := ada.Dial(s.URL("acme"), s.URL("acme")); err == nil ||
		!strings.Contains(err.Error(), "429") {
		t.Errorf("a second WebSocket: %v", err)
		_ = second.CloseNow()
	}
	own := map[string]string{
		"Sec-Fetch-Site": "same-origin",
		"Origin":         s.URL("acme"),
		"Accept":         "application/json",
	}
	for size, want := range map[int]int{0: 200, 1024: 200, 1025: 413, 1 << 20: 413} {
		for how, body := range map[string]io.Reader{"with its length": strings.NewReader(strings.Repeat("x", size)), "without": io.MultiReader(strings.NewReader(strings.Repeat("x", size)))} {
			if a := ada.Do("POST", s.URL("acme")+"/size", body, own); a.Status != want {
				t.Errorf("%d bytes, %s: %d %s", size, how, a.Status, a.Body)
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
	ada.Call(t, "GET", api+"/orgs/acme/usage", "", 200, &usage)
	for _, i := range usage.Quota.Items {
		if i.Name == "websockets" &&
			(i.Limit == nil || *i.Limit != 1 || *i.Used != 1 || i.Over || !i.Enforced) {
			t.Errorf("%+v", i)
		}
	}
	if a := ada.Open(s.URL("") + "/orgs/acme"); !strings.Contains(a.Body, "Plan team") ||
		!strings.Contains(a.Body, "WebSockets") {
		t.Errorf("the console says nothing of the plan: %s", a.Body)
	}

	// A change of the plan reaches its orgs; 0 is 0, and nothing is no limit.
	ada.Call(t, "PATCH", api+"/plans/team", `{"limits":{"requests_per_second":0}}`, 200, nil)
	answers(s, ada, "acme", 429)
	a := ada.Fetch(http.MethodGet, s.URL("acme")+"/whoami", "")
	if a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Policy") != `"plan";q=0;w=60` ||
		!strings.Contains(a.Body, "has too many requests") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	if a := ada.Fetch(http.MethodGet, s.URL("globex")+"/whoami", ""); a.Status != 200 {
		t.Errorf("another org: %d", a.Status)
	}
	ada.SetLimits("acme", `{"requests_per_second":100,"concurrency":1}`) // in place of the plan's
	answers(s, ada, "acme", 429)                                         // the WebSocket is the one at once
	_ = ws.CloseNow()
	answers(s, ada, "acme", 200)
	ada.Call(t, "PATCH", api+"/plans/team", `{"limits":{"requests_per_second":null}}`, 200, nil)
	ada.SetLimits("acme", `{"requests_per_second":null,"concurrency":null}`)
	s.Eventually("there is no limit", func() bool {
		a := ada.Fetch(http.MethodGet, s.URL("acme")+"/whoami", "")
		return a.Status == 200 && a.Header.Get("RateLimit") == ""
	})
	if a := ada.Submit(
		s.URL("")+"/orgs/acme/plan", map[string][]string{"plan": {"standard"}},
	); a.Status != 200 ||
		!strings.Contains(a.Body, "Plan standard") {
		t.Errorf("the console: %d %s", a.Status, a.Body)
	}
}

// TestQuotaWarnings: owners and admins are told by mail, and webhooks, once; and who is invited
// into a full org reads why they cannot come.
func TestQuotaWarnings(t *testing.T) {
	t.Parallel()
	sink := mailtest.New(t, false)
	r := newReceiver(t)
	s := servertest.Start(t, func(c *runtime.Tunables) { withMail(sink)(c); allowLoopback(c) })
	ada := s.Admin()
	s.Org(ada, "acme")
	api := s.URL("") + "/api/v1"
	ada.Call(
		t,
		"POST",
		api+"/orgs/acme/webhooks",
		`{"url":"`+r.URL+`/hook","events":["org.quota_warning"]}`,
		201,
		nil,
	)
	ada.SetLimits("acme", `{"members":1}`)
	text, _ := mailed(s, sink, "ada@example.com", "The acme org has reached its limit of members")
	if !strings.Contains(text, "uses 1 of 1 members") {
		t.Error(text)
	}
	s.Eventually("the webhook is told", func() bool { return r.count() == 1 })
	if a := ada.Fetch(
		"POST",
		api+"/orgs/acme/invites",
		`{"email":"eve@example.com","role":"member"}`,
	); a.Status != 409 ||
		!strings.Contains(a.Body, "may have 1 members") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	var log struct {
		Items []struct{ Target, Detail string }
	}
	ada.Call(t, "GET", api+"/orgs/acme/audit?action=org.quota_warning", "", 200, &log)
	if len(log.Items) != 1 || log.Items[0].Target != "members" || log.Items[0].Detail != "1 of 1" {
		t.Errorf("%+v", log)
	}
}

// answers waits until a request to an org is answered with a status.
func answers(s *servertest.Installation, p *servertest.Person, slug string, status int) {
	s.Helper()
	s.Eventually(fmt.Sprintf("%s answers %d", slug, status), func() bool {
		return p.Fetched(s.URL(slug)+"/whoami") == status
	})
}
