package flows

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestOwnersDecide: each way by which a platform admin got into an instance without an owner.
func TestOwnersDecide(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	eve := s.Invite(ada, "acme", "eve@example.com", "member")
	root, api := platformAdmin(s), s.URL("")+"/api/v1"
	approvals := func(p *servertest.Person) (out []struct{ ID, Kind, Email, State string }) {
		t.Helper()
		var page struct {
			Items []struct{ ID, Kind, Email, State string }
		}
		if err := json.Unmarshal([]byte(p.Fetch("GET", api+"/orgs/acme/approvals", "").Body), &page); err != nil {
			t.Fatal(err)
		}
		return page.Items
	}
	in := func(email, password string) *servertest.Person {
		t.Helper()
		p := s.Person()
		if a := signIn(s, p, email, password); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return p
	}

	// An account of one's own that one invites.
	root.Call(t, "POST", api+"/users", `{"email":"friend@example.com","name":"Friend","password":"`+servertest.Password+`"}`, 201, nil)
	a := root.Fetch("POST", api+"/orgs/acme/invites", `{"email":"friend@example.com","role":"owner"}`)
	if a.Status != 202 || strings.Contains(a.Body, "/invite/") || !strings.Contains(a.Body, `"state":"waiting"`) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := in("friend@example.com", servertest.Password).Open(s.URL("acme") + "/"); a.Status != 403 {
		t.Errorf("%d", a.Status)
	}
	if a := s.Operator("POST", "/orgs/acme/invites", `{"email":"other@example.com","role":"member"}`); a.Status != 202 || !strings.Contains(a.Body, `"state":"waiting"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	// On the page it waits, for the platform admin and the owner alike; the owner's link is for the owner.
	members := s.URL("") + "/orgs/acme/members"
	if a := root.Open(members); !strings.Contains(a.Body, "waiting for an owner") || strings.Contains(a.Body, "/approve\"") {
		t.Errorf("%s", a.Body)
	}
	id := ""
	for _, p := range approvals(ada) {
		if p.Email == "other@example.com" {
			id = p.ID
		}
	}
	if a := root.Submit(s.URL("")+"/orgs/acme/approvals/"+id+"/approve", nil); a.Status != 403 {
		t.Errorf("the platform admin answered: %d", a.Status)
	}
	a = ada.Submit(s.URL("")+"/orgs/acme/approvals/"+id+"/approve", nil)
	if a.Status != 200 || !strings.Contains(a.Body, "/invite/") || !strings.Contains(a.Body, "approved by ada@example.com") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := ada.Submit(s.URL("")+"/orgs/acme/approvals/"+id+"/refuse", nil); a.Status != 404 {
		t.Errorf("answered twice: %d", a.Status)
	}

	// A link for a member's password: by then the member, and whoever is them, is out.
	if a := eve.Open(s.URL("acme") + "/"); a.Status != 200 {
		t.Fatalf("%d", a.Status)
	}
	link := passwordLink(s, "eve@example.com")
	if a := s.Person().Submit(link, url.Values{"password": {"another good sentence"}}); a.Status != 200 {
		t.Fatalf("%d", a.Status)
	}
	thief := in("eve@example.com", "another good sentence")
	if a := thief.Open(s.URL("acme") + "/"); a.Status != 403 {
		t.Errorf("%d", a.Status)
	}
	if a := thief.Open(s.URL("") + "/"); !strings.Contains(a.Body, "has to confirm that it’s you") {
		t.Errorf("%s", a.Body)
	}
	list := approvals(ada)
	if list[0].Kind != "return" || list[0].State != "waiting" {
		t.Fatalf("%+v", list)
	}
	if a := ada.Submit(s.URL("")+"/orgs/acme/approvals/"+list[0].ID+"/approve", nil); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := thief.Open(s.URL("acme") + "/"); a.Status != 200 {
		t.Errorf("%d", a.Status)
	}

	// A new owner, by the operator alone, and not before its time.
	root.Call(t, "POST", api+"/orgs/acme/break-glass", `{"owner":"root@example.com"}`, 403, nil)
	if a := s.Must("POST", "/orgs/acme/break-glass", `{"owner":"root@example.com"}`); !strings.Contains(a.Body, "break_glass") {
		t.Error(a.Body)
	}
	if a := root.Open(s.URL("acme") + "/"); a.Status != 403 {
		t.Errorf("%d", a.Status)
	}
	if a := thief.Open(members); !strings.Contains(a.Body, "New owner, because the owners are gone") || strings.Contains(a.Body, "friend@example.com") {
		t.Errorf("a member sees %s", a.Body)
	}
	list = approvals(ada)
	if a := s.Must("GET", "/orgs/acme/approvals", ""); !strings.Contains(a.Body, list[0].ID) {
		t.Error(a.Body)
	}
	ada.Call(t, "POST", api+"/orgs/acme/approvals/"+list[0].ID+"/refuse", "", 200, nil)
}
