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

// TestPizzaPiExample: the example's configurations hold together.
func TestPizzaPiExample(t *testing.T) {
	t.Parallel()
	for file, own := range map[string]string{"Caddyfile": `"isolation":"on"`, "compose.Caddyfile": `"image":"pizzapi"`} {
		adapt := exec.Command(binary, "adapt", "--config", "../../examples/pizzapi/"+file) //nolint:gosec // ours
		adapt.Env = append(os.Environ(), "HOME="+t.TempDir(), "PIZZAPI_IMAGE=pizzapi", "PIZZERIA_DATA=/data", "PIZZERIA_HTTP_PORT=80",
			"PIZZERIA_HTTPS_PORT=443", "PIZZERIA_DOMAIN=pizzapi.localhost", "PIZZERIA_ISSUER=https://pizzapi.localhost")
		out, err := adapt.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v %s", file, err, out)
		}
		for _, part := range []string{own, `"profile":"pizzapi"`, `"prefix":"/api/.pizzeria"`, `/api/setup-claim`, `"ANTHROPIC_API_KEY"`} {
			if !strings.Contains(string(out), part) {
				t.Errorf("%s: %s is missing in %s", file, part, out)
			}
		}
	}
}

// pizzapis is an installation whose instances are stand-ins for PizzaPi.
type pizzapis struct {
	*server          // with the orgs acme and globex
	ada, mia *person // an owner of both, and a member of acme
}

// TestPizzaPi: members and runners use PizzaPi behind the agent. The parts share one installation,
// since each instance costs a Bun and a Redis. They run one after another, and a part that takes
// somebody's access away brings people of its own.
func TestPizzaPi(t *testing.T) {
	t.Parallel()
	s := startPizzaPis(t)
	t.Run("headers", func(t *testing.T) { testPizzaPiHeaders(t, s.of(t)) })
	t.Run("people", func(t *testing.T) { testPizzaPiPeople(t, s.of(t)) })
	t.Run("edge", func(t *testing.T) { testPizzaPiEdge(t, s.of(t)) })
	t.Run("accounts", func(t *testing.T) { testPizzaPiAccounts(t, s.of(t)) })
	t.Run("leaks", func(t *testing.T) { testPizzaPiLeaks(t, s.of(t)) })
	t.Run("redis", func(t *testing.T) { testPizzaPiRedis(t, s.of(t)) })
	t.Run("runner", func(t *testing.T) { testPizzaPiRunner(t, s.of(t)) })
	t.Run("enroll", func(t *testing.T) { testPizzaPiEnroll(t, s.of(t)) })
	t.Run("published", func(t *testing.T) { testPizzaPiPublished(t, s.of(t)) })
	t.Run("browser", func(t *testing.T) { testPizzaPiBrowser(t, s.of(t)) })
	t.Run("revocation", func(t *testing.T) { testPizzaPiRevocation(t, s.of(t)) })
	t.Run("restart", func(t *testing.T) { testPizzaPiRestart(t, s.of(t)) })
}

// startPizzaPis starts the installation, with the edge rules, the settings and the plan of the example.
func startPizzaPis(t *testing.T) pizzapis {
	t.Helper()
	made, err := buildStandIn()
	if err != nil {
		lacking(t, "pizzapi", err.Error())
	}
	example, err := filepath.Abs("../../examples/pizzapi")
	if err != nil {
		t.Fatal(err)
	}
	dropped := ""
	for _, name := range pizzapiDropped {
		dropped += "env " + name + " https://outside.example\n"
	}
	s := startWith(t, fmt.Sprintf(`prefix /api/.pizzeria
		provider process {
			command %s %s
			files   %s
			env     PIZZAPI_UI_DIR %s
			%sprofile pizzapi
		}
		import %s/orgs.caddy`, made.bun, filepath.Join(made.dir, "server.js"), made.dir, filepath.Join(made.dir, "ui"), dropped, example),
		"import "+example+"/edge.caddy")
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	return pizzapis{s, ada, s.invite(ada, "acme", "mia@example.com", "member")}
}

// of returns the installation, and its people, for a part of its test.
func (p pizzapis) of(t *testing.T) pizzapis {
	s := *p.server
	s.t = t
	return pizzapis{&s, &person{&s, p.ada.c}, &person{&s, p.mia.c}}
}
