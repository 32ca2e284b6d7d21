package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

const canaryImage = "canary.example/app@sha256:0123"

// places is an installation in which acme's server is at a place that only those may know who run
// the platform, with a second org of the same owner.
func places(t *testing.T) (s *controltest.Server, acme, globex registry.Org, owner registry.User) {
	t.Helper()
	s = controltest.New(t)
	s.Image = canaryImage
	owner = s.User("owner@example.com", false)
	acme, globex = s.Org("acme", owner), s.Org("globex", owner)
	system := registry.AsSystem("test")
	l, err := s.Store.Acquire(t.Context(), system, acme.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []registry.Report{
		{State: registry.InstanceStarting, Step: "starting"},
		{State: registry.InstanceRunning, Address: "unix//srv/canary/acme.sock",
			Detail: "dial unix /srv/canary/acme.sock: no answer from 198.51.100.7:3000, [2001:db8::7]:80"},
	} {
		if err := s.Store.Report(t.Context(), system, l, 1, "test", r); err != nil {
			t.Fatal(err)
		}
	}
	return s, acme, globex, owner
}

// TestPlaces asks every operation and opens every page that only reads, as everybody: where an
// instance is on the server is told to those alone who run the platform, and a key of one org
// never hears of another.
func TestPlaces(t *testing.T) {
	t.Parallel()
	s, acme, globex, owner := places(t)
	l := s.SignIn(owner)
	root := s.SignIn(s.User("root@example.com", true))
	all := scopes()
	as := func(l identity.Login, n registry.NewAPIKey) *controltest.Client { return s.Bearer(s.Key(l, n)) }
	both := s.SignIn(s.User("both@example.com", true))
	s.Join(acme.ID, both.User, registry.RoleOwner)
	s.Join(globex.ID, both.User, registry.RoleOwner)
	for who, c := range map[string]struct {
		c              *controltest.Client
		places, others bool
	}{
		"an owner":   {s.Page(l), false, true},
		"an admin":   {s.Page(s.SignIn(s.Member(acme.ID, "admin@example.com", registry.RoleAdmin))), false, false},
		"a member":   {s.Page(s.SignIn(s.Member(acme.ID, "member@example.com", registry.RoleMember))), false, false},
		"a token":    {s.Bearer(s.Token(l)), false, true},
		"a device":   {s.Bearer(s.Device(l)), false, true},
		"a key":      {as(l, registry.NewAPIKey{Scopes: all}), false, true},
		"an org key": {as(l, registry.NewAPIKey{Scopes: all, OrgID: acme.ID, Role: registry.RoleAdmin}), false, false},
		"a key for the org": {
			as(l, registry.NewAPIKey{Scopes: all, OrgID: acme.ID}), false, false,
		},
		"a platform admin's key for the org": {
			as(both, registry.NewAPIKey{Scopes: all, OrgID: acme.ID}), false, false,
		},
		"a platform admin's key without the scope": {
			as(both, registry.NewAPIKey{Scopes: all}), false, true,
		},
		"a key that reads members": {
			as(l, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeMemberRead}}), false, false,
		},
		"a platform admin's key": {
			as(root, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}}), true, true,
		},
		"a platform admin": {s.Page(root), true, true},
		"the operator":     {s.Operator(), true, true},
	} {
		told := ""
		see := func(what string, a controltest.Answer) {
			t.Helper()
			told += a.Body
			for _, place := range []string{"canary", "198.51.100", "2001:db8"} {
				if strings.Contains(a.Body, place) && !c.places {
					t.Errorf("%s is told a place by %s: %s", who, what, a.Body)
				}
			}
			if strings.Contains(a.Body, "globex") && !c.others {
				t.Errorf("%s hears of another org by %s: %s", who, what, a.Body)
			}
		}
		for _, rt := range api.Routes() {
			if rt.Method == http.MethodGet && !rt.Streams && !rt.Public {
				see(rt.Pattern, c.c.Do(rt.Method, fill(rt.Pattern, string(acme.ID)), ""))
			}
		}
		see("a change", c.c.Do("PATCH", "/api/v1/orgs/acme", `{"name":"Acme"}`))
		for _, rt := range console.Routes() {
			if rt.Method == http.MethodGet && !rt.Public && !strings.HasSuffix(rt.Pattern, "/live") {
				path := strings.Replace(fill(rt.Pattern, string(acme.ID)), "{$}", "", 1)
				see(rt.Pattern, c.c.Do(rt.Method, path, ""))
			}
		}
		if c.places && !strings.Contains(told, "unix//srv/canary/acme.sock") {
			t.Errorf("%s is not told where an instance is", who)
		}
		if c.places && !strings.Contains(told, `"image":"`+canaryImage+`"`) {
			t.Errorf("%s is not told which image runs", who)
		}
	}
}

