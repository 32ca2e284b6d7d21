package pizzeria_test

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/pizzaface/pizzeria"

// may says which packages of this module a package may import. One that is not
// here may not be.
var may = map[string][]string{
	"internal/ascii":         {},
	"registry":               {"internal/ascii"},
	"registry/sqlstore":      {"internal/ascii", "registry"},
	"registry/storecopy":     {"registry", "registry/sqlstore"},
	"registry/sqlite":        {"registry", "registry/sqlstore", "registry/storecopy"},
	"registry/sqlitetest":    {"registry/sqlite"},
	"registry/postgres":      {"registry", "registry/sqlstore", "registry/storecopy"},
	"internal/postgrestest":  {"registry/postgres", "internal/proxytest"},
	"internal/proxytest":     {},
	"registry/storetest":     {"registry"},
	"identity/jose":          {},
	"identity/assertion":     {"identity/jose"},
	"identity/token":         {"internal/ascii", "registry", "identity/jose"},
	"identity":               {"internal/ascii", "registry", "identity/jose", "identity/token"},
	"internal/sockets":       {},
	"internal/wsframe":       {},
	"internal/processtree":   {},
	"internal/agent/pizzapi": {"internal/ascii"},
	"internal/agent":         {"internal/ascii", "internal/agent/pizzapi", "registry", "provision", "identity/assertion", "identity/jose", "internal/processtree", "internal/wsframe"},
	"internal/hostside":      {"provision", "internal/agent", "internal/sockets"},
	"internal/sandbox":       {},
	"internal/cgroup":        {},
	"internal/volume":        {},
	"provision":              {"registry", "internal/sockets"},
	"provision/external":     {"registry", "provision", "internal/sockets"},
	"provision/process":      {"registry", "provision", "identity/assertion", "internal/agent", "internal/hostside", "internal/processtree", "internal/sockets", "internal/sandbox", "internal/cgroup", "internal/volume", "internal/intruder"},
	"provision/docker":       {"registry", "provision", "internal/agent", "internal/egress", "internal/hostside", "internal/intruder"},
	"internal/dockertest":    {},
	"provision/providertest": {"registry", "provision"},
	"internal/cookies":       {"internal/ascii"},
	"internal/guard":         {"internal/ascii", "internal/cookies"},
	"internal/wire":          {"internal/ascii", "registry"},
	"internal/web":           {"registry", "identity", "identity/token", "internal/guard", "internal/wire"},
	"internal/usage":         {"registry"},
	"internal/heartbeat":     {"registry", "identity/jose", "identity/token", "internal/guard", "internal/wire", "provision"},
	"internal/revocation":    {"registry", "provision"},
	"internal/shared":        {"identity"},
	"internal/orgredis":      {"registry", "provision", "internal/shared"},
	"internal/redistest":     {"internal/proxytest"},
	"internal/settings":      {"registry"},
	"internal/dnstest":       {},
	"internal/egress":        {"internal/sockets"},
	"internal/webhook":       {"registry", "internal/egress"},
	"internal/mail":          {"registry", "identity", "identity/token"},
	"internal/mail/mailtest": {},
	"internal/api":           {"internal/ascii", "registry", "identity", "identity/token", "internal/web", "internal/wire", "internal/webhook", "internal/settings", "internal/usage"},
	"internal/console":       {"registry", "identity", "identity/token", "internal/web", "internal/wire", "internal/webhook", "internal/settings", "internal/usage"},
	"internal/isolation":     {"internal/intruder"},
	"internal/intruder":      {},
	"internal/licenses":      {},
	"internal/cli":           {"internal/ascii", "registry", "registry/storecopy", "internal/isolation", "internal/intruder", "internal/licenses"},
	"internal/edge/snapshot": {"registry"},
	"internal/edge":          {"internal/ascii", "registry", "identity/token", "identity/jose", "internal/edge/origin", "internal/edge/snapshot", "internal/wire", "internal/guard", "internal/cookies", "internal/wsframe"},
	"internal/edge/origin":   {"registry", "identity/token"},
	"internal/control":       {"registry", "identity", "identity/token", "provision", "internal/wire", "internal/webhook", "internal/settings", "internal/usage", "internal/mail", "internal/orgredis", "internal/shared", "internal/heartbeat", "internal/revocation", "internal/egress", "internal/api", "internal/console", "internal/edge/origin", "internal/intruder"},
	"internal/runtime":       {"registry", "identity", "identity/token", "provision", "internal/control", "internal/edge", "internal/edge/origin", "internal/intruder"},
	"bench":                  {"identity", "identity/jose", "internal/heartbeat", "internal/edge/snapshot", "internal/shared", "registry", "registry/postgres", "registry/sqlite", "provision", "provision/process", "internal/sandbox"},
	"examples/instance":      {"examples/instance/app"},
	"examples/instance/app":  {"identity/assertion"},
	"caddymodule":            {"registry", "registry/postgres", "registry/sqlite", "registry/storecopy", "identity", "identity/token", "provision", "provision/docker", "provision/external", "provision/process", "internal/agent", "internal/guard", "internal/web", "internal/wire", "internal/console", "internal/edge", "internal/mail", "internal/orgredis", "internal/shared", "internal/runtime", "internal/cli", "internal/sockets", "internal/sandbox", "internal/egress", "internal/intruder", "examples/instance/app"},
	"cmd/pizzeria":           {"caddymodule"},
	"cmd/agent":              {"internal/agent", "internal/egress", "provision/process", "internal/sandbox", "internal/intruder"},
	"cmd/build":              {},
	"cmd/licenses":           {"internal/licenses"},
	"":                       {"caddymodule"},

	"internal/servertest": {
		"registry", "registry/sqlite", "registry/sqlitetest", "identity", "identity/token", "identity/assertion",
		"provision", "examples/instance/app",
		"internal/web", "internal/wire", "internal/edge", "internal/runtime", "internal/sockets", "internal/controltest",
	},
	"internal/controltest": {
		"registry", "registry/sqlite", "registry/sqlitetest", "identity", "identity/token", "internal/web", "internal/wire",
		"internal/webhook", "internal/settings", "internal/usage", "internal/api", "internal/console",
	},
}

