package endtoend

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pizzaface/pizzeria/internal/sandbox"
)

// TestCLI runs the scripts in testdata/cli, each against a server of its own.
func TestCLI(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cli/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			testscript.Run(t, testscript.Params{
				Condition: func(name string) (bool, error) {
					if name != "isolated" {
						return false, fmt.Errorf("no condition %q", name)
					}
					way, why := sandbox.Helper{binary, "sandbox"}.Probe()
					if way == sandbox.None && required("isolation") {
						return false, why
					}
					return way != sandbox.None, nil
				},
				Files: []string{file},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"pizzeria": func(ts *testscript.TestScript, neg bool, args []string) { s.script(ts, neg, 1, args) },
					"capture":  capture,
					"wronguse": func(ts *testscript.TestScript, _ bool, args []string) { s.script(ts, true, 2, args) },
				},
				Setup: func(e *testscript.Env) error {
					admin := "unix/" + filepath.Join(s.dir, "data/admin.sock")
					for k, v := range map[string]string{
						"PIZZERIA_ADMIN": admin, "ADMIN": admin, "URL": s.url(""), "CA": filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"),
						"HOME": e.WorkDir, "XDG_CONFIG_HOME": filepath.Join(e.WorkDir, ".config"),
					} {
						e.Setenv(k, v)
					}
					return nil
				},
			})
		})
	}
}

// capture sets a variable to what a pattern's group matches in the last output: capture NAME pattern.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("nothing matches %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// TestEveryCommandIsRun: every command of the reference stands in a script or in the guide, which the tests run.
func TestEveryCommandIsRun(t *testing.T) {
	t.Parallel()
	var run strings.Builder
	for _, pattern := range []string{"testdata/cli/*.txtar", "../../docs/guide/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			run.Write(b)
		}
	}
	reference, err := os.ReadFile("../../docs/reference/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("(?m)^\\| `([a-z][a-z -]*[a-z])").FindAllStringSubmatch(string(reference), -1)
	if len(commands) < 40 {
		t.Errorf("only %d commands were found", len(commands))
	}
	for _, m := range commands {
		if !regexp.MustCompile(`(?m)^[^#\n]*\bpizzeria ` + m[1] + `\b`).MatchString(run.String()) {
			t.Errorf("no script runs %s", m[1])
		}
	}
}

// script runs the real binary as a line of a script. fail says that it has to exit with status.
func (s *server) script(ts *testscript.TestScript, fail bool, status int, args []string) {
	err := ts.Exec(cli, args...)
	var exit *exec.ExitError
	switch {
	case !fail && err != nil:
		ts.Fatalf("%v", err)
	case fail && err == nil:
		ts.Fatalf("it did not fail")
	case fail && errors.As(err, &exit) && exit.ExitCode() != status:
		ts.Fatalf("exit status %d, want %d", exit.ExitCode(), status)
	}
}

// TestDown: instances outlive the server, and end also without it.
func TestDown(t *testing.T) {
	t.Parallel()
	s := start(t)
	run := func(want string, args ...string) {
		t.Helper()
		out, err := s.cli("", args...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("pizzeria %s: %v %s", strings.Join(args, " "), err, out)
		}
	}
	run("", "org", "create", "gamma")
	s.active("gamma")
	s.stop()
	if out, err := s.cli("", "org", "list"); err == nil || !strings.Contains(out, "does not answer") {
		t.Errorf("without the server: %v %s", err, out)
	}
	if n := len(s.processes(filepath.Join(s.dir, "data/orgs"))); n != 1 {
		t.Errorf("%d instances outlive the server, want 1", n)
	}
	run("stopped 1", "down")
	if n := len(s.processes(filepath.Join(s.dir, "data/orgs"))); n != 0 {
		t.Errorf("%d instances are left after down", n)
	}
}

// TestContextsArePrivate: the file with keys is for its owner alone.
func TestContextsArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("pza_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cli, "context", "set", "prod", "--server", "https://pizzeria.example.com", "--key-file", filepath.Join(dir, "key"))
	cmd.Env = append(os.Environ(), "PIZZERIA_CONFIG="+filepath.Join(dir, "c", "contexts.yaml"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, want := range map[string]os.FileMode{"c/contexts.yaml": 0o600, "c": 0o700} {
		if i, err := os.Stat(filepath.Join(dir, name)); err != nil || i.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", name, i.Mode(), err, want)
		}
	}
}
