package endtoend

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What anybody reaches is what the example's edge rules name, and PizzaPi gets no variable that would
// open another way.
func testPizzaPiEdge(t *testing.T, s pizzapis) {
	ada := s.ada
	ada.open(s.url("acme") + "/")
	nobody := func(method, path string) answer { // a program: a browser is led to the sign-in
		return s.person().do(method, s.url("acme")+path, nil, map[string]string{"Accept": "application/json"})
	}
	if a := nobody(http.MethodPost, "/api/webhooks/nightly/fire"); a.status != 200 || a.body != `{"fired":"nightly"}` {
		t.Errorf("a webhook: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/manifest.webmanifest", "/favicon.ico", "/apple-touch-icon-180x180.png", "/pwa-192x192.png"} {
		if a := nobody(http.MethodGet, path); a.status != 404 || a.body != "Not found" { // which the stand-in has none of
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/api/webhooks", "/api/webhooks/nightly", "/api/webhooks/nightly/fired", "/manifest.json", "/app.js"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if a := nobody(method, path); a.status != 401 {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
			}
		}
	}

	// PizzaPi has no /healthz: it is the agent's, and says what PizzaPi says.
	if a := ada.fetch(http.MethodGet, s.url("acme")+"/healthz", ""); a.status != 200 || !strings.Contains(a.body, `"status":"ok","redis":true`) {
		t.Errorf("/healthz: %d %s", a.status, a.body)
	}

	var names []string
	a := ada.fetch(http.MethodGet, s.url("acme")+"/api/test/environment", "")
	if err := json.Unmarshal([]byte(a.body), &names); err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if !slices.Contains(names, "PIZZAPI_UI_DIR") {
		t.Errorf("what the Caddyfile sets is missing in %v", names)
	}
	for _, name := range pizzapiDropped {
		if slices.Contains(names, name) {
			t.Errorf("PizzaPi has %s", name)
		}
	}
}

// pizzapiDropped are variables that the agent removes, though the Caddyfile sets them.
var pizzapiDropped = []string{
	"PIZZAPI_EXTRA_ORIGINS", "PIZZAPI_TRUST_PROXY", "PIZZAPI_PROXY_DEPTH", "PIZZAPI_TUNNEL_DOMAIN", "PIZZAPI_RUNNER_TOKEN",
}

// A person never learns what they are signed in with, and has the name of their account, also when
// that changes.
func testPizzaPiPeople(t *testing.T, s pizzapis) {
	mia := s.mia
	mia.open(s.url("acme") + "/")
	mia.fetch(http.MethodGet, s.url("acme")+"/api/me", "")
	_, h := mia.seen("acme")
	token := sessionToken(h["cookie"])
	if token == "" {
		t.Fatalf("cookies: %q", h["cookie"])
	}
	a := mia.fetch(http.MethodGet, s.url("acme")+"/api/auth/get-session", "")
	if a.status != 200 || !strings.Contains(a.body, `"token":"redacted"`) || strings.Contains(a.body, strings.Split(token, ".")[0]) {
		t.Errorf("%d %s", a.status, a.body)
	}

	mia.call(t, "PATCH", s.url("")+"/api/v1/me", `{"name":"Mia Marple"}`, 200, nil)
	s.eventually("her next request has the new name", func() bool {
		var me struct{ Name string }
		a := mia.fetch(http.MethodGet, s.url("acme")+"/api/me", "")
		return json.Unmarshal([]byte(a.body), &me) == nil && me.Name == "Mia Marple"
	})
}

// sessionToken is the value of better-auth's session in a Cookie header: the token, and its signature.
func sessionToken(cookies string) string {
	_, rest, _ := strings.Cut(cookies, "__Secure-better-auth.session_token=")
	value, _, _ := strings.Cut(rest, ";")
	return value
}
