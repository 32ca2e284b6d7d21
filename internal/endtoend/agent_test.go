package endtoend

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/sandbox"
)

// TestAgent: the agent that the config names stands beside each instance, or else the one beside the
// server's program, or else that of $PATH; a server without one is its own, and says what that costs.
func TestAgent(t *testing.T) {
	t.Parallel()
	beside := filepath.Join(filepath.Dir(binary), "pizzeria-agent")
	link := func(from, to string) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Link(from, to)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	dir := t.TempDir()
	alone := link(binary, filepath.Join(dir, "alone", "pizzeria"))
	inPath := link(beside, filepath.Join(dir, "path", "pizzeria-agent"))
	named := link(beside, filepath.Join(dir, "named", "another"))
	without := "PATH=" + t.TempDir()
	withOne := "PATH=" + filepath.Dir(inPath) + ":" + os.Getenv("PATH")
	for name, c := range map[string]struct {
		program, option, path string
		want                  []string
	}{
		"named":              {binary, "provider process {\nagent " + named + "\n}", withOne, []string{named, "shim"}},
		"beside the program": {binary, "", withOne, []string{beside, "shim"}},
		"in the path":        {alone, "", withOne, []string{inPath, "shim"}},
		"none":               {alone, "", without, []string{alone, "pizzeria", "shim"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.option, "org_gateway", c.path)
			s.program = c.program
			t.Cleanup(func() {
				if races := s.end(); races != "" {
					t.Error(races)
				}
			})
			s.run()
			s.org(s.admin(), "acme")
			shims := s.processes(filepath.Join(s.dir, "data/run"))
			if len(shims) != 1 {
				t.Fatalf("%d shims", len(shims))
			}
			line, err := os.ReadFile(filepath.Join("/proc", shims[0], "cmdline"))
			if want := strings.Join(c.want, "\x00") + "\x00"; err != nil || !strings.HasPrefix(string(line), want) {
				t.Errorf("the shim is %q %v, want %q", line, err, want)
			}
			says := strings.Contains(s.out.String(), "instances use more memory without pizzeria-agent")
			if says != (name == "none") {
				t.Errorf("it says so: %t", says)
			}
		})
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
