package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

// row says, apart from the code, what lets a program use an operation.
type row struct {
	role  string // the least role in the org, "platform", or "any"
	scope string // that a key needs; "" = any key will do
	flags string
}

// The flags of a row.
const (
	noKey      = "k" // in person only: no key
	noToken    = "t" // from a sign-in session only: no API token, no key
	noOperator = "o"
	fresh      = "f" // a person must have signed in a short while ago
)

// rows has every operation. The matrix of people by role is in internal/endtoend; this one is of
// what programs present. An operation without a row fails the test.
var rows = map[string]row{
	"GET /me":                       {"any", "", ""},
	"PATCH /me":                     {"any", "", noKey + noOperator},
	"GET /me/sessions":              {"any", "", noKey + noOperator},
	"DELETE /me/sessions":           {"any", "", noKey + noOperator},
	"DELETE /me/sessions/{session}": {"any", "", noKey + noOperator},
	"GET /me/keys":                  {"any", "", noKey + noOperator},
	"POST /me/keys":                 {"any", "", noToken + noOperator + fresh},
	"DELETE /me/keys/{key}":         {"any", "", noKey + noOperator},
	"POST /tokens":                  {"any", "", noToken + noOperator},
	"GET /orgs":                     {"any", "org:read", ""},
	"POST /orgs":                    {"platform", "platform", ""},

	"GET /orgs/{org}":                   {"member", "org:read", ""},
	"PATCH /orgs/{org}":                 {"admin", "org:write", ""},
	"POST /orgs/{org}/rename":           {"owner", "org:write", ""},
	"POST /orgs/{org}/suspend":          {"platform", "platform", ""},
	"POST /orgs/{org}/resume":           {"platform", "platform", ""},
	"DELETE /orgs/{org}":                {"owner", "org:write", fresh},
	"POST /orgs/{org}/keep":             {"owner", "org:write", fresh},
	"GET /orgs/{org}/instance":          {"member", "org:read", ""},
	"POST /orgs/{org}/instance/restart": {"admin", "instance:write", ""},
	"GET /orgs/{org}/instance/logs":     {"admin", "instance:read", ""},
	"GET /orgs/{org}/events":            {"member", "org:read", ""},
	"GET /orgs/{org}/usage":             {"member", "org:read", ""},
	"GET /orgs/{org}/audit":             {"admin", "audit:read", ""},
	"GET /orgs/{org}/audit/export":      {"admin", "audit:read", ""},
	"GET /orgs/{org}/settings":          {"admin", "settings:read", ""},
	"PATCH /orgs/{org}/settings":        {"admin", "settings:write", ""},

	"GET /orgs/{org}/members":                      {"member", "member:read", ""},
	"PATCH /orgs/{org}/members/{user}":             {"admin", "member:write", ""},
	"DELETE /orgs/{org}/members/{user}":            {"admin", "member:write", ""},
	"GET /orgs/{org}/invites":                      {"admin", "member:write", ""},
	"POST /orgs/{org}/invites":                     {"admin", "member:write", ""},
	"POST /orgs/{org}/invites/{invite}/resend":     {"admin", "member:write", ""},
	"DELETE /orgs/{org}/invites/{invite}":          {"admin", "member:write", ""},
	"POST /orgs/{org}/members/{user}/transfer":     {"owner", "platform", noOperator + fresh},
	"GET /orgs/{org}/keys":                         {"admin", "platform", ""},
	"POST /orgs/{org}/keys":                        {"admin", "platform", noToken + fresh},
	"DELETE /orgs/{org}/keys/{key}":                {"admin", "platform", fresh},
	"GET /orgs/{org}/runners":                      {"member", "runner:read", ""},
	"POST /orgs/{org}/runners/claims":              {"member", "", noToken + fresh},
	"POST /orgs/{org}/runners/{runner}/disconnect": {"member", "runner:write", ""},
	"DELETE /orgs/{org}/runners/{runner}":          {"member", "runner:write", ""},

	"GET /orgs/{org}/webhooks": {"admin", "webhook:read",
		""},
	"POST /orgs/{org}/webhooks": {"admin", "webhook:write",
		""},
	"PATCH /orgs/{org}/webhooks/{webhook}": {"admin", "webhook:write",
		""},
	"DELETE /orgs/{org}/webhooks/{webhook}": {"admin", "webhook:write",
		""},
	"POST /orgs/{org}/webhooks/{webhook}/test": {"admin", "webhook:write",
		""},
	"GET /orgs/{org}/webhooks/{webhook}/deliveries": {"admin", "webhook:read",
		""},
	"POST /orgs/{org}/webhooks/{webhook}/deliveries/{delivery}/replay": {"admin", "webhook:write",
		""},

	"GET /orgs/{org}/connections":                 {"admin", "platform", ""},
	"POST /orgs/{org}/connections":                {"owner", "platform", noKey + fresh},
	"PUT /orgs/{org}/connections/{connection}":    {"owner", "platform", noKey + fresh},
	"DELETE /orgs/{org}/connections/{connection}": {"owner", "platform", noKey + fresh},
	"GET /orgs/{org}/domains":                     {"admin", "platform", ""},
	"POST /orgs/{org}/domains":                    {"owner", "platform", noKey + fresh},
	"POST /orgs/{org}/domains/{domain}/verify":    {"owner", "platform", noKey + fresh},
	"DELETE /orgs/{org}/domains/{domain}":         {"owner", "platform", noKey + fresh},
	"PUT /orgs/{org}/sign-in":                     {"owner", "platform", noKey + fresh},
	"GET /orgs/{org}/support":                     {"admin", "platform", ""},
	"POST /orgs/{org}/support":                    {"platform", "platform", fresh},
	"POST /orgs/{org}/support/{support}/approve":  {"owner", "platform", noOperator + fresh},
	"POST /orgs/{org}/support/{support}/deny":     {"owner", "platform", noOperator + fresh},
	"DELETE /orgs/{org}/support/{support}":        {"admin", "platform", ""},

	"GET /events": {"platform", "platform", ""}, "GET /usage": {"platform", "platform", ""},
	"GET /platform":     {"platform", "platform", ""},
	"GET /audit":        {"platform", "platform", ""},
	"GET /audit/export": {"platform", "platform", ""},
	"GET /audit/verify": {"platform", "platform", ""},
	"GET /users":        {"platform", "platform", ""}, "POST /users": {"platform", "platform", ""},
	"GET /users/{user}":                            {"platform", "platform", ""},
	"PATCH /users/{user}":                          {"platform", "platform", fresh},
	"GET /users/{user}/sessions":                   {"platform", "platform", ""},
	"DELETE /users/{user}/sessions":                {"platform", "platform", fresh},
	"GET /users/{user}/identities":                 {"platform", "platform", ""},
	"DELETE /users/{user}/identities/{connection}": {"platform", "platform", fresh},
	"DELETE /users/{user}/second-step": {"platform", "platform",
		noToken + fresh},
	"POST /users/{user}/password-link": {"platform", "platform",
		noToken + fresh},
	"GET /clients":                  {"platform", "platform", ""},
	"POST /clients":                 {"platform", "platform", fresh},
	"POST /clients/{client}/secret": {"platform", "platform", fresh},
	"DELETE /clients/{client}":      {"platform", "platform", fresh},
	"GET /connections":              {"platform", "platform", ""},
	"POST /connections": {"platform", "platform",
		noKey + fresh},
	"PUT /connections/{connection}": {"platform", "platform",
		noKey + fresh},
	"DELETE /connections/{connection}": {"platform", "platform",
		noKey + fresh},
	"GET /signing-keys": {"platform", "platform", ""},
	"POST /signing-keys/rotate": {"platform", "platform",
		noKey + fresh},
	"GET /webhooks":                                         {"platform", "platform", ""},
	"POST /webhooks":                                        {"platform", "platform", ""},
	"PATCH /webhooks/{webhook}":                             {"platform", "platform", ""},
	"DELETE /webhooks/{webhook}":                            {"platform", "platform", ""},
	"POST /webhooks/{webhook}/test":                         {"platform", "platform", ""},
	"GET /webhooks/{webhook}/deliveries":                    {"platform", "platform", ""},
	"POST /webhooks/{webhook}/deliveries/{delivery}/replay": {"platform", "platform", ""},
}

