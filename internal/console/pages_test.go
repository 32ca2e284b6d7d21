package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	unknown = "01890000-0000-7000-8000-000000000000"
	form    = "application/x-www-form-urlencoded"
	good    = "confirm=acme&name=x&slug=xxx&role=owner&domain=example.com&reason=x&hours=1"
	hostile = `<img src=x onerror="canary()">'"&`
)

// world is an installation with a bit of everything, named so that a page that forgets to escape
// shows it.
func world(t *testing.T) (s *controltest.Server, org registry.Org,
	people map[string]*controltest.Client, fill func(string) string) {
	t.Helper()
	s = controltest.New(t)
	s.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "KEY", Type: registry.FieldSecret, Label: hostile, Help: hostile, Group: hostile},
		{Name: "SIZE", Type: registry.FieldChoice, Options: []string{"s", hostile}, Default: "s"},
	}, Allow: []string{"APP_*"}}
	owner := s.User("owner@example.com", false)
	org = s.Org("acme", owner)
	member := s.Member(org.ID, "member@example.com", registry.RoleMember)
	op := s.Operator()
	at := "/api/v1/orgs/" + string(org.ID)
	name := strings.ReplaceAll(hostile, `"`, `\"`)
	op.Want(t, 200, "PATCH", at, `{"name":"`+name+`"}`)
	op.Want(t, 202, "POST", at+"/invites", `{"email":"kim@example.com","role":"admin"}`)
	own := s.Page(s.SignIn(owner))
	own.Want(t, 201, "POST", at+"/invites", `{"email":"eve@example.com","role":"admin"}`)
	own.Want(t, 201, "POST", at+"/keys", `{"name":"`+name+`","role":"member","scopes":["org:read"]}`)
	op.Want(t, 201, "POST", at+"/webhooks", `{"url":"https://example.com/?x=<script>"}`)
	op.Want(t, 201, "POST", "/api/v1/webhooks", `{"url":"https://example.com/?x=<script>"}`)
	op.Want(t, 200, "PATCH", at+"/settings", `{"values":{"APP_X":"`+name+`"}}`)
	op.Want(t, 201, "POST", "/api/v1/plans", `{"name":"team","title":"`+name+`","description":"`+name+`"}`)
	own.Want(t, 201, "POST", at+"/domains", `{"domain":"example.com"}`)
	op.Want(t, 201, "POST", "/api/v1/clients",
		`{"name":"`+name+`","redirect_uris":["https://example.com/"]}`)
	people = map[string]*controltest.Client{
		"owner": own, "member": s.Page(s.SignIn(member)),
		"platform": s.Page(s.SignIn(s.User("root@example.com", true))),
		"nobody":   s.Nobody(),
	}
	people["platform"].Want(t, 201, "POST", at+"/support", `{"reason":"`+name+`","hours":1}`)
	return s, org, people, func(pattern string) string {
		r := strings.NewReplacer("{$}", "", "{org}", string(org.ID), "{user}", string(member.ID),
			"{domain}", "example.com", "{plan}", "team")
		return regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Replace(pattern), unknown)
	}
}

