package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExternalProvider: an org is served by an instance that somebody else runs, for as long as
// that answers and whatever its generation; and no org is led to the server itself.
func TestExternalProvider(t *testing.T) {
	t.Parallel()
	const health = "health_interval 200ms\n\t\thealth_failures 2\n\t\thealth_restart_after 1s\n\t\t"
	s := startWith(t, "provider process\n\t\tprovider external\n\t\t"+health, "org_gateway")
	ada := s.admin()
	acme, globex := s.org(ada, "acme"), s.org(ada, "globex")
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	run := func() (end func()) {
		t.Helper()
		app := exec.Command(binary, "sample-instance")
		app.Dir = t.TempDir()
		app.Env = []string{
			"PIZZERIA_ORG_ID=" + acme, "PIZZERIA_ORG_GENERATION=-1", "PIZZERIA_ISSUER=" + s.url(""),
			"PIZZERIA_JWKS_FILE=" + filepath.Join(s.dir, "data/keys/assertion-jwks.json"),
			"PIZZERIA_LISTEN=" + address, "PIZZERIA_DATA_DIR=" + app.Dir, "HOME=" + app.Dir,
		}
		app.Stdout, app.Stderr = os.Stdout, os.Stderr
		if err := app.Start(); err != nil {
			t.Fatal(err)
		}
		end = func() {
			_ = app.Process.Kill()
			_ = app.Wait()
		}
		t.Cleanup(end)
		return end
	}
	end := run()
	external := fmt.Sprintf(`provider process
		provider external {
			instance %s %s
			instance %s localhost:%d
			checks_assertions
		}
		`, acme, address, globex, s.port)
	if out, err := s.reload(s.caddyfile(external+health, 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	if out, err := s.cli("", "org", "update", "acme", "--provider", "external"); err == nil ||
		!strings.Contains(out, "does not have it") {
		t.Errorf("it is led away from its data: %s", out)
	}
	for _, slug := range []string{"acme", "globex"} {
		out, err := s.cli("", "org", "update", slug, "--provider", "external", "--without-data")
		if err != nil {
			t.Fatalf("%s", out)
		}
	}
	serves := func() {
		t.Helper()
		s.eventually("it is served from elsewhere", func() bool {
			a := ada.open(s.url("acme") + "/whoami")
			return a.status == 200 && strings.Contains(a.body, acme)
		})
		out, err := s.cli("", "instance", "show", "acme", "-o", "json")
		if err != nil || !strings.Contains(out, `"`+address+`"`) || strings.Contains(out, "outdated") {
			t.Errorf("%v %s", err, out)
		}
	}
	running := func(generation int) {
		t.Helper()
		s.eventually("it runs", func() bool {
			out, err := s.cli("", "instance", "show", "acme")
			return err == nil && strings.Contains(strings.Join(strings.Fields(out), " "),
				fmt.Sprintf("running running %d external", generation))
		})
		serves()
	}
	running(2)
	out, err := s.cli("", "instance", "logs", "acme")
	if err != nil || !strings.Contains(out, "runs elsewhere") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := s.cli("", "instance", "restart", "acme"); err != nil {
		t.Fatalf("%s", out)
	}
	running(3)
	s.eventually("nobody is led to the server itself", func() bool {
		out, err := s.cli("", "instance", "show", "globex", "-o", "json")
		return err == nil && strings.Contains(out, "is this server itself") &&
			strings.Contains(out, `"state": "failed"`)
	})
	if a := ada.open(s.url("globex") + "/"); a.status != 503 {
		t.Errorf("globex: %d", a.status)
	}
	end()
	s.eventually("it fails", func() bool {
		out, err := s.cli("", "instance", "show", "acme", "-o", "json")
		return err == nil && strings.Contains(out, "does not answer")
	})
	run()
	serves()
}