var ranks = map[string]int{"any": 0, "member": 1, "admin": 2, "owner": 3, "platform": 9}

func (r row) has(flag string) bool { return strings.Contains(r.flags, flag) }

// key reports whether a key may: of somebody with a role, with scopes.
func (r row) key(role string, scopes ...string) bool {
	if r.has(noKey) || r.has(noToken) || !r.person(role) {
		return false
	}
	for _, s := range scopes {
		if r.scope == "" || s == r.scope || strings.TrimSuffix(s, ":write")+":read" == r.scope {
			return true
		}
	}
	return false
}

// person reports whether somebody with a role may.
func (r row) person(role string) bool {
	if role == "platform" { // manages every org, and is a member of none
		return r.role != "owner" || !r.has(noOperator)
	}
	return ranks[role] >= ranks[r.role]
}

const unknown = "01890000-0000-7000-8000-000000000000"

// fill names the acme org, and nobody and nothing that there is.
func fill(pattern, org string) string {
	return strings.NewReplacer("{org}", org, "{domain}", "example.com", "{user}", unknown,
		"{invite}", unknown, "{session}", unknown,
		"{key}", unknown, "{webhook}", unknown, "{delivery}", unknown, "{runner}", unknown,
		"{client}", unknown, "{connection}", unknown,
		"{support}", unknown).Replace(pattern)
}