// TestDependencies: dependencies point one way, and only the glue knows Caddy.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		pkg := strings.TrimPrefix(strings.TrimPrefix(f[0], module), "/")
		allowed, ok := may[pkg]
		if !ok {
			t.Errorf("package %q has no row here: say what it may import", pkg)
		}
		for _, imp := range f[1:] {
			if strings.HasPrefix(imp, "github.com/caddyserver/caddy") && pkg != "caddymodule" && pkg != "cmd/pizzeria" && pkg != "" {
				t.Errorf("%s imports Caddy: only caddymodule and cmd do", pkg)
			}
			own, is := strings.CutPrefix(imp, module+"/")
			if !is {
				continue
			}
			found := false
			for _, a := range allowed {
				found = found || a == own
			}
			if !found {
				t.Errorf("%s imports %s, against the direction of dependencies", pkg, own)
			}
		}
	}
}

// TestEdgeLinksNoControlPlane: a gateway can be built without accounts, surfaces, providers and any
// database: what it asks the control plane for, it asks an origin.
func TestEdgeLinksNoControlPlane(t *testing.T) {
	refuseDeps(t, "./internal/edge/...", append(stores, controlPlane...)...)
}

// TestEdgeAloneLinksNoControlPlane: a program that is a gateway and nothing else.
func TestEdgeAloneLinksNoControlPlane(t *testing.T) {
	refuseDeps(t, "./internal/edge/testdata/alone", append(stores, controlPlane...)...)
}

// TestRuntimeLinksNoStore: which database there is, is chosen by the config alone.
func TestRuntimeLinksNoStore(t *testing.T) { refuseDeps(t, "./internal/runtime", stores...) }

// TestControlPlaneLinksNoEdge: and the control plane without a gateway.
func TestControlPlaneLinksNoEdge(t *testing.T) {
	refuseDeps(t, "./internal/control", append(stores, "internal/edge\n", "internal/edge/snapshot")...)
}

var (
	stores       = []string{"modernc.org/sqlite", "github.com/jackc/pgx", "database/sql\n", "registry/sql", "registry/postgres"}
	controlPlane = []string{
		"identity\n", "internal/web\n", "internal/api\n", "internal/console\n", "internal/control\n",
		"internal/runtime\n", "provision",
	}
)

// refuseDeps fails when a package links one whose import path begins so; ours are without the
// module's.
func refuseDeps(t *testing.T, pkg string, prefixes ...string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		own := strings.TrimPrefix(dep, module+"/")
		for _, prefix := range prefixes {
			if strings.HasPrefix(own, prefix) {
				t.Errorf("%s links %s", pkg, dep)
			}
		}
	}
}

// TestAgentIsSmall: it runs once for each instance.
func TestAgentIsSmall(t *testing.T) {
	refuseDeps(t, "./cmd/agent", append(stores, "github.com/caddyserver/", "identity\n", "identity/token", "internal/edge")...)
}

// TestOnePackageImportsJWX: a later version of jwx touches one package.
func TestOnePackageImportsJWX(t *testing.T) {
	out, err := exec.Command("go", "list", "-f",
		`{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(out)) {
		if pkg, _, _ := strings.Cut(line, " "); strings.Contains(line, " github.com/lestrrat-go/jwx/") {
			if found++; pkg != module+"/identity/jose" {
				t.Errorf("%s imports jwx: only identity/jose does", pkg)
			}
		}
	}
	if found == 0 {
		t.Error("no package imports jwx")
	}
}
