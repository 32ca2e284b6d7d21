package endtoend

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestOwnersDecide: each way by which a platform admin got into an instance without an owner.
func TestOwnersDecide(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	eve := s.invite(ada, "acme", "eve@example.com", "member")
	root, api := platformAdmin(s), s.url("")+"/api/v1"
	approvals := func(p *person) (out []struct{ ID, Kind, Email, State string }) {
		t.Helper()
		var page struct {
			Items []struct{ ID, Kind, Email, State string }
		}
		if err := json.Unmarshal([]byte(p.fetch("GET", api+"/orgs/acme/approvals", "").body), &page); err != nil {
			t.Fatal(err)
		}
		return page.Items
	}
	signIn := func(email, password string) *person {
		t.Helper()
		p := s.person()
		if a := p.submit(s.url("")+"/sign-in", url.Values{"email": {email}, "password": {password}}); a.status != 200 {
			t.Fatalf("%d %s", a.status, tail(a.body, 500))
		}
		return p
	}

	// An account of one's own that one invites.
	root.call(t, "POST", api+"/users", `{"email":"friend@example.com","name":"Friend","password":"`+password+`"}`, 201, nil)
	a := root.fetch("POST", api+"/orgs/acme/invites", `{"email":"friend@example.com","role":"owner"}`)
	if a.status != 202 || strings.Contains(a.body, "/invite/") || !strings.Contains(a.body, `"state":"waiting"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := signIn("friend@example.com", password).open(s.url("acme") + "/"); a.status != 403 {
		t.Errorf("%d", a.status)
	}
	if out := s.must("member", "invite", "acme", "other@example.com"); !strings.Contains(out, "waits for the approval of an owner") {
		t.Error(out)
	}
	// On the page it waits, for the platform admin and the owner alike; the owner's link is for the owner.
	members := s.url("") + "/orgs/acme/members"
	if a := root.open(members); !strings.Contains(a.body, "waiting for an owner") || strings.Contains(a.body, "/approve\"") {
		t.Errorf("%s", tail(a.body, 1000))
	}
	id := ""
	for _, p := range approvals(ada) {
		if p.Email == "other@example.com" {
			id = p.ID
		}
	}
	if a := root.submit(s.url("")+"/orgs/acme/approvals/"+id+"/approve", nil); a.status != 403 {
		t.Errorf("the platform admin answered: %d", a.status)
	}
	a = ada.submit(s.url("")+"/orgs/acme/approvals/"+id+"/approve", nil)
	if a.status != 200 || !strings.Contains(a.body, "/invite/") || !strings.Contains(a.body, "approved by ada@example.com") {
		t.Fatalf("%d %s", a.status, tail(a.body, 1000))
	}
	if a := ada.submit(s.url("")+"/orgs/acme/approvals/"+id+"/refuse", nil); a.status != 404 {
		t.Errorf("answered twice: %d", a.status)
	}

	// A link for a member's password: by then the member, and whoever is them, is out.
	if a := eve.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	link := strings.TrimSpace(s.must("user", "password-link", "eve@example.com"))
	if a := s.person().submit(link, url.Values{"password": {"another good sentence"}}); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	thief := signIn("eve@example.com", "another good sentence")
	if a := thief.open(s.url("acme") + "/"); a.status != 403 {
		t.Errorf("%d", a.status)
	}
	if a := thief.open(s.url("") + "/"); !strings.Contains(a.body, "has to confirm that it’s you") {
		t.Errorf("%s", tail(a.body, 1000))
	}
	list := approvals(ada)
	if list[0].Kind != "return" || list[0].State != "waiting" {
		t.Fatalf("%+v", list)
	}
	if a := ada.submit(s.url("")+"/orgs/acme/approvals/"+list[0].ID+"/approve", nil); a.status != 200 {
		t.Fatalf("%d %s", a.status, tail(a.body, 500))
	}
	if a := thief.open(s.url("acme") + "/"); a.status != 200 {
		t.Errorf("%d", a.status)
	}

	// A new owner, by the operator alone, and not before its time.
	root.call(t, "POST", api+"/orgs/acme/break-glass", `{"owner":"root@example.com"}`, 403, nil)
	if out := s.must("org", "break-glass", "acme", "--owner", "root@example.com"); !strings.Contains(out, "break_glass") {
		t.Error(out)
	}
	if a := root.open(s.url("acme") + "/"); a.status != 403 {
		t.Errorf("%d", a.status)
	}
	if a := thief.open(members); !strings.Contains(a.body, "New owner, because the owners are gone") || strings.Contains(a.body, "friend@example.com") {
		t.Errorf("a member sees %s", tail(a.body, 1000))
	}
	list = approvals(ada)
	if out := s.must("approval", "list", "acme"); !strings.Contains(out, list[0].ID) {
		t.Error(out)
	}
	ada.call(t, "POST", api+"/orgs/acme/approvals/"+list[0].ID+"/refuse", "", 200, nil)

	b := s.chromium()
	b.visit(members)
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "Approvals")
	b.accessible("approvals")
	b.shot("approvals")
	b.press(`form[action$="/refuse"] button`, "refused by ada@example.com")
	b.quiet()
}

// approveAll has an owner approve whatever waits in an org.
func (s *server) approveAll(owner *person, slug string) {
	s.t.Helper()
	var page struct{ Items []struct{ ID, State string } }
	path := s.url("") + "/api/v1/orgs/" + slug + "/approvals"
	owner.call(s.t, "GET", path, "", 200, &page)
	for _, p := range page.Items {
		if p.State == "waiting" {
			owner.call(s.t, "POST", path+"/"+p.ID+"/approve", "", 200, nil)
		}
	}
}
