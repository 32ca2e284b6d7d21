package endtoend

import (
	"strings"
	"testing"
)

// TestRunTwice: a server that is started beside another is refused, and takes nothing away from it.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, args := range [][]string{{"run"}, {"run", "--config", "Caddyfile"}, {"start", "-c", "./Caddyfile"}} {
		out, err := s.cli("", args...)
		if err == nil || !strings.Contains(out, "already running") || !strings.Contains(out, "pizzeria reload") {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		if out := s.must("org", "list"); !strings.Contains(out, "SLUG") {
			t.Fatalf("after %v the server answers %s", args, out)
		}
	}
	s.must("reload", "--config", "Caddyfile", "--force")
}
