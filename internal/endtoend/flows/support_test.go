package flows

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestSupport: a platform admin gets into an org when an owner lets them, and is out at once when it ends; an org changes hands.
func TestSupport(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	olga := s.Invite(ada, "acme", "olga@example.com", "owner")
	eve := s.Invite(ada, "acme", "eve@example.com", "admin")
	root, api := platformAdmin(s), s.URL("")+"/api/v1"
	if a := root.Open(s.URL("acme") + "/"); a.Status != 403 {
		t.Fatalf("%d", a.Status)
	}
	members := s.URL("") + "/orgs/acme/members"
	if a := root.Submit(s.URL("")+"/orgs/acme/invites", url.Values{"email": {"root@example.com"}, "role": {"admin"}}); a.Status != 403 || !strings.Contains(a.Body, "support access") {
		t.Errorf("a platform admin invited themselves: %d", a.Status)
	}
	if a := root.Submit(s.URL("")+"/orgs/acme/support", url.Values{"role": {"admin"}, "hours": {"4"}, "reason": {""}}); a.Status != 422 {
		t.Errorf("without a reason: %d", a.Status)
	}
	if a := root.Submit(s.URL("")+"/orgs/acme/support", url.Values{"role": {"admin"}, "hours": {"4"}, "reason": {"ticket 4711 hangs"}}); a.Status != 200 || !strings.Contains(a.Body, "ticket 4711 hangs") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var page struct{ Items []struct{ ID, State string } }
	if err := json.Unmarshal([]byte(olga.Fetch("GET", api+"/orgs/acme/support", "").Body), &page); err != nil || len(page.Items) != 1 || page.Items[0].State != "waiting" {
		t.Fatalf("%+v %v", page, err)
	}
	answer := s.URL("") + "/orgs/acme/support/" + page.Items[0].ID
	for name, p := range map[string]*servertest.Person{"root": root, "eve": eve} {
		if a := p.Submit(answer, url.Values{"answer": {"approve"}}); a.Status != 403 {
			t.Errorf("%s answered: %d", name, a.Status)
		}
	}
	if a := olga.Submit(answer, url.Values{"answer": {"approve"}}); a.Status != 200 || !strings.Contains(a.Body, "let in by olga@example.com") || !strings.Contains(a.Body, "support, until") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a := root.Open(s.URL("acme") + "/"); a.Status != 200 || !strings.Contains(a.Body, `id="role">admin<`) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	ws, err := root.Dial(s.URL("acme"), s.URL("acme"))
	if err != nil {
		t.Fatal(err)
	}
	if log := s.Must("GET", "/orgs/acme/audit?action=support.entered", "").Body; !strings.Contains(log, "root@example.com") {
		t.Error(log)
	}
	if a := eve.Submit(answer+"/end", nil); a.Status != 200 || strings.Contains(a.Body, "support, until") {
		t.Fatalf("%d", a.Status)
	}
	s.Eventually("what is open ends", func() bool { return servertest.Echo(ws) != nil })
	if a := root.Fetch("GET", s.URL("acme")+"/whoami", ""); a.Status != 403 {
		t.Errorf("after the end: %d", a.Status)
	}

	// The org changes hands, by its owner alone and from the page.
	var list struct {
		Items []struct {
			UserID string `json:"user_id"`
			Email  string
		}
	}
	if err := json.Unmarshal([]byte(olga.Fetch("GET", api+"/orgs/acme/members", "").Body), &list); err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, m := range list.Items {
		if m.Email == "eve@example.com" {
			id = m.UserID
		}
	}
	if a := eve.Open(members + "/" + id + "/transfer"); a.Status != 403 {
		t.Errorf("an admin: %d", a.Status)
	}
	if a := olga.Open(members + "/" + id + "/transfer"); a.Status != 200 || !strings.Contains(a.Body, "Hand The acme org over to eve") {
		t.Errorf("%d", a.Status)
	}
	if a := olga.Submit(members+"/"+id+"/transfer", nil); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for name, want := range map[*servertest.Person]string{olga: "admin", eve: "owner"} {
		if a := name.Fetch("GET", api+"/orgs/acme", ""); !strings.Contains(a.Body, `"role":"`+want+`"`) {
			t.Errorf("want %s: %s", want, a.Body)
		}
	}
}
