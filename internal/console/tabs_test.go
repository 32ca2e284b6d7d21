package console_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestTwoTabsOfEveryForm: every form of several fields that edits what others may edit too has a
// version, and the older of two that were opened at once is refused with what it differs in.
func TestTwoTabsOfEveryForm(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Schema = registry.Schema{Fields: []registry.Field{{Name: "COLOUR", Type: registry.FieldText}}}
	ada := s.User("ada@example.com", true)
	acme := s.Org("acme", ada)
	s.Connection("a", "Old", acme.ID)
	s.Connection("b", "Old", "")
	for _, name := range []string{"team", "large"} {
		if _, err := s.Store.CreatePlan(t.Context(), registry.AsOperator(),
			registry.Plan{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	me := s.Page(s.SignIn(ada))
	edits := map[string]struct{ page, field, first, second string }{
		"/orgs/acme/settings":            {"/orgs/acme/settings", "set.COLOUR", "red", "blue"},
		"/orgs/acme/name":                {"/orgs/acme/settings", "name", "Red", "Blue"},
		"/orgs/acme/plan":                {"/orgs/acme", "plan", "team", "large"},
		"/orgs/acme/limits":              {"/orgs/acme", "members", "3", "4"},
		"/platform/plans/team":           {"/platform/plans/team", "body", "10MB", "20MB"},
		"/orgs/acme/sign-in/a":           {"/orgs/acme/sign-in", "roles", "red = member", "blue = admin"},
		"/platform/sign-in/b":            {"/platform/sign-in", "name", "Red", "Blue"},
		"/orgs/acme/sign-in/second-step": {"/orgs/acme/sign-in", "required", "1", ""},
		"/orgs/acme/sign-in/sessions":    {"/orgs/acme/sign-in", "lifetime", "480", "60"},
	}
	for action, edit := range edits {
		first := filledForm(t, me.Want(t, 200, "GET", edit.page, "").Body, action)
		second := filledForm(t, me.Want(t, 200, "GET", edit.page, "").Body, action)
		if !first.Has("version") {
			t.Errorf("%s has no version", action)
		}
		first.Set(edit.field, edit.first)
		if second.Set(edit.field, edit.second); edit.second == "" {
			second.Del(edit.field)
		}
		if edit.field == "roles" {
			first.Set("roles_claim", "groups")
			second.Set("roles_claim", "groups")
		}
		submit(t, me, 303, action, first)
		a := submit(t, me, 412, action, second)
		if !strings.Contains(a.Body, "meanwhile: <code>"+edit.first) && edit.second != "" {
			t.Errorf("%s does not show %s: %s", action, edit.first, a.Body)
		}
		again := filledForm(t, a.Body, action)
		if edit.second != "" && again.Get(edit.field) != edit.second {
			t.Errorf("%s lost %s: %v", action, edit.second, again)
		}
		submit(t, me, 303, action, again)
	}

	// A form that shows a value to change, and is none of these, is of one field.
	oneField := regexp.MustCompile(`^/(orgs/acme/rename|account/name|theme|` +
		`orgs/acme/members/[^/]+/role)$`)
	for _, rt := range console.Routes() {
		page := strings.NewReplacer("{org}", "acme", "{$}", "").Replace(rt.Pattern)
		if rt.Method != "GET" || strings.Contains(page, "{") || strings.HasSuffix(page, "/live") ||
			strings.HasSuffix(page, "/log") {
			continue
		}
		for action, form := range formsOf(t, me.Do("GET", page, "").Body) {
			if _, known := edits[action]; known || oneField.MatchString(action) {
				continue
			}
			for name, v := range form {
				if !fixed[name] && v[0] != "" && !form.Has("version") {
					t.Errorf("%s: %s shows %s=%q, and has no version", page, action, name, v[0])
				}
			}
		}
	}
}

// fixed are fields that start with a value which nobody has saved.
var fixed = map[string]bool{
	"form_nonce": true, "return": true, "sealed": true, "email": true, "response": true,
	"days": true, "role": true, "hours": true, "active": true, "delivery": true, "admin": true,
	"scopes": true, "default_role": true, "vouch": true, "again": true, "plan": true,
}