// TestPages opens every page as everybody. Whatever comes is a whole page that runs nothing of what
// people typed.
func TestPages(t *testing.T) {
	t.Parallel()
	s, _, people, fill := world(t)
	shown := map[string]bool{}
	for _, rt := range console.Routes() {
		if rt.Method != http.MethodGet || strings.HasSuffix(rt.Pattern, "/live") ||
			strings.HasSuffix(rt.Pattern, "/log") {
			continue
		}
		for who, c := range people {
			a := c.Do("GET", fill(rt.Pattern), "")
			what := rt.Pattern + " as " + who
			if a.Status >= 500 || a.Status == 401 {
				t.Errorf("%s: %d %s", what, a.Status, a.Body)
			}
			if who == "nobody" && !rt.Public &&
				(a.Status != 303 || !strings.HasPrefix(a.Header.Get("Location"), "/sign-in?")) {
				t.Errorf("%s: %d to %s", what, a.Status, a.Header.Get("Location"))
			}
			if a.Status/100 == 3 {
				continue
			}
			shown[rt.Pattern] = shown[rt.Pattern] || a.Status == 200
			if !strings.HasPrefix(strings.ToLower(a.Body), "<!doctype html>") ||
				!strings.HasSuffix(strings.TrimSpace(a.Body), "</html>") {
				t.Errorf("%s is no whole page: %.200s", what, a.Body)
			}
			for _, bad := range []string{"<img src=x", "onerror=\"canary", "<script>", "ZgotmplZ",
				"<no value>", "%!", "0001-01-01"} {
				if i := strings.Index(a.Body, bad); i >= 0 {
					t.Errorf("%s has %q: %s", what, bad,
						a.Body[max(0, i-100):min(len(a.Body), i+100)])
				}
			}
			csp := a.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") ||
				!strings.Contains(csp, "frame-ancestors 'none'") ||
				a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", what, a.Header)
			}
		}
	}
	for _, pattern := range []string{
		"/{$}", "/account", "/platform", "/platform/orgs", "/platform/instances",
		"/platform/settings", "/platform/audit", "/platform/apps",
		"/platform/plans", "/platform/plans/{plan}",
		"/platform/sign-in", "/platform/users", "/platform/users/{user}", "/platform/webhooks",
		"/orgs/new", "/orgs/{org}", "/orgs/{org}/members",
		"/orgs/{org}/members/{user}/remove", "/orgs/{org}/members/{user}/transfer",
		"/orgs/{org}/instance", "/orgs/{org}/settings", "/orgs/{org}/sign-in",
		"/orgs/{org}/keys", "/orgs/{org}/runners", "/orgs/{org}/webhooks", "/orgs/{org}/audit",
		"/orgs/{org}/delete", "/sign-in", "/forgot", "/account/second-step",
	} {
		if !shown[pattern] {
			t.Errorf("nobody is shown %s", pattern)
		}
	}
	if log := s.Log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("log: %s", log)
	}
}

// TestForms: no form is taken from elsewhere, nor from nobody; one that is wrong is answered with a
// page.
func TestForms(t *testing.T) {
	t.Parallel()
	s, org, people, fill := world(t)
	before, err := s.Store.Org(t.Context(), registry.AsOperator(), org.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range console.Routes() {
		if rt.Method != http.MethodPost {
			continue
		}
		target := fill(strings.ReplaceAll(rt.Pattern, "{user}", unknown))
		for what, headers := range map[string][]string{
			"a sibling":      {"Sec-Fetch-Site", "same-site", "Origin", "https://acme.d.example"},
			"another site":   {"Sec-Fetch-Site", "cross-site"},
			"neither header": {}, "an opaque origin": {"Origin", "null"},
		} {
			c := people["owner"].With("Sec-Fetch-Site", "", "Content-Type", form).With(headers...)
			if a := c.Do("POST", target, "name=Forged&slug=forged"); a.Status != 403 ||
				!strings.Contains(a.Body, "another site") {
				t.Errorf("%s from %s: %d", rt.Pattern, what, a.Status)
			}
		}
		nobody := s.Nobody().With("Origin", controltest.Issuer, "Content-Type", form)
		nobody = nobody.With("Referer", controltest.Issuer+"/orgs/acme?range=day")
		if a := nobody.Do("POST", target, ""); a.Status >= 500 || !rt.Public && (a.Status != 401 ||
			!strings.Contains(a.Body, `href="/sign-in?return=%2forgs%2facme%3frange%3dday"`)) {
			t.Errorf("%s by nobody: %d %s", rt.Pattern, a.Status, a.Body)
		}
		// What members may is left out.
		if rt.Action != "" && rt.Action != registry.ActionRunnerEnroll && !registry.Own(rt.Action) {
			a := people["member"].With("Content-Type", form).Do("POST", target, good)
			if a.Status != 403 && a.Status != 404 {
				t.Errorf("%s by a member: %d %.300s", rt.Pattern, a.Status, a.Body)
			}
		}
		if rt.Pattern == "/sign-out" || strings.HasSuffix(rt.Pattern, "/end") {
			continue // they end the session that the next form needs
		}
		long := url.Values{"name": {strings.Repeat("x", 65<<10)}}.Encode()
		if a := people["owner"].With("Content-Type", form).Do("POST", target,
			long); a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s with a long form: %d", rt.Pattern, a.Status)
		}
	}
	now, err := s.Store.Org(t.Context(), registry.AsOperator(), org.ID)
	if err != nil || now.Version != before.Version || now.Name != before.Name {
		t.Errorf("a refused form changed the org: %+v %v", now, err)
	}
}
