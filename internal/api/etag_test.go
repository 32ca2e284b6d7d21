package api_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestIfMatch: a change with a precondition happens to the version that was seen, or not at all.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	s.Org("acme", owner)
	op := s.Operator()
	const org = "/api/v1/orgs/acme"
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", "", `{"name":"One"}`}, {"PUT", "/plan", `{"plan":"standard"}`},
		{"PUT", "/provider", `{"provider":"large"}`},
		{"PATCH", "/limits", `{"limits":{"members":3}}`}, {"POST", "/rename", `{"slug":"apex"}`},
		{"POST", "/suspend", `{"reason":"unpaid"}`}, {"POST", "/resume", ""},
		{"POST", "/instance/restart", ""}, {"DELETE", "?confirm=acme", ""}, {"POST", "/keep", ""},
	} {
		for _, tag := range []string{`"2"`, `"0"`, `"-1"`, `W/"1"`, "1", `"1", "2"`, `"x"`,
			"nonsense", `"99999999999999999999"`, `""`} {
			problem(t, c.method+c.path+" with "+tag,
				op.With("If-Match", tag).Do(c.method, org+c.path, c.body), 412)
		}
	}
	a := op.Want(t, 200, "GET", org, "")
	if a.Header.Get("ETag") != `"1"` {
		t.Fatalf("the org changed: %v", a.Header)
	}
	a = op.With("If-Match", `"1"`).Want(t, 200, "PATCH", org, `{"name":"Two"}`)
	tag := a.Header.Get("ETag")
	if tag == `"1"` || tag == "" {
		t.Fatalf("ETag %s", tag)
	}
	op.With("If-Match", "*").Want(t, 200, "PATCH", org, `{"name":"Three"}`)
	op.With("If-Match", tag).Want(t, 412, "PATCH", org, `{"name":"Four"}`)

	// Of many who saw the same version, one changes it.
	for round := range 5 {
		seen := op.With("If-Match", op.Want(t, 200, "GET", org, "").Header.Get("ETag"))
		var done atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch a := seen.Do("PATCH", org,
					fmt.Sprintf(`{"name":"Round %d by %d"}`, round, i)); a.Status {
				case 200:
					done.Add(1)
				case 412:
				default:
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
		wg.Wait()
		if n := done.Load(); n != 1 {
			t.Errorf("%d changes of one version", n)
		}
	}
}

// TestIfMatchOfParts: what of an org, or of the platform, more than one person edits has a version
// of its own, and a change of one that was not seen is refused.
func TestIfMatchOfParts(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Schema = registry.Schema{Allow: []string{"APP_*"}}
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	s.Connection("a", "A", acme.ID)
	s.Connection("b", "A", "")
	root := s.Page(s.SignIn(s.User("root@example.com", true)))
	own := s.Page(s.SignIn(owner))
	root.Want(t, 201, "POST", "/api/v1/plans", `{"name":"team"}`)
	const of = `{"issuer":"https://login.example.com","client_id":"us","name":"`
	for _, c := range []struct {
		by                      *controltest.Client
		path, create            string
		method, change, change2 string
	}{
		{own, "/orgs/acme/settings", "", "PATCH", `{"values":{"APP_X":"1"}}`, `{"values":{"APP_X":"2"}}`},
		{own, "/orgs/acme/connections", "", "PUT", of + `B"}`, of + `C"}`},
		{root, "/connections", "", "PUT", of + `B"}`, of + `C"}`},
		{own, "/orgs/acme/webhooks", `{"url":"https://example.com/a"}`, "PATCH",
			`{"url":"https://example.com/b"}`, `{"active":false}`},
		{root, "/webhooks", `{"url":"https://example.com/a"}`, "PATCH",
			`{"url":"https://example.com/b"}`, `{"active":false}`},
		{root, "/plans/team", "", "PATCH", `{"title":"B"}`, `{"limits":{"members":1}}`},
	} {
		path := "/api/v1" + c.path
		var seen string
		switch {
		case c.method == "PUT": // a new one would ask its provider
			var list registry.Page[struct{ ID, ETag string }]
			c.by.Want(t, 200, "GET", path, "").Decode(t, &list)
			seen, path = list.Items[0].ETag, path+"/"+list.Items[0].ID
		case c.create == "":
			seen = c.by.Want(t, 200, "GET", path, "").Header.Get("ETag")
		default:
			a := c.by.Want(t, 201, "POST", path, c.create)
			var made struct{ Webhook struct{ ID string } }
			a.Decode(t, &made)
			seen, path = a.Header.Get("ETag"), path+"/"+made.Webhook.ID
		}
		for _, tag := range []string{`"x"`, "x", "'x'", `""`, "W/" + seen, seen + ", " + seen} {
			problem(t, c.path+" with "+tag, c.by.With("If-Match", tag).Do(c.method, path, c.change), 412)
		}
		if a := c.by.With("If-Match", seen).Do(c.method, path, c.change); a.Status/100 != 2 {
			t.Errorf("%s: %d %s", c.path, a.Status, a.Body)
		}
		problem(t, c.path+" again", c.by.With("If-Match", seen).Do(c.method, path, c.change2), 412)
		for _, c2 := range []*controltest.Client{c.by.With("If-Match", "*"), c.by} {
			if a := c2.Do(c.method, path, c.change2); a.Status/100 != 2 {
				t.Errorf("%s: %d %s", c.path, a.Status, a.Body)
			}
		}
	}
}
