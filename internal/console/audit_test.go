package console_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestErasedInPages: a page says that a field was erased, instead of leaving it out.
func TestErasedInPages(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", true)
	acme := s.Org("acme", owner)
	gone := s.Member(acme.ID, "gone@example.com", registry.RoleMember)
	page := s.Page(s.SignIn(owner))
	for _, path := range []string{"/orgs/acme/audit", "/platform/audit"} {
		if b := page.Want(t, 200, "GET", path, "").Body; !strings.Contains(b, "gone@example.com") {
			t.Error(b)
		}
	}
	if _, err := s.Store.EraseAudit(t.Context(), registry.AsSystem("test"), gone.ID); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/orgs/acme/audit", "/platform/audit"} {
		b := page.Want(t, 200, "GET", path+"?action=member.added", "").Body
		if strings.Contains(b, "gone@") ||
			!strings.Contains(b, "</strong> (erased) · member</p>") ||
			!strings.Contains(b, "(erased) from (erased)") {
			t.Error(b)
		}
	}
}