// scopes are those that an org's own key can have.
func scopes() (out []registry.Scope) {
	for _, s := range registry.Scopes() {
		if s != registry.ScopePlatform {
			out = append(out, s)
		}
	}
	return out
}

func names(list []registry.Scope) (out []string) {
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

// TestAccess asks every operation with everything that a program can present.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	owner := s.User("owner@example.com", false)
	acme, globex := s.Org("acme", owner), s.Org("globex", owner)
	signedIn := s.SignIn(owner)
	admin := s.SignIn(s.Member(acme.ID, "admin@example.com", registry.RoleAdmin))
	member := s.SignIn(s.Member(acme.ID, "member@example.com", registry.RoleMember))
	root := s.SignIn(s.User("root@example.com", true))
	token, err := s.Identity.APITokenFor(t.Context(),
		registry.AsSession(member.User, member.Session, ""), member.Session)
	if err != nil {
		t.Fatal(err)
	}
	all := scopes()
	callers := map[string]struct {
		c     *servertest.Client
		may   func(row) bool
		other bool // is not in the org
	}{
		"a member's key": {s.Bearer(s.Key(member, registry.NewAPIKey{Scopes: all})),
			func(r row) bool { return r.key("member", names(all)...) }, false},
		"an admin's key": {s.Bearer(s.Key(admin, registry.NewAPIKey{Scopes: all})),
			func(r row) bool { return r.key("admin", names(all)...) }, false},
		"an owner's key for another org": {
			s.Bearer(s.Key(signedIn, registry.NewAPIKey{Scopes: all, OrgID: globex.ID})),
			func(r row) bool { return r.role == "any" && r.key("any", names(all)...) }, true,
		},
		"an org's member key": {
			s.Bearer(s.Key(signedIn, registry.NewAPIKey{Scopes: all, OrgID: acme.ID,
				Role: registry.RoleMember})),
			func(r row) bool { return r.key("member", names(all)...) }, false,
		},
		"an org's admin key": {
			s.Bearer(s.Key(signedIn, registry.NewAPIKey{Scopes: all, OrgID: acme.ID,
				Role: registry.RoleAdmin})),
			func(r row) bool { return r.key("admin", names(all)...) }, false,
		},
		"another org's admin key": {
			s.Bearer(s.Key(signedIn, registry.NewAPIKey{Scopes: all, OrgID: globex.ID,
				Role: registry.RoleAdmin})),
			func(r row) bool { return r.role == "any" && r.key("any", names(all)...) }, true,
		},
		"a platform admin's key": {
			s.Bearer(s.Key(root,
				registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}})),
			func(r row) bool {
				return !r.has(noKey) && !r.has(noToken) &&
					r.person("platform")
			}, false,
		},
		"a platform admin's key without that scope": {
			s.Bearer(s.Key(root, registry.NewAPIKey{Scopes: all})),
			func(r row) bool { return r.role == "any" && r.key("any", names(all)...) }, true,
		},
		"a member's API token": {s.Bearer(token),
			func(r row) bool { return !r.has(noToken) && r.person("member") }, false},
		"the operator": {s.Operator(), func(r row) bool { return !r.has(noOperator) },
			false},
	}
	for _, scope := range all {
		callers["an owner's key with "+string(scope)] = struct {
			c     *servertest.Client
			may   func(row) bool
			other bool
		}{s.Bearer(s.Key(signedIn, registry.NewAPIKey{Scopes: []registry.Scope{scope}})),
			func(r row) bool { return r.key("owner", string(scope)) }, false}
	}
	for _, rt := range api.Routes() {
		if rt.Public {
			continue
		}
		name := rt.Method + " " + strings.TrimPrefix(rt.Pattern, "/api/v1")
		r, ok := rows[name]
		if !ok {
			t.Errorf("%s has no row", name)
			continue
		}
		for who, x := range callers {
			may := x.may(r)
			if may && rt.Streams {
				continue // the stream's own tests read it
			}
			a := ask(x.c, rt, string(acme.ID), may)
			switch {
			case may && (refused(a) || a.Status >= 500):
				t.Errorf("%s by %s: refused with %d %s", name, who, a.Status, a.Body)
			case !may && x.other && strings.Contains(rt.Pattern, "{org}") && !r.has(noKey) &&
				!r.has(noToken):
				// Elsewhere the refusal is the same for every org, also for one that does not
				// exist.
				if a.Status != http.StatusNotFound || !strings.Contains(a.Body, "no such org") {
					t.Errorf("%s by %s: %d, want 404: %s", name, who, a.Status, a.Body)
				}
			case !may && a.Status != http.StatusForbidden:
				t.Errorf("%s by %s: %d, want 403: %s", name, who, a.Status, a.Body)
			}
		}
	}
	if v, err := s.Store.Org(t.Context(), registry.AsOperator(), acme.ID); err != nil ||
		v.Version != acme.Version || v.Status != acme.Status {
		t.Errorf("the matrix changed the org: %+v %v", v, err)
	}
}

