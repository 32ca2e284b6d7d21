package api_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
)

// TestRenamedOrg: a program that uses a former address is told the present one, if it may see the
// org, and nothing is done.
func TestRenamedOrg(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	ada := s.User("ada@example.com", false)
	s.Org("former", ada)
	owner := s.Bearer(s.Token(s.SignIn(ada)))
	stranger := s.Bearer(s.Token(s.SignIn(s.User("bob@example.com", false))))
	op := s.Operator()
	op.Want(t, 200, "POST", "/api/v1/orgs/former/rename", `{"slug":"present"}`)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"PATCH", "", `{"name":"Other"}`}, {"GET", "/members", ""},
		{"DELETE", "?confirm=former&now=true", ""},
	} {
		path := "/api/v1/orgs/former" + c.path
		for name, caller := range map[string]*controltest.Client{"the owner": owner, "the operator": op} {
			if a := caller.Want(t, 404, c.method, path, c.body); !strings.Contains(a.Body, `its address is \"present\" now`) {
				t.Errorf("%s %s: %s is told %s", c.method, path, name, a.Body)
			}
		}
		if a := stranger.Want(t, 404, c.method, path, c.body); strings.Contains(a.Body, "present") {
			t.Errorf("%s %s: a stranger is told %s", c.method, path, a.Body)
		}
	}
}
