package console_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestPlanForms: plans and orgs' own limits get what the forms say, and an empty input is no limit.
func TestPlanForms(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	root := s.User("root@example.com", true)
	c := s.Page(s.SignIn(root))
	send := func(page, action string, set ...string) {
		t.Helper()
		form := filledForm(t, c.Want(t, 200, "GET", page, "").Body, action)
		for name, v := range vals(set...) {
			form[name] = v
		}
		submit(t, c, 303, action, form)
	}
	const plans, plan, acme = "/platform/plans", "/platform/plans/team", "/orgs/acme"
	send(plans, plans, "name", "team", "title", "Team", "members", "25", "body", "10MB",
		"websockets", "0")
	send("/orgs/new", "/orgs", "name", "Acme", "slug", "acme", "plan", "team")
	send(acme, acme+"/limits", "members", "30", "runners", "5")
	limits := func(want string) {
		t.Helper()
		o := must(s.Store.OrgBySlug(t.Context(), registry.AsOperator(), "acme"))
		got := registry.Limits{}
		for _, i := range must(s.Store.Quota(t.Context(), registry.AsOperator(), o.ID)).Items {
			if i.Limit != nil {
				got[i.Name] = *i.Limit
			}
		}
		if got.String() != want || o.Plan != "team" {
			t.Errorf("%s with %s, want %s", o.Plan, got, want)
		}
	}
	limits("websockets 0, body 10000000, members 30, runners 5")
	page := c.Want(t, 200, "GET", acme, "").Body
	for _, want := range []string{
		`name="members" value="30"`, "plan: 25", `name="body" value=""`, "plan: 10MB", "Team (team)",
		"not enforced by this provider",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the org's page lacks %s: %s", want, page)
		}
	}
	send(acme, acme+"/limits", "members", " ", "runners", "6")
	send(plan, plan, "websockets", "", "cpu", "0.5", "title", "", "lifetime", "480",
		"idle", "")
	limits("body 10000000, members 25, runners 6, cpu 0.5")
	if body := c.Want(t, 200, "GET", plans+"?done=deleted", "").Body; !strings.Contains(body,
		"Request size: 10MB, Members: 25, CPU cores: 0.5") {
		t.Errorf("all plans: %s", body)
	}
	if body := c.Want(t, 200, "GET", plan, "").Body; !strings.Contains(body, "disabled") ||
		!strings.Contains(body, `value="480"`) {
		t.Errorf("a plan in use: %s", body)
	}
	p := must(s.Store.Plan(t.Context(), registry.AsOperator(), "team"))
	if p.Sessions != (registry.Lifetimes{Absolute: 8 * 60 * 60}) {
		t.Errorf("sessions: %+v", p.Sessions)
	}
	if body := c.Want(t, 200, "GET", acme+"/sign-in", "").Body; !strings.Contains(body, "8 hours, or") {
		t.Errorf("the org's page: %s", body)
	}
	for name, none := range map[string]bool{"standard": true, "team": false} {
		body := c.Want(t, 200, "GET", "/platform/orgs?plan="+name, "").Body
		if strings.Contains(body, "No org matches") != none {
			t.Errorf("orgs on %s: %s", name, body)
		}
	}

	// Those of the Caddyfile change there alone.
	if err := s.Store.ConfigurePlans(t.Context(), registry.AsSystem("test"), registry.PlansOf{}, []registry.Plan{
		{Name: "large", Limits: registry.Limits{registry.LimitMembers: 200}},
	}); err != nil {
		t.Fatal(err)
	}
	page = c.Want(t, 200, "GET", plans+"/large", "").Body
	if strings.Contains(page, `action="/platform/plans/large`) || !strings.Contains(page, "Caddyfile") ||
		!strings.Contains(page, "<dd>200</dd>") {
		t.Errorf("a plan of the Caddyfile: %s", page)
	}
	submit(t, c, 409, plans+"/large", vals("members", "3"))
	submit(t, c, 409, plans+"/large/delete", nil)
}
