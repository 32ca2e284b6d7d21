package api_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

const replayed = "Idempotent-Replayed"

// TestIdempotencyRace: of many requests with the same key one is served. The others get its answer,
// or are told that it has not finished.
func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	op := s.Operator()
	for round := range 10 {
		body := fmt.Sprintf(`{"slug":"race-%d"}`, round)
		c := op.With("Idempotency-Key", fmt.Sprint(round))
		var wg sync.WaitGroup
		var mu sync.Mutex
		first, again, busy := 0, 0, 0
		for range 8 {
			wg.Go(func() {
				a := c.Do("POST", "/api/v1/orgs", body)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case a.Status == 201 && a.Header.Get(replayed) == "":
					first++
				case a.Status == 201:
					again++
				case a.Status == 409 && strings.Contains(a.Body, "has not finished"):
					busy++
				default:
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
		wg.Wait()
		if first != 1 {
			t.Errorf("served %d times, replayed %d times, refused %d times", first, again, busy)
		}
	}
}

// TestIdempotencyKeys: a key belongs to its actor and to one request, for a day.
func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	l := s.SignIn(owner)
	target := "/api/v1/orgs/" + string(acme.ID) + "/invites"
	const body = `{"email":"eve@example.com","role":"member"}`
	scopes := []registry.Scope{registry.ScopeMemberWrite}
	callers := map[string]*controltest.Client{
		"the session":   s.Page(l),
		"a key of hers": s.Bearer(s.Key(l, registry.NewAPIKey{Scopes: scopes})),
		"another key":   s.Bearer(s.Key(l, registry.NewAPIKey{Scopes: scopes})),
		"the org's key": s.Bearer(s.Key(l,
			registry.NewAPIKey{Scopes: scopes, OrgID: acme.ID, Role: registry.RoleAdmin})),
		"the operator": s.Operator(),
		"an admin": s.Page(s.SignIn(s.Member(acme.ID, "admin@example.com",
			registry.RoleAdmin))),
	}
	answers := map[string]string{}
	id := regexp.MustCompile(`"id":"([^"]+)"`)
	for who, c := range callers {
		status := 201
		if who == "the operator" { // for whom it waits
			status = 202
		}
		a := c.With("Idempotency-Key", "shared").Want(t, status, "POST", target, body)
		if a.Header.Get(replayed) != "" {
			t.Errorf("%s gets another's answer", who)
		}
		made := id.FindString(a.Body)
		if other, seen := answers[made]; seen {
			t.Errorf("%s gets the answer of %s", who, other)
		}
		answers[made] = who
	}
	page := callers["the session"].With("Idempotency-Key", "shared")
	// Another sign-in of the same person is the same person.
	other := s.Page(s.SignIn(owner)).With("Idempotency-Key", "shared")
	for _, c := range []*controltest.Client{page, other} {
		a := c.Want(t, 201, "POST", target, body)
		if a.Header.Get(replayed) != "true" || answers[id.FindString(a.Body)] != "the session" ||
			a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("not the first answer: %v %s", a.Header, a.Body)
		}
	}
	for what, a := range map[string]controltest.Answer{
		"another body":         page.Do("POST", target, strings.Replace(body, "eve", "bob", 1)),
		"another path":         page.Do("POST", target+"?x=1", body),
		"another precondition": page.With("If-Match", `"1"`).Do("POST", target, body),
		"a long key": page.With("Idempotency-Key", "", "Idempotency-Key",
			strings.Repeat("k", 101)).Do("POST", target, body),
	} {
		if p := problem(t, what, a, 422); p.Field != "Idempotency-Key" {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
	// The answer has a link that is shown once: the database does not have it.
	if raw, err := os.ReadFile(s.Path + "-wal"); err != nil || strings.Contains(string(raw),
		controltest.Issuer+"/invite/") {
		t.Errorf("the database has the answer in the clear, or: %v", err)
	}
	// Over after a day: then it is a new request.
	s.Clock.Advance(24*time.Hour + time.Second)
	a := s.Page(s.SignIn(owner)).With("Idempotency-Key", "shared").Want(t, 201, "POST", target,
		body)
	if a.Header.Get(replayed) != "" {
		t.Error("a key lasts longer than a day")
	}
}

// TestIdempotencyOutcomes: what was refused for good is kept; what may go well another time frees
// the key.
func TestIdempotencyOutcomes(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	c := s.Page(s.SignIn(owner)).With("Idempotency-Key", "k1")
	c.Want(t, 422, "POST", "/api/v1/orgs/acme/rename", `{"slug":"Bad_Slug"}`)
	if a := c.Want(t, 422, "POST", "/api/v1/orgs/acme/rename",
		`{"slug":"Bad_Slug"}`); a.Header.Get(replayed) != "true" ||
		a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a refusal is not kept: %v", a.Header)
	}
	// A 401 asks for a new sign-in, after which the same request goes through.
	keys := "/api/v1/orgs/" + string(acme.ID) + "/keys"
	const body = `{"name":"backup","role":"member","scopes":["org:read"]}`
	s.Clock.Advance(registry.FreshFor + time.Second)
	c = c.With("Idempotency-Key", "", "Idempotency-Key", "k2")
	c.Want(t, 401, "POST", keys, body)
	c = s.Page(s.SignIn(owner)).With("Idempotency-Key", "k2")
	first := c.Want(t, 201, "POST", keys, body)
	if first.Header.Get(replayed) != "" {
		t.Error("the 401 was kept")
	}
	if again := c.Want(t, 201, "POST", keys, body); again.Header.Get(replayed) != "true" ||
		!strings.Contains(again.Body, `"secret":""`) || strings.Contains(first.Body, `"secret":""`) {
		t.Errorf("the key that is shown once: %s, and then %s", first.Body, again.Body)
	}
	// Nobody's key means nothing, and the other methods know none.
	s.Nobody().With("Idempotency-Key", "k2").Want(t, 401, "POST", keys, body)
	for range 2 {
		if a := c.Want(t, 200, "PATCH", "/api/v1/orgs/acme",
			`{"name":"One"}`); a.Header.Get(replayed) != "" {
			t.Error("a PATCH is replayed")
		}
	}
}

// TestShownOnce: what is shown once is in no kept answer, whatever operation made it, in the same
// session, another of the person's, or by the same key.
func TestShownOnce(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	root := s.User("root@example.com", true)
	s.User("eve@example.com", false)
	s.Org("acme", root)
	page := s.Page(s.SignIn(root))
	made := map[string]bool{}
	for target, body := range map[string]string{
		"/tokens": "", "/me/keys": `{"name":"k","scopes":["org:read"]}`,
		"/orgs/acme/keys":    `{"name":"k","role":"member","scopes":["org:read"]}`,
		"/orgs/acme/invites": `{"email":"bob@example.com","role":"member"}`,
		"/clients":           `{"name":"x","redirect_uris":["https://x.example/"]}`,
		"/webhooks":          `{"url":"https://example.com/"}`, "/orgs/acme/webhooks": `{"url":"https://example.com/"}`,
		"/orgs/acme/runners/claims":            `{"name":"x"}`,
		"/users/eve@example.com/password-link": "",
	} {
		with := []string{"Idempotency-Key", "k " + target}
		first := page.With(with...).Do("POST", "/api/v1"+target, body)
		var v map[string]any
		if first.Decode(t, &v); first.Status/100 != 2 {
			t.Fatalf("%s: %d %s", target, first.Status, first.Body)
		}
		for who, c := range map[string]*controltest.Client{
			"the same session": page, "another session": s.Page(s.SignIn(root)),
		} {
			again := c.With(with...).Want(t, first.Status, "POST", "/api/v1"+target, body)
			var w map[string]any
			again.Decode(t, &w)
			for _, name := range []string{"secret", "link", "access_token"} {
				secret, _ := v[name].(string)
				if secret != "" {
					made[target] = true
				}
				if secret != "" && (strings.Contains(again.Body, secret) || w[name] != "") {
					t.Errorf("%s shows its %s again to %s: %s", target, name, who, again.Body)
				}
			}
			if again.Header.Get(replayed) != "true" || len(w) != len(v) {
				t.Errorf("%s to %s: %s", target, who, again.Body)
			}
		}
	}
	if len(made) != 9 {
		t.Errorf("not all of these show something once: %v", made)
	}
	// An invitation that waits is answered with another status, which is kept alike; its link is
	// shown once to the owner who approves it.
	other := s.User("owner@example.com", false)
	s.Org("globex", other)
	var asked struct {
		Approval registry.Approval
		Link     string
	}
	const invites = "/api/v1/orgs/globex/invites"
	const body = `{"email":"bob@example.com","role":"member"}`
	from := page.With("Idempotency-Key", "waits")
	first := from.Want(t, 202, "POST", invites, body)
	first.Decode(t, &asked)
	again := from.Want(t, 202, "POST", invites, body)
	if asked.Approval.ID == "" || asked.Link != "" || strings.Contains(first.Body, `"link"`) ||
		again.Header.Get(replayed) != "true" ||
		strings.TrimSpace(again.Body) != strings.TrimSpace(first.Body) {
		t.Errorf("what waits: %s, and then %s", first.Body, again.Body)
	}
	approve := "/api/v1/orgs/globex/approvals/" + string(asked.Approval.ID) + "/approve"
	by := s.Page(s.SignIn(other)).With("Idempotency-Key", "approves")
	by.Want(t, 200, "POST", approve, "").Decode(t, &asked)
	again = by.Want(t, 200, "POST", approve, "")
	if asked.Link == "" || strings.Contains(again.Body, asked.Link) ||
		!strings.Contains(again.Body, `"link":""`) || again.Header.Get(replayed) != "true" {
		t.Errorf("an approved invitation is shown again: %s", again.Body)
	}
	// No other operation has a member of such a name or description.
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}
	s.Nobody().Want(t, 200, "GET", "/api/v1/openapi.json", "").Decode(t, &doc)
	found := 0
	for _, rt := range api.Routes() {
		for status, r := range doc.Paths[rt.Pattern][strings.ToLower(rt.Method)].Responses {
			if status == "default" {
				continue
			}
			ref := r.Content["application/json"].Schema.Ref
			for name, p := range doc.Components.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]].Properties {
				hidden := name == "secret" || name == "link" || strings.HasSuffix(name, "_token") ||
					name == "password" || strings.Contains(p.Description, "shown only now")
				if hidden {
					found++
				}
				if hidden != slices.Contains(rt.Once, name) {
					t.Errorf("%s %s: %q is shown once: %v", rt.Method, rt.Pattern, name, hidden)
				}
			}
		}
	}
	if found < 11 {
		t.Errorf("only %d were found", found)
	}
}

// TestIdempotencyStoreAway: a request that the server could not serve may be sent again with its
// key.
func TestIdempotencyStoreAway(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	c := s.Operator().With("Idempotency-Key", "k")
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	a := c.Do("POST", "/api/v1/orgs", `{"slug":"acme"}`)
	problem(t, "without a store", a, 503)
	if a.Header.Get("Retry-After") == "" || strings.Contains(a.Body, "sql") ||
		!strings.Contains(s.Log.String(), "request_id=request-1") {
		t.Errorf("%v %s, log: %s", a.Header, a.Body, s.Log)
	}
}
