package endtoend

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/sandbox"
)

// TestAgent: the agent beside the server's program stands beside each instance; a server without one
// says what that costs.
func TestAgent(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.org(s.admin(), "acme")
	shims := s.processes(filepath.Join(s.dir, "data/run"))
	if len(shims) != 1 {
		t.Fatalf("%d shims", len(shims))
	}
	line, err := os.ReadFile(filepath.Join("/proc", shims[0], "cmdline"))
	if err != nil || !strings.HasPrefix(string(line), filepath.Join(filepath.Dir(binary), "pizzeria-agent")+"\x00shim\x00") {
		t.Errorf("the shim is %q %v", line, err)
	}
	alone := filepath.Join(t.TempDir(), "pizzeria")
	if err := os.Link(binary, alone); err != nil {
		t.Fatal(err)
	}
	for program, says := range map[string]bool{binary: false, alone: true} {
		cmd := exec.Command(program, "validate", "--config", "Caddyfile")
		cmd.Dir = s.dir
		cmd.Env = append(os.Environ(), "HOME="+filepath.Join(s.dir, "home"), "PATH="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "without pizzeria-agent") != says {
			t.Errorf("%s: %v %s", program, err, out)
		}
	}
}

// TestEitherProgramIsolates: the server's own program makes sandboxes as the agent does.
func TestEitherProgramIsolates(t *testing.T) {
	t.Parallel()
	agent, server := sandbox.Helper{filepath.Join(filepath.Dir(binary), "pizzeria-agent"), "sandbox"}, sandbox.Helper{binary, "sandbox"}
	ways := map[sandbox.Way]error{}
	for _, h := range []sandbox.Helper{agent, server} {
		way, why := h.Probe()
		ways[way] = why
	}
	if len(ways) != 1 {
		t.Errorf("%v", ways)
	}
	if why := ways[sandbox.None]; why != nil && required("isolation") {
		t.Error(why)
	}
}
