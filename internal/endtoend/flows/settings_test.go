package flows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestSettingsReachTheInstance: in its environment, secrets opened, and nowhere else.
func TestSettingsReachTheInstance(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, func(c *runtime.Tunables) {
		c.Settings = registry.Schema{Fields: []registry.Field{
			{Name: "KEY", Type: registry.FieldSecret},
			{Name: "SIZE", Type: registry.FieldChoice, Options: []string{"s", "m"}, Default: "s"},
		}, Allow: []string{"APP_*"}}
	})
	ada := s.Admin()
	id := registry.OrgID(s.Org(ada, "acme"))
	ada.Call(t, "PATCH", s.URL("")+"/api/v1/orgs/acme/settings", `{"values":{"KEY":"a-canary-secret","APP_X":"{env.HOME}"},"restart":true}`, 200, nil)
	s.Active("acme")
	env := func(name string) string { return s.Instances.Env(id, name) }
	s.Eventually("the new instance has them", func() bool { return env("KEY") == "a-canary-secret" })
	for name, want := range map[string]string{"SIZE": "s", "APP_X": "{env.HOME}", "PIZZERIA_ORG_SLUG": "acme"} {
		if got := env(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, body := range []string{`{"values":{"OTHER":"x"}}`, `{"values":{"SIZE":"xl"}}`, `{"values":{"LD_PRELOAD":"x"}}`, `{"secrets":{"PIZZERIA_ORG_ID":"x"}}`, `{"values":{"APP_X":"a"},"secrets":{"APP_X":"b"}}`} {
		ada.Call(t, "PATCH", s.URL("")+"/api/v1/orgs/acme/settings", body, 422, nil)
	}
	s.Instances.Push() // it is elsewhere, and its operator is no one of the org
	told := s.Must("GET", "/orgs/acme/instance/environment", "").Body
	if strings.Contains(told, "a-canary-secret") || !strings.Contains(told, `"withheld":["KEY"]`) ||
		!strings.Contains(told, `"APP_X":"{env.HOME}"`) {
		t.Errorf("%s", told)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	files := []string{"pizzeria.db", "pizzeria.db-wal"}
	for _, f := range files {
		if b, err := os.ReadFile(filepath.Join(s.Dir, f)); err == nil && strings.Contains(string(b), "a-canary-secret") {
			t.Errorf("the secret is in %s", f)
		}
	}
	if strings.Contains(s.Log.String(), "a-canary-secret") {
		t.Error("the secret is in the log")
	}
}
