package endtoend

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTour is the README's tour, without a browser: set up, first org, second org and back, suspended, sign-out.
func TestTour(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")

	a := ada.open(s.url("acme") + "/?from=tour")
	if a.status != 200 || a.url.String() != s.url("acme")+"/?from=tour" || !strings.Contains(a.body, `<strong id="org">acme</strong>`) || !strings.Contains(a.body, `id="role">owner<`) {
		t.Fatalf("the org's page: %d at %s: %s", a.status, a.url, a.body)
	}
	if a := ada.submit(s.url("acme")+"/notes", url.Values{"text": {"only for acme"}}); a.status != 200 || !strings.Contains(a.body, "only for acme") {
		t.Fatalf("note: %d %s", a.status, a.body)
	}

	s.org(ada, "globex")
	if a := ada.open(s.url("globex") + "/"); a.status != 200 || strings.Contains(a.body, "only for acme") || !strings.Contains(a.body, ">globex<") {
		t.Fatalf("the second org: %d %s", a.status, a.body)
	}
	if a := ada.open(s.url("acme") + "/"); !strings.Contains(a.body, "only for acme") {
		t.Fatalf("back in the first org: %d %s", a.status, a.body)
	}

	if a := ada.fetch("POST", s.url("")+"/api/v1/orgs/globex/suspend", `{"reason":"unpaid"}`); a.status != 200 {
		t.Fatalf("suspend: %d %s", a.status, a.body)
	}
	s.eventually("the suspended org is closed", func() bool { return ada.status(s.url("globex")+"/") == 403 }) // an answer on its way is cut off
	if a := ada.fetch("POST", s.url("")+"/api/v1/orgs/globex/resume", ""); a.status != 200 {
		t.Fatalf("resume: %d %s", a.status, a.body)
	}
	s.active("globex")
	s.eventually("the resumed org is open", func() bool { return ada.open(s.url("globex")+"/").status == 200 })

	org := ada.cookie(s.url("acme"), "__Host-pizzeria-org")
	if a := ada.submit(s.url("acme")+"/.pizzeria/sign-out", nil); a.status != 200 || !strings.Contains(a.body, "You are signed out") {
		t.Fatalf("sign-out: %d at %s", a.status, a.url)
	}
	s.eventually("the session is refused everywhere", func() bool {
		a, err := ada.attempt("GET", s.url("acme")+"/whoami", nil, map[string]string{
			"Cookie": "__Host-pizzeria-org=" + org, "Accept": "*/*",
		})
		return err == nil && a.status == 401
	})
	if a := ada.open(s.url("globex") + "/"); a.url.Path != "/sign-in" {
		t.Fatalf("after sign-out: %d at %s", a.status, a.url)
	}
	if a := ada.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"wrong password"}}); a.status != 403 || !strings.Contains(a.body, "is wrong") {
		t.Fatalf("wrong password: %d %s", a.status, a.body)
	}
}

// TestNothingOutsideData: a run with the repository's own Caddyfile layout writes below ./data alone.
func TestNothingOutsideData(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.admin()
	if i, err := os.Stat(filepath.Join(s.dir, "data/admin.sock")); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("the admin socket: %v %v", i.Mode(), err)
	}
	s.stop()
	for name, mode := range map[string]os.FileMode{"data": 0o700, "data/pizzeria.db": 0o600, "data/secret.key": 0o600} {
		if i, err := os.Stat(filepath.Join(s.dir, name)); err != nil || i.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want mode %s", name, i.Mode(), err, mode)
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "data" && e.Name() != "Caddyfile" {
			t.Errorf("%s was written outside data", filepath.Join(s.dir, e.Name()))
		}
	}
}

// TestRestart: instances outlive the server, also a killed one, and are adopted; down stops them.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	id := s.org(ada, "acme")
	elsewhere := s.person()
	if a := elsewhere.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {password}}); a.status != 200 {
		t.Fatalf("sign in: %d", a.status)
	}
	elsewhere.open(s.url("acme") + "/")
	ended := elsewhere.cookie(s.url("acme"), orgCookie)
	elsewhere.submit(s.url("")+"/sign-out", nil)
	before := s.processes(filepath.Join(s.dir, "data/orgs"))
	if len(before) != 1 {
		t.Fatalf("instances: %v", before)
	}
	s.kill()
	if got := s.processes(filepath.Join(s.dir, "data/orgs")); len(got) != 1 || got[0] != before[0] {
		t.Fatalf("the instance did not outlive the server: %v then %v", before, got)
	}
	s.run()
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("after a restart: %d %s", a.status, a.body)
	}
	// A session that ended before the restart stays ended, though its token is good for minutes yet.
	if a := s.person().do("GET", s.url("acme")+"/whoami", nil, map[string]string{"Cookie": orgCookie + "=" + ended, "Sec-Fetch-Site": "same-origin", "Accept": "*/*"}); ended == "" || a.status != 401 {
		t.Fatalf("a revoked session after a restart: %d %s", a.status, a.body)
	}
	if got := s.processes(filepath.Join(s.dir, "data/orgs")); len(got) != 1 || got[0] != before[0] {
		t.Fatalf("the instance was not adopted: %v then %v", before, got)
	}
	out, err := s.cli("", "down")
	if err != nil || !strings.Contains(out, "stopped 1") {
		t.Fatalf("down: %s %v", out, err)
	}
	if got := s.processes(filepath.Join(s.dir, "data/orgs")); len(got) != 0 {
		t.Fatalf("left after down: %v", got)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "data/orgs", id, "data/notes.db")); err != nil {
		t.Fatalf("data: %v", err)
	}
}