// ask sends what is allowed in a way that fails after the decision, so that nothing changes: a
// stale
// version, or no input. What is not allowed is asked for with good input, so that nothing else
// refuses it.
func ask(c *servertest.Client, rt api.Route, org string, may bool) servertest.Answer {
	body := ""
	if rt.Body != nil {
		body = "{}"
		if !may {
			b, _ := json.Marshal(rt.Body)
			body = string(b)
		}
	}
	return c.With("If-Match", `"987654321"`).Do(rt.Method, fill(rt.Pattern, org), body)
}

func refused(a servertest.Answer) bool {
	return a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden ||
		strings.Contains(a.Body, "no such org")
}

// TestFresh: what asks for a new sign-in refuses a session that is older, and one with a token of
// it.
func TestFresh(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	people := map[string]*servertest.Client{}
	for role, u := range map[string]registry.User{"owner": owner,
		"platform": s.User("root@example.com", true)} {
		people[role] = s.Page(s.SignIn(u))
	}
	s.Clock.Advance(registry.FreshFor + time.Second)
	for _, rt := range api.Routes() {
		r := rows[rt.Method+" "+strings.TrimPrefix(rt.Pattern, "/api/v1")]
		if rt.Public || rt.Streams || rt.Method == http.MethodGet {
			continue
		}
		c := people["owner"]
		if r.role == "platform" {
			c = people["platform"]
		}
		// What asks for one refuses good input.
		a := ask(c, rt, string(acme.ID), !r.has(fresh))
		again := a.Status == http.StatusUnauthorized && strings.Contains(a.Body, "sign in again")
		if again != r.has(fresh) {
			t.Errorf("%s %s by a session of %s: %d %s", rt.Method, rt.Pattern, registry.FreshFor,
				a.Status, a.Body)
		}
	}
}
