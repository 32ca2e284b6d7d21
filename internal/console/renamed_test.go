package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

var wildcard = regexp.MustCompile(`\{.*?\}`)

// TestRenamedOrg: every page of an org's former address leads to the same page of its present one,
// for those who may see the org, and for nobody else.
func TestRenamedOrg(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	ada := s.User("ada@example.com", false)
	org := s.Org("former", ada)
	stranger := s.Page(s.SignIn(s.User("bob@example.com", false)))
	owner := s.Page(s.SignIn(ada))
	s.Operator().Want(t, 200, "POST", "/api/v1/orgs/former/rename", `{"slug":"present"}`)
	for _, rt := range console.Routes() {
		if !strings.HasPrefix(rt.Pattern, "/orgs/{org}") {
			continue
		}
		path := strings.Replace(rt.Pattern, "{org}", "former", 1)
		path = wildcard.ReplaceAllString(path, "a%2Fb")
		a := owner.Do(rt.Method, path+"?q=%2F&x=1", "")
		want := strings.Replace(path, "former", "present", 1) + "?q=%2F&x=1"
		if a.Status != http.StatusTemporaryRedirect || a.Header.Get("Location") != want {
			t.Errorf("%s %s: %d to %q", rt.Method, path, a.Status, a.Header.Get("Location"))
		}
		if a := stranger.Do(rt.Method, path, ""); a.Status != http.StatusNotFound {
			t.Errorf("%s %s: a stranger gets %d to %q", rt.Method, path, a.Status, a.Header.Get("Location"))
		}
	}
	for path, want := range map[string]int{
		"/orgs/present": 200, "/orgs/" + string(org.ID): 200, "/orgs/none": 404,
		"/orgs/present/members/" + registry.NewID() + "/remove": 404,
	} {
		if a := owner.Do("GET", path, ""); a.Status != want {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
	if a := s.Nobody().Do("GET", "/orgs/former", ""); strings.Contains(a.Header.Get("Location"), "present") {
		t.Errorf("nobody is told: %q", a.Header.Get("Location"))
	}
}
