package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSettingsReachTheInstance: in its environment, secrets opened, and nowhere else.
func TestSettingsReachTheInstance(t *testing.T) {
	t.Parallel()
	s := startWith(t, "settings {\n KEY secret\n SIZE choice {\n options s m\n default s\n }\n allow APP_*\n}", "org_gateway")
	ada := s.admin()
	id := s.org(ada, "acme")
	ada.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme/settings", `{"values":{"KEY":"a-canary-secret","APP_X":"{env.HOME}"},"restart":true}`, 200, nil)
	s.active("acme")
	environment := func() string {
		for _, pid := range s.processes(filepath.Join(s.dir, "data/orgs", id)) {
			if b, err := os.ReadFile(filepath.Join("/proc", pid, "environ")); err == nil {
				return "\x00" + string(b)
			}
		}
		return ""
	}
	s.eventually("the new instance has them", func() bool { return strings.Contains(environment(), "\x00KEY=a-canary-secret\x00") })
	env := environment()
	for _, want := range []string{"\x00SIZE=s\x00", "\x00APP_X={env.HOME}\x00", "\x00PIZZERIA_ORG_SLUG=acme\x00"} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q in %q", want, env)
		}
	}
	for _, body := range []string{`{"values":{"OTHER":"x"}}`, `{"values":{"SIZE":"xl"}}`, `{"values":{"LD_PRELOAD":"x"}}`, `{"secrets":{"PIZZERIA_ORG_ID":"x"}}`, `{"values":{"APP_X":"a"},"secrets":{"APP_X":"b"}}`} {
		ada.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme/settings", body, 422, nil)
	}
	s.stop()
	files := []string{"data/pizzeria.db", "data/pizzeria.db-wal"}
	for _, f := range files {
		if b, err := os.ReadFile(filepath.Join(s.dir, f)); err == nil && strings.Contains(string(b), "a-canary-secret") {
			t.Errorf("the secret is in %s", f)
		}
	}
	if strings.Contains(s.out.String(), "a-canary-secret") {
		t.Error("the secret is in the log")
	}
}
