package endtoend

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// standIn is the program that stands in for PizzaPi, built.
type standIn struct{ bun, dir string }

var buildStandIn = sync.OnceValues(func() (standIn, error) {
	modules := os.Getenv("PIZZERIA_NODE_MODULES")
	buns, _ := filepath.Glob(filepath.Join(modules, "@oven/bun-*/bin/bun"))
	if modules == "" || len(buns) == 0 {
		return standIn{}, errors.New("PIZZERIA_NODE_MODULES does not say where Bun and PizzaPi's packages are")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		return standIn{}, err
	}
	made := standIn{bun: buns[0], dir: filepath.Join(filepath.Dir(binary), "pizzapi")}
	source := filepath.Join(made.dir, "source")
	if err := os.CopyFS(source, os.DirFS("testdata/pizzapi")); err != nil {
		return standIn{}, err
	}
	if err := os.Symlink(modules, filepath.Join(source, "node_modules")); err != nil {
		return standIn{}, err
	}
	built := exec.Command(made.bun, "build.mjs", made.dir) //nolint:gosec // of this repository
	built.Dir = source
	if out, err := built.CombinedOutput(); err != nil {
		return standIn{}, fmt.Errorf("%w: %s", err, out)
	}
	return made, readable(made.dir)
})

// readable makes a directory one that instances of other users may read.
func readable(dir string) error {
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil { //nolint:gosec // nothing secret is in it
			return err
		}
	}
	return nil
}

// TestPizzaPiExample: the example is a configuration that holds together.
func TestPizzaPiExample(t *testing.T) {
	t.Parallel()
	adapt := exec.Command(binary, "adapt", "--config", "../../examples/pizzapi/Caddyfile") //nolint:gosec // ours
	adapt.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := adapt.CombinedOutput()
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, part := range []string{`"profile":"pizzapi"`, `"prefix":"/api/.pizzeria"`, `"isolation":"on"`, `/api/setup-claim`, `"ANTHROPIC_API_KEY"`} {
		if !strings.Contains(string(out), part) {
			t.Errorf("%s is missing in %s", part, out)
		}
	}
}

// pizzapi starts an installation whose instances are stand-ins for PizzaPi, with the edge rules of
// the example.
func pizzapi(t *testing.T, options string) *server {
	t.Helper()
	made, err := buildStandIn()
	if err != nil {
		lacking(t, "pizzapi", err.Error())
	}
	edge, err := filepath.Abs("../../examples/pizzapi/edge.caddy")
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, fmt.Sprintf(`prefix /api/.pizzeria
		provider process {
			command %s %s
			files   %s
			env     PIZZAPI_UI_DIR %s
			profile pizzapi
		}
		%s`, made.bun, filepath.Join(made.dir, "server.js"), made.dir, filepath.Join(made.dir, "ui"), options), "import "+edge)
}
