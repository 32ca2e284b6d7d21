package endtoend

import "testing"

// TestSupportInBrowser: a platform admin asks for access to an org, and an owner lets them in.
func TestSupportInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.invite(ada, "acme", "eve@example.com", "owner")
	if out, err := s.cli(
		password+"\n", "user", "create", "root@example.com", "--name", "Root", "--platform-admin",
	); err != nil {
		t.Fatalf("user create: %s", out)
	}
	members := s.url("") + "/orgs/acme/members"
	b := s.chromium()
	b.visit(members)
	b.fill(map[string]string{"email": "root@example.com", "password": password})
	b.press("form.card button", "Ask for support access")
	b.fill(map[string]string{"reason": "ticket 4712"})
	b.press(`form[action$="/support"] button`, "ticket 4712")
	b.shot("support-asked")
	o := b.other()
	o.visit(members)
	o.fill(map[string]string{"email": "eve@example.com", "password": password})
	o.press("form.card button", "ticket 4712")
	o.shot("support-answer")
	o.press(`button[value="approve"]`, "support, until")
	o.shot("support-given")
	b.quiet()
	o.quiet()
}
