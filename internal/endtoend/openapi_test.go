package endtoend

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenAPI: two linters find nothing in the OpenAPI document that the server serves; a TypeScript
// client that is generated from it type-checks, and a Go client makes calls.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	client, err := exec.LookPath("pizzeria-api-client")
	modules := os.Getenv("PIZZERIA_NODE_MODULES")
	if _, err2 := exec.LookPath("node"); err != nil || err2 != nil || modules == "" {
		lacking(t, "openapi", "there is no pizzeria-api-client or no node, or PIZZERIA_NODE_MODULES does not say where redocly, spectral and openapi-typescript are")
	}
	s := start(t)
	ada := s.admin()
	dir := t.TempDir()
	document := ada.open(s.url("") + "/api/v1/openapi.yaml")
	if document.status != 200 {
		t.Fatalf("%d %s", document.status, document.body)
	}
	example, err := os.ReadFile("testdata/client/doc.ts")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"openapi.yaml": document.body, "doc.ts": string(example),
		"redocly.yaml": "extends: [recommended-strict]\n", "spectral.yaml": `extends: ["spectral:oas"]` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(modules, ".bin", name), args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "NO_COLOR=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	tool("redocly", "lint", "openapi.yaml")
	tool("spectral", "lint", "openapi.yaml", "--ruleset", "spectral.yaml", "--fail-severity", "hint")
	tool("openapi-typescript", "openapi.yaml", "-o", "api.d.ts")
	tool("tsc", "--noEmit", "--strict", "--target", "es2022", "--moduleResolution", "bundler", "--module", "esnext", "doc.ts")

	var key struct{ Secret string }
	ada.call(t, "POST", s.url("")+"/api/v1/me/keys", `{"name":"client","scopes":["platform","org:read","org:write"]}`, 201, &key)
	out, err := exec.Command(client, s.url(""), key.Secret, filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt")).CombinedOutput()
	if said := string(out); err != nil || !strings.Contains(said, "generated provisioning true") && !strings.Contains(said, "generated active true") ||
		!strings.Contains(said, "refused: ") {
		t.Errorf("the Go client: %v %s", err, said)
	}
	if !json.Valid([]byte(ada.open(s.url("") + "/api/v1/openapi.json").body)) {
		t.Error("openapi.json is not JSON")
	}
}
