package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
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
	noLent     = "l" // no API token of a session; one of pizzeria login will do
	noOperator = "o"
	members    = "m" // no platform admin who is no member
	noPlatform = "p" // being a platform admin does not suffice
	fresh      = "f" // a person must have signed in a short while ago
)

// rows has every operation. The matrix of people by role is in internal/endtoend/flows; this one is
// of what programs present. An operation without a row fails the test.
var rows = map[string]row{
	"GET /me":                       {"any", "", ""},
	"PATCH /me":                     {"any", "", noKey + noOperator},
	"GET /me/sessions":              {"any", "", noKey + noOperator},
	"DELETE /me/sessions":           {"any", "", noKey + noOperator},
	"DELETE /me/sessions/{session}": {"any", "", noKey + noOperator},
	"GET /me/keys":                  {"any", "", noKey + noOperator},
	"POST /me/keys":                 {"any", "", noKey + noLent + noOperator + fresh},
	"GET /me/keys/{key}":            {"any", "", noKey + noOperator},
	"DELETE /me/keys/{key}":         {"any", "", noKey + noOperator},
	"POST /tokens":                  {"any", "", noToken + noOperator},
	"GET /orgs":                     {"any", "org:read", ""},
	"POST /orgs":                    {"platform", "platform", ""},

	"GET /plans":               {"platform", "platform", ""},
	"POST /plans":              {"platform", "platform", ""},
	"GET /plans/{plan}":        {"platform", "platform", ""},
	"PATCH /plans/{plan}":      {"platform", "platform", ""},
	"DELETE /plans/{plan}":     {"platform", "platform", ""},
	"PUT /orgs/{org}/plan":     {"platform", "platform", ""},
	"PATCH /orgs/{org}/limits": {"platform", "platform", ""},
	"PUT /orgs/{org}/provider": {"platform", "platform", ""},

	"GET /orgs/{org}":                      {"member", "org:read", ""},
	"PATCH /orgs/{org}":                    {"admin", "org:write", ""},
	"POST /orgs/{org}/rename":              {"owner", "org:write", ""},
	"POST /orgs/{org}/suspend":             {"platform", "platform", ""},
	"POST /orgs/{org}/resume":              {"platform", "platform", ""},
	"DELETE /orgs/{org}":                   {"owner", "org:write", fresh},
	"POST /orgs/{org}/keep":                {"owner", "org:write", fresh},
	"GET /orgs/{org}/instance":             {"member", "org:read", ""},
	"POST /orgs/{org}/instance/restart":    {"admin", "instance:write", ""},
	"GET /orgs/{org}/instance/logs":        {"admin", "instance:read", ""},
	"GET /orgs/{org}/instance/metrics":     {"platform", "platform", ""},
	"GET /orgs/{org}/instance/environment": {"platform", "", noKey + fresh},
	"GET /instances/targets":               {"platform", "platform", ""},
	"GET /orgs/{org}/events":               {"member", "org:read", ""},
	"GET /orgs/{org}/usage":                {"member", "org:read", ""},
	"GET /orgs/{org}/audit":                {"admin", "audit:read", ""},
	"GET /orgs/{org}/audit/export":         {"admin", "audit:read", ""},
	"GET /orgs/{org}/settings":             {"admin", "settings:read", ""},
	"PATCH /orgs/{org}/settings":           {"admin", "settings:write", ""},

	"GET /orgs/{org}/members":                      {"member", "member:read", ""},
	"GET /orgs/{org}/members/{user}":               {"member", "member:read", ""},
	"PATCH /orgs/{org}/members/{user}":             {"admin", "member:write", ""},
	"DELETE /orgs/{org}/members/{user}":            {"admin", "member:write", ""},
	"GET /orgs/{org}/invites":                      {"admin", "member:write", ""},
	"POST /orgs/{org}/invites":                     {"admin", "member:write", ""},
	"GET /orgs/{org}/invites/{invite}":             {"admin", "member:write", ""},
	"POST /orgs/{org}/invites/{invite}/resend":     {"admin", "member:write", ""},
	"DELETE /orgs/{org}/invites/{invite}":          {"admin", "member:write", ""},
	"POST /orgs/{org}/members/{user}/transfer":     {"owner", "", noKey + noOperator + fresh},
	"GET /orgs/{org}/keys":                         {"admin", "platform", ""},
	"POST /orgs/{org}/keys":                        {"admin", "", noKey + noLent + fresh},
	"GET /orgs/{org}/keys/{key}":                   {"admin", "platform", ""},
	"DELETE /orgs/{org}/keys/{key}":                {"admin", "", noKey + fresh},
	"GET /orgs/{org}/runners":                      {"member", "runner:read", ""},
	"GET /orgs/{org}/runners/{runner}":             {"member", "runner:read", ""},
	"GET /orgs/{org}/runner-claims/{claim}":        {"member", "runner:read", ""},
	"POST /orgs/{org}/runners/claims":              {"member", "runner:write", noLent + noOperator + fresh + members},
	"POST /orgs/{org}/runners/{runner}/disconnect": {"member", "runner:write", ""},
	"DELETE /orgs/{org}/runners/{runner}":          {"member", "runner:write", ""},

	"GET /orgs/{org}/webhooks": {"admin", "webhook:read",
		""},
	"POST /orgs/{org}/webhooks": {"admin", "webhook:write",
		""},
	"GET /orgs/{org}/webhooks/{webhook}": {"admin", "webhook:read",
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
	"GET /orgs/{org}/connections/{connection}":    {"admin", "platform", ""},
	"PUT /orgs/{org}/connections/{connection}":    {"owner", "platform", noKey + fresh},
	"DELETE /orgs/{org}/connections/{connection}": {"owner", "platform", noKey + fresh},
	"GET /orgs/{org}/domains":                     {"admin", "platform", ""},
	"POST /orgs/{org}/domains":                    {"owner", "platform", noKey + fresh},
	"GET /orgs/{org}/domains/{domain}":            {"admin", "platform", ""},
	"POST /orgs/{org}/domains/{domain}/verify":    {"owner", "platform", noKey + fresh},
	"DELETE /orgs/{org}/domains/{domain}":         {"owner", "platform", noKey + fresh},
	"PUT /orgs/{org}/session-lifetimes":           {"owner", "platform", noKey + fresh},
	"PUT /orgs/{org}/sign-in":                     {"owner", "platform", noKey + fresh},
	"GET /orgs/{org}/support":                     {"admin", "platform", ""},
	"POST /orgs/{org}/support":                    {"platform", "", noKey + fresh},
	"GET /orgs/{org}/support/{support}":           {"admin", "platform", ""},
	"POST /orgs/{org}/support/{support}/approve":  {"owner", "", noKey + noOperator + fresh},
	"POST /orgs/{org}/support/{support}/deny":     {"owner", "", noKey + noOperator + fresh},
	"DELETE /orgs/{org}/support/{support}":        {"admin", "platform", ""},

	"GET /orgs/{org}/approvals":                     {"member", "member:read", ""},
	"GET /orgs/{org}/approvals/{approval}":          {"member", "member:read", ""},
	"POST /orgs/{org}/approvals/{approval}/approve": {"owner", "", noKey + noOperator + fresh},
	"POST /orgs/{org}/approvals/{approval}/refuse":  {"admin", "", noKey + noPlatform + noOperator + fresh},
	"DELETE /orgs/{org}/approvals/{approval}":       {"platform", "platform", ""},
	"POST /orgs/{org}/break-glass":                  {"operator", "", noKey},

	"GET /events": {"platform", "platform", ""}, "GET /usage": {"platform", "platform", ""},
	"GET /platform":     {"platform", "platform", ""},
	"GET /audit":        {"platform", "platform", ""},
	"GET /audit/export": {"platform", "platform", ""},
	"GET /audit/verify": {"platform", "platform", ""},
	"GET /users":        {"platform", "platform", ""}, "POST /users": {"platform", "", noKey + fresh},
	"GET /users/{user}":                                     {"platform", "platform", ""},
	"PATCH /users/{user}":                                   {"platform", "", noKey + fresh},
	"GET /users/{user}/sessions":                            {"platform", "platform", ""},
	"DELETE /users/{user}/sessions":                         {"platform", "", noKey + fresh},
	"GET /users/{user}/identities":                          {"platform", "platform", ""},
	"DELETE /users/{user}/identities/{connection}":          {"platform", "", noKey + fresh},
	"POST /users/{user}/disable":                            {"platform", "", noKey + fresh},
	"POST /users/{user}/enable":                             {"platform", "", noKey + fresh},
	"DELETE /users/{user}":                                  {"platform", "", noKey + fresh},
	"POST /users/{user}/verify":                             {"platform", "", noKey + fresh},
	"DELETE /users/{user}/second-step":                      {"platform", "", noKey + noLent + fresh},
	"POST /users/{user}/password-link":                      {"platform", "", noKey + noLent + fresh},
	"GET /clients":                                          {"platform", "platform", ""},
	"POST /clients":                                         {"platform", "", noKey + fresh},
	"GET /clients/{client}":                                 {"platform", "platform", ""},
	"PATCH /clients/{client}":                               {"platform", "", noKey + fresh},
	"POST /clients/{client}/secret":                         {"platform", "", noKey + fresh},
	"DELETE /clients/{client}":                              {"platform", "", noKey + fresh},
	"GET /connections":                                      {"platform", "platform", ""},
	"POST /connections":                                     {"platform", "", noKey + fresh},
	"GET /connections/{connection}":                         {"platform", "platform", ""},
	"PUT /connections/{connection}":                         {"platform", "", noKey + fresh},
	"DELETE /connections/{connection}":                      {"platform", "", noKey + fresh},
	"GET /signing-keys":                                     {"platform", "platform", ""},
	"POST /signing-keys/rotate":                             {"platform", "", noKey + fresh},
	"GET /webhooks":                                         {"platform", "platform", ""},
	"POST /webhooks":                                        {"platform", "platform", ""},
	"GET /webhooks/{webhook}":                               {"platform", "platform", ""},
	"PATCH /webhooks/{webhook}":                             {"platform", "platform", ""},
	"DELETE /webhooks/{webhook}":                            {"platform", "platform", ""},
	"POST /webhooks/{webhook}/test":                         {"platform", "platform", ""},
	"GET /webhooks/{webhook}/deliveries":                    {"platform", "platform", ""},
	"POST /webhooks/{webhook}/deliveries/{delivery}/replay": {"platform", "platform", ""},
}

// owning are the operations that are more when they make somebody an owner: {user} is a member.
var owning = []struct {
	name, body string
	row        row
}{
	{"PATCH /orgs/{org}/members/{user}", `{"role":"owner"}`, row{"owner", "", noKey + fresh}},
	{"POST /orgs/{org}/invites", `{"email":"eve@example.com","role":"owner"}`,
		row{"owner", "", noKey + fresh}},
	{"POST /orgs", `{"slug":"other","owner":"member@example.com"}`,
		row{"platform", "", noKey + fresh}},
}

var ranks = map[string]int{"any": 0, "member": 1, "admin": 2, "owner": 3, "platform": 9, "operator": 10}

func (r row) has(flag string) bool { return strings.Contains(r.flags, flag) }

// key reports whether a key may: of somebody with a role, with scopes.
func (r row) key(role string, scopes ...string) bool {
	if r.has(noKey) || r.has(noToken) || !r.person(role) {
		return false
	}
	if role == "platform" {
		return !r.has(members)
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
		return r.role != "operator" && !r.has(noPlatform) && (r.role != "owner" || !r.has(noOperator))
	}
	return ranks[role] >= ranks[r.role]
}

const unknown = "01890000-0000-7000-8000-000000000000"

// fill names the acme org, and nobody and nothing that there is.
func fill(pattern, org string) string {
	return strings.NewReplacer("{org}", org, "{domain}", "example.com", "{user}", unknown,
		"{invite}", unknown, "{session}", unknown, "{claim}", unknown,
		"{key}", unknown, "{webhook}", unknown, "{delivery}", unknown, "{runner}", unknown,
		"{client}", unknown, "{connection}", unknown, "{plan}", unknown,
		"{support}", unknown, "{approval}", unknown).Replace(pattern)
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
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme, globex := s.Org("acme", owner), s.Org("globex", owner)
	signedIn := s.SignIn(owner)
	admin := s.SignIn(s.Member(acme.ID, "admin@example.com", registry.RoleAdmin))
	member := s.SignIn(s.Member(acme.ID, "member@example.com", registry.RoleMember))
	root := s.SignIn(s.User("root@example.com", true))
	all := scopes()
	rootAndOwner := s.User("both@example.com", true)
	both := s.SignIn(rootAndOwner)
	s.Join(acme.ID, rootAndOwner, registry.RoleOwner)
	type presents struct {
		c     *controltest.Client
		may   func(row) bool
		other bool // is not in the org
	}
	as := func(l identity.Login, n registry.NewAPIKey) *controltest.Client {
		return s.Bearer(s.Key(l, n))
	}
	keyOf := func(role string, scopes ...registry.Scope) func(row) bool {
		return func(r row) bool { return r.key(role, names(scopes)...) }
	}
	anyKey := func(r row) bool { return r.role == "any" && r.key("any", names(all)...) }
	person := func(role string) func(row) bool {
		return func(r row) bool { return r.person(role) }
	}
	device := func(role string) func(row) bool {
		return func(r row) bool { return !r.has(noToken) && r.person(role) }
	}
	token := func(role string) func(row) bool {
		return func(r row) bool { return !r.has(noLent) && device(role)(r) }
	}
	// An account of its own, since one of the operations ends an account's other sessions.
	elsewhere := s.SignIn(s.Member(acme.ID, "cli@example.com", registry.RoleOwner))
	support := s.SignIn(s.Support(acme.ID, signedIn, registry.RoleAdmin))
	callers := map[string]presents{
		"an owner": {s.Page(signedIn), person("owner"), false},
		"an admin": {s.Page(admin), person("admin"), false},
		"a member": {s.Page(member), person("member"), false},
		"a platform admin": {s.Page(root), func(r row) bool {
			return r.role == "any" || r.person("platform") && !r.has(noOperator) && !r.has(members)
		}, false},
		"support access": {s.Page(support), func(r row) bool {
			return !r.has(members) &&
				(r.person("admin") || r.person("platform") && !r.has(noOperator))
		}, false},
		"a member's API token": {s.Bearer(s.Token(member)), token("member"), false},
		"an owner's API token": {s.Bearer(s.Token(signedIn)), token("owner"), false},
		"an owner's device":    {s.Bearer(s.Device(elsewhere)), device("owner"), false},
		"a member's key":       {as(member, registry.NewAPIKey{Scopes: all}), keyOf("member", all...), false},
		"an admin's key":       {as(admin, registry.NewAPIKey{Scopes: all}), keyOf("admin", all...), false},
		"an owner's key":       {as(signedIn, registry.NewAPIKey{Scopes: all}), keyOf("owner", all...), false},
		"an owner's key for another org": {
			as(signedIn, registry.NewAPIKey{Scopes: all, OrgID: globex.ID}), anyKey, true,
		},
		"an org's member key": {
			as(signedIn, registry.NewAPIKey{Scopes: all, OrgID: acme.ID,
				Role: registry.RoleMember}), keyOf("member", all...), false,
		},
		"an org's admin key": {
			as(signedIn, registry.NewAPIKey{Scopes: all, OrgID: acme.ID,
				Role: registry.RoleAdmin}), keyOf("admin", all...), false,
		},
		"another org's admin key": {
			as(signedIn, registry.NewAPIKey{Scopes: all, OrgID: globex.ID,
				Role: registry.RoleAdmin}), anyKey, true,
		},
		"a platform admin's key": {
			as(root, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}}),
			keyOf("platform"), false,
		},
		"a platform admin's and owner's key with every scope": {
			as(both, registry.NewAPIKey{Scopes: registry.Scopes()}), func(r row) bool {
				return r.key("platform") || r.key("owner", names(all)...)
			}, false,
		},
		"a platform admin's key without that scope": {
			as(root, registry.NewAPIKey{Scopes: all}), anyKey, true,
		},
		"the operator": {s.Operator(), func(r row) bool { return !r.has(noOperator) }, false},
	}
	for _, scope := range all {
		callers["an owner's key with "+string(scope)] = presents{
			as(signedIn, registry.NewAPIKey{Scopes: []registry.Scope{scope}}),
			keyOf("owner", scope), false,
		}
	}
	runner := s.Bearer(s.Runner(acme.ID, member))
	judge := func(name string, rt api.Route, r row, who string, x presents, ask func(may bool) controltest.Answer) {
		may := x.may(r)
		if may && rt.Streams {
			return // the stream's own tests read it
		}
		a := ask(may)
		switch {
		case may && (refused(a) || a.Status >= 500):
			t.Errorf("%s by %s: refused with %d %s", name, who, a.Status, a.Body)
		case !may && x.other && strings.Contains(rt.Pattern, "{org}"):
			// The refusal is the same for every org, also for one that does not exist.
			if a.Status != http.StatusNotFound || !strings.Contains(a.Body, "no such org") {
				t.Errorf("%s by %s: %d, want 404: %s", name, who, a.Status, a.Body)
			}
		case !may && a.Status != http.StatusForbidden:
			t.Errorf("%s by %s: %d, want 403: %s", name, who, a.Status, a.Body)
		}
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
			judge(name, rt, r, who, x, func(may bool) controltest.Answer {
				return ask(x.c, rt, string(acme.ID), may)
			})
		}
		if a := ask(runner, rt, string(acme.ID), false); a.Status != http.StatusUnauthorized {
			t.Errorf("%s by a runner: %d, want 401: %s", name, a.Status, a.Body)
		}
		for _, o := range owning {
			if o.name != name {
				continue
			}
			for who, x := range callers {
				if x.may(o.row) {
					continue // it would
				}
				path := strings.ReplaceAll(rt.Pattern, "{user}", string(member.User.ID))
				judge(name+" of an owner", rt, o.row, who, x, func(bool) controltest.Answer {
					return x.c.Do(rt.Method, fill(path, string(acme.ID)), o.body)
				})
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
func ask(c *controltest.Client, rt api.Route, org string, may bool) controltest.Answer {
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

func refused(a controltest.Answer) bool {
	return a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden ||
		strings.Contains(a.Body, "no such org")
}

// TestFresh: what asks for a new sign-in refuses a session that is older, an API token of it, and
// a device that was signed in by it.
func TestFresh(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	member := s.Member(acme.ID, "member@example.com", registry.RoleMember)
	signedIn := map[string]identity.Login{
		"owner": s.SignIn(owner), "platform": s.SignIn(s.User("root@example.com", true)),
	}
	// Of accounts of their own, since one of the operations ends an account's other sessions.
	devices := map[string]func() string{
		"owner":    s.DeviceOf(s.SignIn(s.Member(acme.ID, "cli@example.com", registry.RoleOwner))),
		"platform": s.DeviceOf(s.SignIn(s.User("rootcli@example.com", true))),
	}
	for _, renew := range devices {
		renew() // before the code ends
	}
	s.Clock.Advance(registry.FreshFor + time.Second)
	people := map[string]map[string]*controltest.Client{}
	for role, l := range signedIn {
		people[role] = map[string]*controltest.Client{
			"a session": s.Page(l), "an API token": s.Bearer(s.Token(l)),
			"a device": s.Bearer(devices[role]()),
		}
	}
	again := func(a controltest.Answer) bool {
		return a.Status == http.StatusUnauthorized && strings.Contains(a.Body, "sign in again") &&
			strings.Contains(a.Header.Get("WWW-Authenticate"), "insufficient_user_authentication")
	}
	for _, rt := range api.Routes() {
		name := rt.Method + " " + strings.TrimPrefix(rt.Pattern, "/api/v1")
		r := rows[name]
		if rt.Public || rt.Streams {
			continue
		}
		role := "owner"
		if r.role == "platform" {
			role = "platform"
		}
		for with, c := range people[role] {
			if r.has(noToken) && with != "a session" || r.has(noLent) && with == "an API token" {
				continue
			}
			// What asks for one refuses good input.
			a := ask(c, rt, string(acme.ID), !r.has(fresh))
			if again(a) != r.has(fresh) {
				t.Errorf("%s with %s of %s: %d %s", name, with, registry.FreshFor, a.Status, a.Body)
			}
			for _, o := range owning {
				path := strings.ReplaceAll(rt.Pattern, "{user}", string(member.ID))
				if o.name == name && !again(c.Do(rt.Method, fill(path, string(acme.ID)), o.body)) {
					t.Errorf("%s of an owner with %s of %s: passes", name, with, registry.FreshFor)
				}
			}
		}
	}
}
