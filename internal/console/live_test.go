package console_test

import (
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestLiveTellsOwnChanges: a live page of an org does not show when others change something. Between
// the events of two of its own changes nothing is sent.
func TestLiveTellsOwnChanges(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	globex := s.Org("globex", s.User("other@example.com", false))
	stream := s.Page(s.SignIn(owner)).Stream(t, "/orgs/acme/live")
	if event, _ := stream.Next("event: "); event != "changed" {
		t.Fatalf("it begins with %q", event)
	}
	rename := func(org registry.OrgID, name string) {
		t.Helper()
		if err := s.Store.UpdateOrg(t.Context(), registry.AsOperator(), org, 0, name); err != nil {
			t.Fatal(err)
		}
	}
	rename(globex.ID, "Busy") // wakes the stream, which looks and has nothing to tell
	rename(acme.ID, "Own")
	if event, _ := stream.Next("event: "); event != "changed" {
		t.Errorf("a change elsewhere is told as %q", event)
	}
}
