package endtoend

import (
	"strings"
	"testing"
)

// TestLeaveAndDecline: everybody may leave but the last owner, and invitations can be declined.
func TestLeaveAndDecline(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	eve := s.invite(ada, "acme", "eve@example.com", "member")
	id := func(p *person) string {
		t.Helper()
		var me struct{ User struct{ ID string } }
		p.call(t, "GET", s.url("")+"/api/v1/me", "", 200, &me)
		return me.User.ID
	}
	leave := s.url("") + "/orgs/acme/members/" + id(eve) + "/remove"
	if a := eve.open(s.url("") + "/orgs/acme/members"); !strings.Contains(a.body, "Leave The acme org") {
		t.Errorf("%d %s", a.status, tail(a.body, 500))
	}
	if a := eve.open(s.url("") + "/orgs/acme/members/" + id(ada) + "/remove"); a.status != 403 {
		t.Errorf("a member may remove others: %d", a.status)
	}
	if a := eve.open(leave); a.status != 200 || !strings.Contains(a.body, "You lose The acme org") {
		t.Errorf("%d %s", a.status, tail(a.body, 500))
	}
	if a := eve.submit(leave, nil); a.status != 200 || a.url.Path != "/" {
		t.Errorf("%d at %s", a.status, a.url)
	}
	s.eventually("eve is out", func() bool { return eve.status(s.url("acme")+"/") == 403 })
	if a := ada.submit(s.url("")+"/orgs/acme/members/"+id(ada)+"/remove", nil); a.status != 409 {
		t.Errorf("the last owner left: %d", a.status)
	}

	var invited struct{ Link string }
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/acme/invites", `{"email":"mia@example.com","role":"member"}`, 201, &invited)
	if a := s.person().open(invited.Link); a.status != 200 || !strings.Contains(a.body, "Decline") {
		t.Errorf("%d %s", a.status, tail(a.body, 500))
	}
	if a := s.person().submit(invited.Link+"/decline", nil); a.status != 200 || !strings.Contains(a.body, "You declined") {
		t.Errorf("%d %s", a.status, tail(a.body, 500))
	}
	if a := s.person().open(invited.Link); a.status != 410 {
		t.Errorf("%d", a.status)
	}
}
