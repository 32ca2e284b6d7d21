package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// problem reads an answer that must be one (RFC 9457), with a status.
func problem(t *testing.T, what string, a controltest.Answer, status int) (p wire.Problem) {
	t.Helper()
	if a.Status != status || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d %s, want %d: %s", what, a.Status, a.Header.Get("Content-Type"), status,
			a.Body)
		return p
	}
	a.Decode(t, &p)
	if p.Type == "" || p.Title == "" || p.Status != status || p.Detail == "" ||
		p.RequestID != "request-1" {
		t.Errorf("%s: not the whole of a problem: %s", what, a.Body)
	}
	return p
}

// TestBodies sends every operation that takes a body one that is wrong, by the operator, whom
// nothing else refuses.
func TestBodies(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	acme := s.Org("acme", s.User("owner@example.com", false))
	op := s.Operator()
	const canary = "a-secret-that-was-typed"
	for _, rt := range api.Routes() {
		if rt.Body == nil {
			continue
		}
		name, target := rt.Method+" "+rt.Pattern, fill(rt.Pattern, string(acme.ID))
		c := op
		if rt.Public {
			c = s.Nobody()
		}
		body := map[string]any{"surplus": canary}
		for k, v := range rt.Body {
			body[k] = v
		}
		surplus, _ := json.Marshal(body)
		a := c.Do(rt.Method, target, string(surplus))
		if p := problem(t, name+" with an unknown field", a, 422); p.Field != "surplus" {
			t.Errorf("%s: field %q: %s", name, p.Field, a.Body)
		}
		for what, bad := range map[string]string{
			"half a body": `{"name":"` + canary, "another type": `["` + canary + `"]`,
			"no JSON": canary, "two bodies": `{} {"x":"` + canary + `"}`,
		} {
			a = c.Do(rt.Method, target, bad)
			if a.Status != 400 && a.Status != 422 ||
				a.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s with %s: %d %s", name, what, a.Status, a.Body)
			}
			if strings.Contains(a.Body, canary) {
				t.Errorf("%s with %s: the answer echoes what was sent: %s", name, what, a.Body)
			}
		}
		for _, media := range []string{"application/x-www-form-urlencoded", "text/plain",
			"multipart/form-data; boundary=x", "application/xml"} {
			problem(t, name+" as "+media, c.With("Content-Type", media).Do(rt.Method, target, `{}`),
				415)
		}
		long := `{"name":"` + strings.Repeat("x", 65<<10) + `"}`
		problem(t, name+" with a long body", c.Do(rt.Method, target, long), 413)
		if rt.Method == http.MethodPost && !rt.Public {
			problem(t, name+" with a long body and a key",
				c.With("Idempotency-Key", "k").Do(rt.Method, target, long), 413)
		}
	}
}

// TestQueries: an operation knows its parameters, and refuses what is not one of theirs.
func TestQueries(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	acme := s.Org("acme", s.User("owner@example.com", false))
	for _, rt := range api.Routes() {
		if rt.Public || rt.Body != nil {
			continue
		}
		target := fill(rt.Pattern, string(acme.ID))
		p := problem(t, rt.Method+" "+rt.Pattern,
			s.Operator().Do(rt.Method, target+"?colour=red", ""), 422)
		if p.Field != "colour" {
			t.Errorf("%s %s: field %q", rt.Method, rt.Pattern, p.Field)
		}
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=-1": "limit", "limit=201": "limit", "limit=x": "limit",
		"limit=1e2": "limit", "limit=99999999999999999999": "limit",
		"sort=email": "sort", "sort=--name": "sort", "sort=name;drop": "", "status=gone": "status",
		"state=x": "state", "mine=perhaps": "mine",
		"search=" + strings.Repeat("x", 101): "search",
	} {
		p := problem(t, query, s.Operator().Do("GET", "/api/v1/orgs?"+query, ""), 422)
		if field != "" && p.Field != field {
			t.Errorf("%s: field %q, %s", query, p.Field, p.Detail)
		}
	}
}

// TestUnknownRoutes: below /api there is JSON alone, also for what is not there.
func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	for _, path := range []string{"/api/", "/api/v1", "/api/v1/nosuch", "/api/v2/orgs",
		"/api/v1/orgs/acme/nosuch"} {
		problem(t, path, s.Operator().Do("GET", path, ""), 404)
		problem(t, path+" as nobody", s.Nobody().Do("GET", path, ""), 401)
	}
	a := s.Operator().Do("PUT", "/api/v1/me", `{}`)
	if a.Status != 405 && a.Status != 404 {
		t.Errorf("a method that is not there: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/api/v1/openapi.json", "/api/v1/openapi.yaml"} {
		s.Nobody().Want(t, 200, "GET", path, "")
	}
}

