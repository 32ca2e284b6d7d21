package api_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestKeyUse: requests with keys are counted by what became of them, and nobody else's are; the key
// says when and from where it was last used; the audit log says what it was refused.
func TestKeyUse(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	l := s.SignIn(owner)
	read := []registry.Scope{registry.ScopeOrgRead}
	key := s.Key(l, registry.NewAPIKey{Scopes: read})
	service := s.Key(l, registry.NewAPIKey{
		Scopes: read, OrgID: acme.ID, Role: registry.RoleMember,
	})
	s.Bearer(key).Want(t, 200, "GET", "/api/v1/orgs/acme", "")
	s.Bearer(key).Want(t, 403, "PATCH", "/api/v1/orgs/acme", `{"name":"x"}`)
	s.Bearer(key).Want(t, 403, "POST", "/api/v1/me/keys", `{"name":"x","scopes":["org:read"]}`)
	s.Bearer(key).Want(t, 404, "GET", "/api/v1/orgs/other", "")
	s.Bearer(key).Want(t, 422, "PATCH", "/api/v1/orgs/acme", `{"name":1}`)
	s.Bearer(service).Want(t, 200, "GET", "/api/v1/orgs/acme", "")
	s.Bearer(strings.Replace(key, "pza_", "pzs_", 1)).Want(t, 401, "GET", "/api/v1/me", "")
	s.Bearer(key+"0").Want(t, 401, "GET", "/api/v1/me", "")
	s.Bearer("nonsense").Want(t, 401, "GET", "/api/v1/me", "")
	s.Page(l).Want(t, 200, "GET", "/api/v1/orgs/acme", "")
	want := map[string]int{
		"personal ok": 1, "personal refused": 2, "personal failed": 2, "personal unknown": 1,
		"service ok": 1, "service unknown": 1,
	}
	if got := s.KeyUse.All(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := s.Identity.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mine registry.Page[registry.APIKey]
	s.Page(l).Want(t, 200, "GET", "/api/v1/me/keys", "").Decode(t, &mine)
	if k := mine.Items[0]; k.LastUsedAddress != "192.0.2.1" || k.LastUsedAt.IsZero() {
		t.Errorf("%+v", k)
	}
	audit := s.Operator().Want(t, 200, "GET", "/api/v1/audit?action=api_key.refused", "").Body
	if strings.Count(audit, `"action":"api_key.refused"`) != 1 ||
		!strings.Contains(audit, string(registry.ActionCredentialMake)) ||
		!strings.Contains(audit, string(mine.Items[0].ID)) {
		t.Error(audit)
	}
}
