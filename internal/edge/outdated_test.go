package edge

import (
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// A new name is what the next request says, and no reason to refuse anybody while the control plane is
// away.
func TestNameFollows(t *testing.T) {
	f := newFixture(t)
	f.want(200)
	rename := func(name string, seq int64) {
		t.Helper()
		id := f.login.User.ID
		if err := f.store.UpdateUser(t.Context(), f.as(f.login.User), id, registry.UserChange{Name: &name}); err != nil {
			t.Fatal(err)
		}
		f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeUserChanged, UserID: id, At: f.clock, Seq: seq})
	}
	rename("Ada Lovelace", 1)
	cookie, st := f.want(200)
	if cookie == "" || st.Claims.Name != "Ada Lovelace" {
		t.Errorf("the session still has the name %q", st.Claims.Name)
	}
	if again, st := f.want(200); again != cookie || st.Claims.Name != "Ada Lovelace" {
		t.Error("the same old cookie is renewed twice")
	}
	f.token = cookie
	if again, _ := f.want(200); again != "" {
		t.Error("a session with the new name is renewed")
	}
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeUserChanged, UserID: "another", At: f.clock, Seq: 2})
	if again, _ := f.want(200); again != "" {
		t.Error("a session is renewed for the name of another person")
	}
	rename("Ada King", 3)
	f.store.away.Store(true)
	if _, st := f.want(200); st.Claims.Name != "Ada Lovelace" {
		t.Errorf("the session has the name %q, of nowhere", st.Claims.Name)
	}
}