// TestForged: a cookie alone makes no change; every method that changes something needs the
// console's own page.
func TestForged(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	page := s.Page(s.SignIn(owner))
	from := map[string][]string{
		"a sibling":                {"Sec-Fetch-Site", "", "Sec-Fetch-Site", "same-site"},
		"another site":             {"Sec-Fetch-Site", "", "Sec-Fetch-Site", "cross-site"},
		"neither header":           {"Sec-Fetch-Site", ""},
		"an org's origin":          {"Sec-Fetch-Site", "", "Origin", "https://acme.d.example"},
		"an opaque origin":         {"Sec-Fetch-Site", "", "Origin", "null"},
		"another origin beside it": {"Origin", "https://acme.d.example"},
		"two origins": {"Sec-Fetch-Site", "", "Origin", controltest.Issuer, "Origin",
			controltest.Issuer}, "a typed address": {"Sec-Fetch-Site", "", "Sec-Fetch-Site", "none"},
	}
	for _, rt := range api.Routes() {
		if rt.Public || rt.Method == http.MethodGet {
			continue
		}
		for what, headers := range from {
			a := ask(page.With(headers...), rt, string(acme.ID), false)
			if p := problem(t, rt.Method+" "+rt.Pattern+" from "+what, a,
				403); !strings.Contains(p.Detail, "another site") {
				t.Errorf("%s %s from %s: %s", rt.Method, rt.Pattern, what, p.Detail)
			}
		}
	}
	patch := `{"name":"One"}`
	page.With("Sec-Fetch-Site", "", "Origin", controltest.Issuer).Want(t, 200, "PATCH",
		"/api/v1/orgs/acme", patch)
	page.With("Origin", controltest.Issuer).Want(t, 200, "PATCH", "/api/v1/orgs/acme", patch)
}

// TestPages walks a list in each order, and offers it cursors that are not its own.
func TestPages(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	for _, slug := range []string{"aaa", "bbb", "ccc", "ddd", "eee"} {
		s.Org(slug, owner)
	}
	secret := s.Org("secret-org", s.User("other@example.com", false))
	page := s.Page(s.SignIn(owner))
	type list struct {
		Items []struct{ Slug string }
		Next  string
	}
	get := func(query string) (l list) {
		page.Want(t, 200, "GET", "/api/v1/orgs?"+query, "").Decode(t, &l)
		return l
	}
	next := ""
	for sort, want := range map[string]string{"name": "aaa bbb ccc ddd eee",
		"-slug": "eee ddd ccc bbb aaa", "created_at": "aaa bbb ccc ddd eee"} {
		var slugs []string
		l := get("limit=2&sort=" + sort)
		for next = l.Next; ; {
			for _, o := range l.Items {
				slugs = append(slugs, o.Slug)
			}
			if l.Next == "" {
				break
			}
			l = get("limit=2&sort=" + sort + "&cursor=" + l.Next)
		}
		if got := strings.Join(slugs, " "); got != want {
			t.Errorf("by %s: %s", sort, got)
		}
	}
	if l := get("limit=5"); l.Next != "" || len(l.Items) != 5 {
		t.Errorf("a full last page has a next one: %+v", l)
	}
	enc := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for what, cursor := range map[string]string{
		"made up": "made-up", "no base64": "*", "padded": enc(`["name","a",""]`) + "=",
		"no JSON": enc("x"), "an object": enc(`{"sort":"name"}`), "too short": enc(`["name","a"]`),
		"too long": enc(`["name","a","b","c"]`), "another order's": enc(`["slug","a",""]`),
		"a fraction": enc(`["name",1.5,"x"]`), "a list in it": enc(`["name",["a"],"x"]`),
		"no ID": enc(`["name","a",7]`), "a column": enc(`["name; DROP TABLE orgs","a",""]`),
		"very long": strings.Repeat("A", 100_000),
	} {
		a := page.Do("GET", "/api/v1/orgs?sort=name&cursor="+url.QueryEscape(cursor), "")
		if p := problem(t, what, a, 422); p.Field != "cursor" {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
	// One that is well made decides where a page begins, and nothing about who sees what.
	for what, cursor := range map[string]string{"the beginning": `["name","",""]`,
		"a number": `["name",0,""]`, "nothing": `["name",null,""]`,
		"a quote":       `["name","' OR 1=1 --",""]`,
		"another's org": `["name","secret-org","` + string(secret.ID) + `"]`} {
		a := page.Want(t, 200, "GET", "/api/v1/orgs?sort=name&cursor="+enc(cursor), "")
		if strings.Contains(a.Body, "secret-org") {
			t.Errorf("%s shows another's org: %s", what, a.Body)
		}
	}
	page.Want(t, 422, "GET", "/api/v1/orgs?sort=-name&cursor="+next, "") // of another order
	if l := get("search=" + url.QueryEscape("%")); len(l.Items) != 0 {
		t.Errorf("a search is a pattern: %+v", l)
	}
	if _, err := s.Store.VerifyAudit(t.Context(), registry.AsOperator(), nil); err != nil {
		t.Error(err)
	}
}