// TestEventsTellNoPlace: neither does the stream of changes.
func TestEventsTellNoPlace(t *testing.T) {
	t.Parallel()
	s, acme, _, owner := places(t)
	lines := s.Page(s.SignIn(owner)).Stream(t, "/api/v1/orgs/"+string(acme.ID)+"/events?after=0")
	defer lines.End()
	for {
		line, ok := lines.Next("data: ")
		if !ok || strings.Contains(line, "canary") || strings.Contains(line, "globex") {
			t.Fatalf("%q", line)
		}
		if strings.Contains(line, string(registry.ChangeInstanceChanged)) {
			return
		}
	}
}

// TestMe: a key is told what it reaches and may read, and nothing else of its holder.
func TestMe(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	u := s.User("both@example.com", true)
	acme := s.Org("acme", u)
	s.Org("globex", u)
	l := s.SignIn(u)
	read := []registry.Scope{registry.ScopeOrgRead}
	for who, c := range map[string]struct {
		c     *controltest.Client
		orgs  string
		admin bool
	}{
		"a person": {s.Page(l), "acme globex", true},
		"a key":    {s.Bearer(s.Key(l, registry.NewAPIKey{Scopes: read})), "acme globex", false},
		"a key for an org": {
			s.Bearer(s.Key(l, registry.NewAPIKey{Scopes: read, OrgID: acme.ID})), "acme", false,
		},
		"a key that reads no org": {s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: []registry.Scope{registry.ScopeMemberWrite}})), "", false},
		"an org's key": {s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: read, OrgID: acme.ID, Role: registry.RoleMember})), "acme", false},
		"an org's key that reads no org": {s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: []registry.Scope{registry.ScopeMemberWrite}, OrgID: acme.ID,
			Role: registry.RoleMember})), "", false},
		"a platform key": {s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: []registry.Scope{registry.ScopePlatform}})), "acme globex", true},
	} {
		var me struct {
			PlatformAdmin bool `json:"platform_admin"`
			User          *registry.User
			Orgs          []registry.OrgView
		}
		c.c.Want(t, 200, "GET", "/api/v1/me", "").Decode(t, &me)
		var slugs []string
		for _, o := range me.Orgs {
			slugs = append(slugs, o.Slug)
		}
		if got := strings.Join(slugs, " "); got != c.orgs || me.PlatformAdmin != c.admin ||
			me.User != nil && me.User.PlatformAdmin != c.admin {
			t.Errorf("%s: %q, %+v", who, got, me)
		}
	}
}

// TestSlugOrID: a key finds an org by its slug as by its ID, whatever it may do there, and neither
// way one that it does not reach.
func TestSlugOrID(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	u := s.User("owner@example.com", false)
	acme, globex := s.Org("acme", u), s.Org("globex", u)
	stranger := s.User("stranger@example.com", false)
	l := s.SignIn(u)
	for who, c := range map[string]*controltest.Client{
		"a stranger": s.Page(s.SignIn(stranger)),
		"a key of one scope": s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: []registry.Scope{registry.ScopeAuditRead}, OrgID: globex.ID})),
		"an org's key": s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: scopes(), OrgID: globex.ID, Role: registry.RoleAdmin})),
		"an owner's key of one scope": s.Bearer(s.Key(l, registry.NewAPIKey{
			Scopes: []registry.Scope{registry.ScopeAuditRead}})),
	} {
		for _, rt := range api.Routes() {
			if !strings.Contains(rt.Pattern, "{org}") || rt.Streams || rt.Public {
				continue
			}
			for _, o := range []registry.Org{acme, globex} {
				may := rt.Method == http.MethodGet // for the rest, no input
				by := [2]controltest.Answer{ask(c, rt, o.Slug, !may), ask(c, rt, string(o.ID), !may)}
				if by[0].Status != by[1].Status || by[0].Status >= 400 && by[0].Body != by[1].Body {
					t.Errorf("%s %s by %s: %d %s by slug, %d %s by ID", rt.Method, rt.Pattern, who,
						by[0].Status, by[0].Body, by[1].Status, by[1].Body)
				}
			}
		}
	}
}
