package endtoend

import (
	"strings"
	"testing"
)

// TestOwnersDecideInBrowser: an owner reads what waits and what was decided, and refuses.
func TestOwnersDecideInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.invite(ada, "acme", "eve@example.com", "member")
	s.must("user", "verify", "eve@example.com")
	waits := "waits for the approval of an owner"
	for _, email := range []string{"friend@example.com", "other@example.com"} {
		if out := s.must("member", "invite", "acme", email); !strings.Contains(out, waits) {
			t.Error(out)
		}
	}
	out := s.must("org", "break-glass", "acme", "--owner", "eve@example.com")
	if !strings.Contains(out, "break_glass") {
		t.Error(out)
	}
	var page struct {
		Items []struct{ ID, Kind, Email string }
	}
	path := s.url("") + "/api/v1/orgs/acme/approvals"
	ada.call(t, "GET", path, "", 200, &page)
	list := s.must("approval", "list", "acme")
	for _, a := range page.Items {
		if !strings.Contains(list, a.ID) {
			t.Errorf("no %s in %s", a.ID, list)
		}
		if a.Email == "other@example.com" {
			ada.call(t, "POST", path+"/"+a.ID+"/approve", "", 200, nil)
		}
		if a.Kind == "break_glass" {
			ada.call(t, "POST", path+"/"+a.ID+"/refuse", "", 200, nil)
		}
	}

	b := s.chromium()
	b.visit(s.url("") + "/orgs/acme/members")
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "Approvals")
	b.accessible("approvals")
	b.shot("approvals")
	b.press(`form[action$="/refuse"] button`, "refused by ada@example.com")
	b.quiet()
}
