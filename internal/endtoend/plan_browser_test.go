package endtoend

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserPlans: a platform admin creates, gives, changes and deletes a plan in a real Chromium.
func TestBrowserPlans(t *testing.T) {
	t.Parallel()
	s := startWith(t, "plan large {\ntitle Large\nmembers 200\nbody 100MB\n}", "org_gateway")
	ada := s.chromium()
	console := s.url("")
	s.eventually("the set-up link is printed", func() bool { return setupLink.MatchString(s.out.String()) })
	ada.visit(setupLink.FindString(s.out.String()))
	ada.fill(map[string]string{"name": "Ada Admin", "email": "ada@example.com", "password": password})
	ada.press("form.card button", "Create your first org")

	ada.visit(console + "/platform/plans")
	ada.shot("plans")
	ada.do(chromedp.Click(".act summary"))
	ada.fill(map[string]string{"name": "team", "title": "Team", "limit-members": "many", "limit-body": "10MB"})
	ada.shot("plan-new")
	ada.press("details.act button", "Members: use a whole number")
	ada.shot("plan-new-error")
	ada.fill(map[string]string{"limit-members": "25"})
	ada.press("details.act button", "The plan is created")
	ada.shot("plan")
	ada.visit(console + "/platform/plans/large")
	ada.shot("plan-of-caddyfile")

	ada.visit(console + "/orgs/new")
	ada.fill(map[string]string{"name": "Acme Inc", "slug": "acme", "plan": "team"})
	ada.shot("new-org-plan")
	ada.press("form.card button", "Acme Inc")
	ada.do(chromedp.WaitVisible("#open"))
	ada.do(chromedp.Click("#quota summary"))
	ada.fill(map[string]string{"limit-members": "30"})
	ada.shot("org-limits")
	ada.press("#quota details button", "the org's own")
	ada.shot("org-plan")

	ada.visit(console + "/platform/plans/team")
	ada.shows("You can delete this plan once no organization has it")
	ada.shot("plan-in-use")
	ada.fill(map[string]string{"limit-members": "20"})
	ada.press("form.card button", "Saved")
	ada.visit(console + "/orgs/acme")
	ada.fill(map[string]string{"plan": "large"})
	ada.press("#quota .filters button", "Plan large")
	ada.visit(console + "/platform/plans/team")
	ada.press(`form[action$="/delete"] button`, "The plan is deleted")
	ada.quiet()
}
