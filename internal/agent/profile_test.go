//go:build linux || darwin

package agent

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
)

// identities are the identity headers among what an app saw.
func identities(s seen) http.Header {
	h := http.Header{}
	for name, v := range s.Header {
		if isIdentity(name) || name == "Authorization" {
			h[name] = v
		}
	}
	return h
}

// TestProfiles: an app learns who is asking in the form of its profile, and in no other.
func TestProfiles(t *testing.T) {
	for profile, want := range map[Profile]func(token string) http.Header{
		Assertion: func(token string) http.Header { return as(token) },
		Bearer:    func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} },
		TrustedHeaders: func(string) http.Header {
			return http.Header{
				headerUser: {"alice-id"}, headerEmail: {"alice@example.com"}, headerLogin: {"alice@example.com"},
				headerGroups: {"admin"}, headerRemote: {"alice-id"}, "Authorization": {"Basic x"},
			}
		},
	} {
		t.Run(string(profile), func(t *testing.T) {
			f := started(t, func(c *Config) { c.Profile = profile })
			token := f.assertion(nil)
			header := as(token)
			header["Authorization"] = []string{"Basic x"}
			wanted := want(token)
			if profile == Assertion {
				wanted["Authorization"] = header["Authorization"]
			}
			for range 2 { // the second is known
				status, s := f.get("/", header)
				if got := identities(s); status != 200 || !maps.EqualFunc(got, wanted, slices.Equal) {
					t.Errorf("%d %v, want %v", status, got, wanted)
				}
			}
			runner := f.assertion(map[string]any{"sub": "runner-id", "role": "runner", "email": "", "name": "ci"})
			if status, s := f.get("/", as(runner)); status != 200 || profile == TrustedHeaders &&
				(s.Header.Get(headerUser) != "runner-id" || s.Header.Get(headerLogin) != "runner-id" || s.Header[headerEmail] != nil) {
				t.Errorf("a runner: %d %v", status, s.Header)
			}
			// Nobody's request: no identity, whatever it says, and its own credential.
			spoofed := http.Header{"Authorization": {"Bearer of the app"}}
			for _, name := range []string{
				"X-Forwarded-User", "x_forwarded_user", "X.Forwarded-Email", "X-FORWARDED-GROUPS", "X-Forwarded-Preferred-Username",
				"Remote-User", "REMOTE_USER", "X-Remote-User", "X-Webauth-User", "X-WEBAUTH_EMAIL", "X-Auth-Request-User", "Pizzeria_Assertion",
			} {
				spoofed[name] = []string{"owner"}
			}
			status, s := f.get("/", spoofed)
			if got := identities(s); status != 200 || len(got) != 1 || got.Get("Authorization") != "Bearer of the app" {
				t.Errorf("nobody: %d %v", status, got)
			}
			maps.Copy(spoofed, as(token))
			spoofed["Connection"] = []string{"Pizzeria-Assertion, X-Forwarded-User, Authorization"}
			_, s = f.get("/", spoofed)
			for name, v := range wanted {
				if name != "Authorization" && !slices.Equal(s.Header[name], v) {
					t.Errorf("%s is %q, want %q", name, s.Header[name], v)
				}
			}
			for name, v := range s.Header {
				if slices.Contains(v, "owner") {
					t.Errorf("%s: %q arrived", name, v)
				}
			}
		})
	}
}

// TestAssertionAsBearer: with the profile bearer, an assertion counts only in the gateway's header.
func TestAssertionAsBearer(t *testing.T) {
	f := started(t, func(c *Config) { c.Profile = Bearer })
	for _, scheme := range []string{"Bearer ", "bearer ", "Bearer  "} {
		_, s := f.get("/", http.Header{"Authorization": {scheme + f.assertion(nil)}})
		if v := s.Header["Authorization"]; v != nil {
			t.Errorf("%q arrived", v)
		}
	}
}

// TestMisroutes: what is not for this org and this generation reaches no app.
func TestMisroutes(t *testing.T) {
	f := started(t, nil)
	now := time.Now()
	good := f.assertion(nil)
	for name, header := range map[string]http.Header{
		"another org's":        as(f.assertion(map[string]any{"org_id": "globex-id", "aud": "urn:pizzeria:org:globex-id"})),
		"another generation's": as(f.assertion(map[string]any{"org_gen": 2})),
		"expired":              as(f.assertion(map[string]any{"iat": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(-4 * time.Minute).Unix()})),
		"another issuer's":     as(f.assertion(map[string]any{"iss": "https://evil.example"})),
		"two":                  as(good, good),
		"cut":                  as(strings.TrimRight(good, "=")[:len(good)-4]),
		"empty":                as(""),
	} {
		for _, path := range []string{"/", "/healthz"} {
			if status, s := f.get(path, header); status != 401 || s.URI != "" {
				t.Errorf("%s at %s: %d %+v", name, path, status, s)
			}
		}
	}
	if status, _ := f.get("/", as(good)); status != 200 {
		t.Fatal(status)
	}
	f.mu.Lock()
	f.ahead = 3 * time.Minute // what was known as good expires
	f.mu.Unlock()
	if status, s := f.get("/", as(good)); status != 401 {
		t.Errorf("a known one that has expired: %d %+v", status, s)
	}
}

// TestRequired: with required, only health checks pass without an assertion.
func TestRequired(t *testing.T) {
	f := started(t, func(c *Config) { c.Required = true })
	for path, want := range map[string]int{"/": 401, "/healthz": 200, "/healthz/": 401, "/%68ealthz": 200} {
		if status, _ := f.get(path, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status, _ := f.get("/", as(f.assertion(nil))); status != 200 {
		t.Error(status)
	}
}

// TestKeysToCome: before the keys are there, nobody is let in, and the answer says to come again.
func TestKeysToCome(t *testing.T) {
	f := started(t, func(c *Config) { c.Keys = assertion.File("/no/such/file") })
	if status, _ := f.get("/", as(f.assertion(nil))); status != 503 {
		t.Error(status)
	}
}
