package identity

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestUndeliveredRolesAreKept: a provider that does not deliver groups demotes nobody; one that
// delivers an empty list does.
func TestUndeliveredRolesAreKept(t *testing.T) {
	f, h := newFixture(t), newHostile(t)
	f.s.Outside.Org = h.Client()
	var fetched atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	t.Cleanup(elsewhere.Close)
	owner := f.user("owner@example.com")
	acme, asOwner := f.org("acme", owner), f.as(owner)
	for _, err := range []error{
		second(f.store.AddDomain(ctx, asOwner, acme.ID, "corp.example", "t")), second(f.store.VerifyDomain(ctx, registry.AsOperator(), acme.ID, "corp.example", "")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	huge := make([]string, 0, 5001)
	for i := range 5000 {
		huge = append(huge, "group-"+strconv.Itoa(i))
	}
	overage := map[string]any{
		"_claim_names":   map[string]any{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": elsewhere.URL}},
	}
	kept := func(r registry.Role) registry.Role { return r }
	always := func(role registry.Role) func(registry.Role) registry.Role {
		return func(registry.Role) registry.Role { return role }
	}
	raised := always(registry.RoleAdmin)
	for _, claim := range []string{"groups", "realm_access.roles"} {
		spec := registry.ConnectionSpec{
			Name: "Corp " + claim, Issuer: h.URL, ClientID: "us", RolesClaim: claim, DefaultRole: registry.RoleMember,
			Roles: []registry.RoleMapping{{Value: "ops", Role: registry.RoleAdmin}},
		}
		c, err := f.s.CreateConnection(ctx, asOwner, acme.ID, spec, "")
		if err != nil {
			t.Fatal(err)
		}
		come := func(said map[string]any) (registry.Member, int) {
			t.Helper()
			h.change = func(m map[string]any) {
				m["sub"], m["email"] = claim, "eve-"+claim+"@corp.example"
				maps.Copy(m, said)
			}
			l, err := f.signInAt(h, c.ID)
			if err != nil {
				t.Fatalf("%v: %v", said, err)
			}
			m, err := f.store.Member(ctx, registry.AsOperator(), acme.ID, l.User.ID)
			if err != nil {
				t.Fatal(err)
			}
			again, err := f.s.Connection(ctx, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			return m, again.Undelivered
		}
		say := func(values any) map[string]any {
			if claim == "groups" {
				return map[string]any{"groups": values}
			}
			return map[string]any{"realm_access": map[string]any{"roles": values}}
		}
		if m, n := come(nil); m.Role != registry.RoleMember || n != 1 {
			t.Errorf("%s, first, without groups: %s, %d", claim, m.Role, n)
		}
		for name, v := range map[string]struct {
			said    map[string]any
			want    func(registry.Role) registry.Role
			missing bool
		}{
			"none sent":              {nil, kept, true},
			"null":                   {say(nil), kept, true},
			"elsewhere":              {overage, kept, true},
			"it has groups":          {map[string]any{"hasgroups": true}, kept, true},
			"a number":               {say(5), kept, true},
			"true":                   {say(true), kept, true},
			"an object":              {say(map[string]any{"ops": true}), kept, true},
			"partly odd, none fits":  {say([]any{"dev", 5}), kept, true},
			"partly odd, one fits":   {say([]any{"ops", 5}), raised, true},
			"lists in a list":        {say([]any{[]any{"ops"}}), kept, true},
			"an empty list":          {say([]any{}), always(registry.RoleMember), false},
			"others":                 {say([]string{"dev"}), always(registry.RoleMember), false},
			"a text":                 {say("ops"), raised, false},
			"another text":           {say("dev"), always(registry.RoleMember), false},
			"a huge list, none fits": {say(huge), always(registry.RoleMember), false},
			"a huge list, one fits":  {say(append(huge, "ops")), raised, false},
		} {
			for was, groups := range map[registry.Role][]string{registry.RoleAdmin: {"ops"}, registry.RoleMember: {}} {
				if m, n := come(say(groups)); m.Role != was || n != 0 {
					t.Fatalf("%s: %s, %d, want %s", claim, m.Role, n, was)
				}
				if m, n := come(v.said); m.Role != v.want(was) || (n == 1) != v.missing {
					t.Errorf("%s, %s, %s: %s, not delivered to %d", claim, name, was, m.Role, n)
				}
			}
		}
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("an address in a token was asked %d times", n)
	}
}

func TestRolesClaim(t *testing.T) {
	for _, c := range []struct {
		claims, name string
		values       []string
		missing      registry.Undelivered
	}{
		{`{"groups":["a","b"]}`, "groups", []string{"a", "b"}, ""},
		{`{"groups":"a,b c"}`, "groups", []string{"a,b c"}, ""},
		{`{"groups":[]}`, "groups", nil, ""},
		{`{"groups":[null,"a"]}`, "groups", []string{"a"}, registry.UndeliveredMalformed},
		{`{"groups":{}}`, "groups", nil, registry.UndeliveredMalformed},
		{`{"Groups":["a"]}`, "groups", nil, registry.UndeliveredAbsent},
		{`{}`, "groups", nil, registry.UndeliveredAbsent},
		{`{"_claim_names":{"groups":"s"}}`, "groups", nil, registry.UndeliveredElsewhere},
		{`{"_claim_names":{"other":"s"}}`, "groups", nil, registry.UndeliveredAbsent},
		{`{"_claim_names":5}`, "groups", nil, registry.UndeliveredAbsent},
		{`{"hasgroups":true}`, "groups", nil, registry.UndeliveredElsewhere},
		{`{"hasgroups":true}`, "roles", nil, registry.UndeliveredAbsent},
		{`{"a":{"b":{"c":["x"]}}}`, "a.b.c", []string{"x"}, ""},
		{`{"a":{"b":["x"]},"a.b":["y"]}`, "a.b", []string{"y"}, ""},
		{`{"a":["b"]}`, "a.b", nil, registry.UndeliveredAbsent},
		{`{"a":null}`, "a.b", nil, registry.UndeliveredAbsent},
		{`{"_claim_names":{"a":"s"}}`, "a.b", nil, registry.UndeliveredElsewhere},
		{`{"https://x.example/roles":["x"]}`, "https://x.example/roles", []string{"x"}, ""},
	} {
		raw, err := strictClaims([]byte(c.claims))
		if err != nil {
			t.Fatal(err)
		}
		if values, missing := (claims{raw: raw}).roles(c.name); !reflect.DeepEqual(values, c.values) || missing != c.missing {
			t.Errorf("%s, %s: %q %q", c.claims, c.name, values, missing)
		}
	}
}

// FuzzRoles: whatever a claim is, either it is a list of the texts in it, or it was not delivered.
func FuzzRoles(f *testing.F) {
	f.Add([]byte(`{"groups":["a",5]}`), "groups")
	f.Add([]byte(`{"a":{"b":"c"},"_claim_names":{"a":"x"}}`), "a.b")
	f.Fuzz(func(t *testing.T, payload []byte, name string) {
		raw, err := strictClaims(payload)
		if err != nil {
			return
		}
		values, missing := (claims{raw: raw}).roles(name)
		if missing != "" {
			return
		}
		said, _ := (claims{raw: raw}).find(name)
		var one string
		var list []string
		if json.Unmarshal(said, &one) == nil {
			list = []string{one}
		} else if json.Unmarshal(said, &list) != nil {
			t.Fatalf("%s, %q: %q", payload, name, values)
		}
		if len(list) != len(values) {
			t.Fatalf("%s, %q: %q", payload, name, values)
		}
	})
}
