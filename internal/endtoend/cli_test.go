package endtoend

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCLI: what it prints, and its exit status: 0 done, 1 failed, 2 wrong use.
func TestCLI(t *testing.T) {
	s := start(t)
	run := func(want int, contains string, args ...string) string {
		t.Helper()
		out, err := s.cli(password+"\n", args...)
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != want || !strings.Contains(out, contains) {
			t.Errorf("pizzeria %s: exit %d, want %d, with %q: %s", strings.Join(args, " "), code, want, contains, out)
		}
		return out
	}
	run(0, "ada@example.com", "user", "create", "ada@example.com", "--name", "Ada", "--platform-admin")
	run(1, "has an account", "user", "create", "ada@example.com", "--name", "Ada")
	run(2, "name", "user", "create", "eve@example.com")
	run(0, "provisioning", "org", "create", "acme", "--name", "Acme Inc")
	s.active("acme")
	run(0, "Acme Inc", "org", "list")
	run(0, "Acme Inc", "pizzeria", "org", "list") // Caddy's own spelling
	var v struct {
		ID, Slug, Status string
	}
	if err := json.Unmarshal([]byte(run(0, "", "org", "show", "acme", "-o", "json")), &v); err != nil || v.Slug != "acme" || v.Status != "active" {
		t.Errorf("json: %+v %v", v, err)
	}
	run(0, v.ID, "org", "show", v.ID)
	run(1, "taken", "org", "create", "acme")
	run(1, "lower-case", "org", "create", "Bad_Slug")
	run(1, "reserved", "org", "create", "admin")
	run(1, "no such org", "org", "show", "nosuch")
	run(2, "Usage", "org", "create")
	run(2, "Usage", "org", "create", "one", "two")
	run(2, "unknown flag", "org", "list", "--nope")
	run(2, "table or json", "org", "list", "-o", "yaml")
	run(2, `no command "frobnicate"`, "org", "frobnicate")
	run(2, `no command "frobnicate"`, "pizzeria", "frobnicate")
	run(0, "/invite/", "member", "invite", "acme", "mia@example.com", "--role", "admin")
	run(1, "expected value to be one of", "member", "invite", "acme", "bob@example.com", "--role", "king")
	run(0, "suspended", "org", "suspend", "acme", "--reason", "unpaid")
	run(1, "suspended", "org", "suspend", "acme")
	run(0, "provisioning", "org", "resume", "acme")
	s.active("acme")
	run(0, "invite.created", "audit", "list", "acme")
	run(0, "beta", "org", "rename", "acme", "beta")
	run(1, "to delete it", "org", "delete", "beta")
	run(0, "deleting", "org", "delete", "beta", "--confirm", "beta")
	run(0, "provisioning", "org", "keep", "beta")
	run(0, "deleting", "org", "delete", "beta", "--confirm", "beta", "--now")

	// Instances outlive the server, and end also without it.
	run(0, "", "org", "create", "gamma")
	s.active("gamma")
	s.stop()
	run(1, "does not answer", "org", "list")
	if n := len(s.processes(filepath.Join(s.dir, "data/orgs"))); n != 1 {
		t.Errorf("%d instances outlive the server, want 1", n)
	}
	run(0, "stopped 1", "down")
	if n := len(s.processes(filepath.Join(s.dir, "data/orgs"))); n != 0 {
		t.Errorf("%d instances are left after down", n)
	}
}
