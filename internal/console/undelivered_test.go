package console_test

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestUndeliveredRolesAreShown: page and API say that a provider left people's groups out.
func TestUndeliveredRolesAreShown(t *testing.T) {
	s := controltest.New(t)
	owner := s.User("owner@elsewhere.example", false)
	acme := s.Org("acme", owner)
	login := s.SignIn(owner)
	as, system := registry.AsSession(owner, login.Session, ""), registry.AsSystem("test")
	_, err := s.Store.AddDomain(t.Context(), as, acme.ID, "example.com", "t")
	if err == nil {
		_, err = s.Store.VerifyDomain(t.Context(), registry.AsOperator(), acme.ID, "example.com", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Store.CreateConnection(t.Context(), as, registry.Connection{
		ID: registry.ConnectionID(registry.NewID()), OrgID: acme.ID, Kind: registry.ConnectionOIDC,
		ConnectionSpec: registry.ConnectionSpec{
			Name: "Entra", Issuer: "https://login.example.com", ClientID: "us", RolesClaim: "groups",
			DefaultRole: registry.RoleMember, Roles: []registry.RoleMapping{{Value: "ops", Role: registry.RoleAdmin}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const notice = "Groups not delivered"
	page := s.Page(login)
	look := func(people string) {
		t.Helper()
		body := page.Want(t, 200, "GET", "/orgs/acme/sign-in", "").Body
		if shown := strings.Contains(body, notice); shown != (people != "") || !strings.Contains(body, people) {
			t.Errorf("shown: %v, want %q", shown, people)
		}
		list := page.Want(t, 200, "GET", "/api/v1/orgs/acme/connections", "").Body
		if counted := strings.Contains(list, `"roles_undelivered":`); counted != (people != "") {
			t.Errorf("%s", list)
		}
	}
	come := func(who string, why registry.Undelivered) {
		t.Helper()
		if _, _, err := s.Store.SignInExternal(t.Context(), system, registry.ExternalSignIn{
			Connection: c.ID, Subject: who, Email: who + "@example.com", EmailVerified: true, Name: who, Undelivered: why,
		}); err != nil {
			t.Fatal(err)
		}
	}
	come("kim", "")
	look("")
	come("kim", registry.UndeliveredElsewhere)
	look("last sign-in of 1 person.")
	come("eve", registry.UndeliveredElsewhere)
	look("last sign-in of 2 people.")
	log := page.Want(t, 200, "GET", "/orgs/acme/audit", "").Body
	if !strings.Contains(log, "Role kept: groups not delivered") {
		t.Error(log)
	}
	come("kim", "")
	come("eve", "")
	look("")
}
