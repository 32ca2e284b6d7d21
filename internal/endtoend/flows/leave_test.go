package flows

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestLeaveAndDecline: everybody may leave but the last owner, and invitations can be declined.
func TestLeaveAndDecline(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	eve := s.Invite(ada, "acme", "eve@example.com", "member")
	id := func(p *servertest.Person) string {
		t.Helper()
		var me struct{ User struct{ ID string } }
		p.Call(t, "GET", s.URL("")+"/api/v1/me", "", 200, &me)
		return me.User.ID
	}
	leave := s.URL("") + "/orgs/acme/members/" + id(eve) + "/remove"
	if a := eve.Open(s.URL("") + "/orgs/acme/members"); !strings.Contains(a.Body, "Leave The acme org") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := eve.Open(s.URL("") + "/orgs/acme/members/" + id(ada) + "/remove"); a.Status != 403 {
		t.Errorf("a member may remove others: %d", a.Status)
	}
	if a := eve.Open(leave); a.Status != 200 || !strings.Contains(a.Body, "You lose The acme org") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := eve.Submit(leave, nil); a.Status != 200 || a.URL.Path != "/" {
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	s.Eventually("eve is out", func() bool { return eve.Status(s.URL("acme")+"/") == 403 })
	if a := ada.Submit(s.URL("")+"/orgs/acme/members/"+id(ada)+"/remove", nil); a.Status != 409 {
		t.Errorf("the last owner left: %d", a.Status)
	}

	var invited struct{ Link string }
	ada.Call(t, "POST", s.URL("")+"/api/v1/orgs/acme/invites", `{"email":"mia@example.com","role":"member"}`, 201, &invited)
	if a := s.Person().Open(invited.Link); a.Status != 200 || !strings.Contains(a.Body, "Decline") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Person().Submit(invited.Link+"/decline", nil); a.Status != 200 || !strings.Contains(a.Body, "You declined") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Person().Open(invited.Link); a.Status != 410 {
		t.Errorf("%d", a.Status)
	}
}
