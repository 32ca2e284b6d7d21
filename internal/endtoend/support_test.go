package endtoend

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestSupport: a platform admin gets into an org when an owner lets them, and is out at once when it ends; an org changes hands.
func TestSupport(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	olga := s.invite(ada, "acme", "olga@example.com", "owner")
	eve := s.invite(ada, "acme", "eve@example.com", "admin")
	root, api := platformAdmin(s), s.url("")+"/api/v1"
	if a := root.open(s.url("acme") + "/"); a.status != 403 {
		t.Fatalf("%d", a.status)
	}
	members := s.url("") + "/orgs/acme/members"
	if a := root.submit(s.url("")+"/orgs/acme/invites", url.Values{"email": {"root@example.com"}, "role": {"admin"}}); a.status != 403 || !strings.Contains(a.body, "support access") {
		t.Errorf("a platform admin invited themselves: %d", a.status)
	}
	if a := root.submit(s.url("")+"/orgs/acme/support", url.Values{"role": {"admin"}, "hours": {"4"}, "reason": {""}}); a.status != 422 {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := root.submit(s.url("")+"/orgs/acme/support", url.Values{"role": {"admin"}, "hours": {"4"}, "reason": {"ticket 4711 hangs"}}); a.status != 200 || !strings.Contains(a.body, "ticket 4711 hangs") {
		t.Fatalf("%d %s", a.status, tail(a.body, 500))
	}
	var page struct{ Items []struct{ ID, State string } }
	if err := json.Unmarshal([]byte(olga.fetch("GET", api+"/orgs/acme/support", "").body), &page); err != nil || len(page.Items) != 1 || page.Items[0].State != "waiting" {
		t.Fatalf("%+v %v", page, err)
	}
	answer := s.url("") + "/orgs/acme/support/" + page.Items[0].ID
	for name, p := range map[string]*person{"root": root, "eve": eve} {
		if a := p.submit(answer, url.Values{"answer": {"approve"}}); a.status != 403 {
			t.Errorf("%s answered: %d", name, a.status)
		}
	}
	if a := olga.submit(answer, url.Values{"answer": {"approve"}}); a.status != 200 || !strings.Contains(a.body, "let in by olga@example.com") || !strings.Contains(a.body, "support, until") {
		t.Fatalf("%d %s", a.status, tail(a.body, 500))
	}
	if a := root.open(s.url("acme") + "/"); a.status != 200 || !strings.Contains(a.body, `id="role">admin<`) {
		t.Fatalf("%d %s", a.status, tail(a.body, 500))
	}
	ws, err := s.dialOrg(root, "acme", s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	if out := s.must("audit", "list", "acme", "--action", "support.entered"); !strings.Contains(out, "root@example.com") {
		t.Error(out)
	}
	if a := eve.submit(answer+"/end", nil); a.status != 200 || strings.Contains(a.body, "support, until") {
		t.Fatalf("%d", a.status)
	}
	s.eventually("what is open ends", func() bool { return echo(ws) != nil })
	if a := root.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 403 {
		t.Errorf("after the end: %d", a.status)
	}

	// The org changes hands, by its owner alone and from the page.
	var list struct {
		Items []struct {
			UserID string `json:"user_id"`
			Email  string
		}
	}
	if err := json.Unmarshal([]byte(olga.fetch("GET", api+"/orgs/acme/members", "").body), &list); err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, m := range list.Items {
		if m.Email == "eve@example.com" {
			id = m.UserID
		}
	}
	if a := eve.open(members + "/" + id + "/transfer"); a.status != 403 {
		t.Errorf("an admin: %d", a.status)
	}
	if a := olga.open(members + "/" + id + "/transfer"); a.status != 200 || !strings.Contains(a.body, "Hand The acme org over to eve") {
		t.Errorf("%d", a.status)
	}
	if a := olga.submit(members+"/"+id+"/transfer", nil); a.status != 200 {
		t.Fatalf("%d %s", a.status, tail(a.body, 500))
	}
	for name, want := range map[*person]string{olga: "admin", eve: "owner"} {
		if a := name.fetch("GET", api+"/orgs/acme", ""); !strings.Contains(a.body, `"role":"`+want+`"`) {
			t.Errorf("want %s: %s", want, a.body)
		}
	}

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
