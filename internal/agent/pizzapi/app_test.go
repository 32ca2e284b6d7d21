package pizzapi

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecretsLast: an instance has the same secrets after a restart, another one others, and what is
// not whole is not replaced.
func TestSecretsLast(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	first, again := f.app.Environment(), f.open().Environment()
	for name := range first {
		if same := first[name] == again[name]; same == (name == "PIZZAPI_REDIS_URL") {
			t.Errorf("%s: %q, then %q", name, first[name], again[name])
		}
	}
	secret := []string{"BETTER_AUTH_SECRET", "PIZZAPI_TUNNEL_TOKEN_SECRET", "VAPID_PRIVATE_KEY", "PIZZAPI_REDIS_URL"}
	for _, name := range secret {
		if v := first[name]; len(v) < 32 || v == other.app.Environment()[name] || !slices.Contains(f.app.Secrets(), v) {
			t.Errorf("%s is %q, and is not kept out of the log", name, v)
		}
	}
	for name, size := range map[string]int{"VAPID_PUBLIC_KEY": 65, "VAPID_PRIVATE_KEY": 32} {
		if b, err := base64.RawURLEncoding.DecodeString(first[name]); err != nil || len(b) != size {
			t.Errorf("%s: %v, %d bytes", name, err, len(b))
		}
	}
	path := filepath.Join(f.dir, secretsFile)
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i, err)
	}
	for _, content := range []string{"", "{}", "not JSON"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(f.app.c); err == nil {
			t.Errorf("%q counts", content)
		}
	}
}

// TestEnvironmentIsNeeded: without the org's address, prefix and data directory PizzaPi does not start.
func TestEnvironmentIsNeeded(t *testing.T) {
	f := newFixture(t)
	for name, value := range map[string]string{
		"PIZZERIA_PUBLIC_URL": "", "PIZZERIA_PREFIX": "/.pizzeria", "PIZZERIA_DATA_DIR": "",
	} {
		c := f.app.c
		c.Env = maps.Clone(c.Env)
		c.Env[name] = value
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is %q: %v", name, value, err)
		}
	}
}

// TestHealth: PizzaPi answers 200 whatever it says.
func TestHealth(t *testing.T) {
	f := newFixture(t)
	for said, want := range map[string]int{`{"status":"ok","redis":true}`: 200, `{"status":"degraded"}`: 503, `{}`: 503, "<html>": 503} {
		f.b.health = said
		w := httptest.NewRecorder()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		f.app.ServeHealth(w, r, func(no Refusal) { w.WriteHeader(no.Status) })
		if w.Code != want || want == 200 && w.Body.String() != said {
			t.Errorf("%s: %d %s", said, w.Code, w.Body)
		}
	}
}
