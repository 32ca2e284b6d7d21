package caddymodule_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// TestAdminOfExamples: the admin API of every example is a Unix socket that its owner alone may use.
// Caddy's default is a TCP port, which instances and all users of a machine reach.
func TestAdminOfExamples(t *testing.T) {
	for name, value := range map[string]string{
		"DOMAIN": "d.example", "DATA": "/data", "HTTP_PORT": "80", "HTTPS_PORT": "443", "ISSUER": "https://d.example",
	} {
		t.Setenv("PIZZERIA_"+name, value)
	}
	t.Setenv("PIZZAPI_IMAGE", "pizzapi")
	files, err := filepath.Glob("../examples/*/*Caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range append(files, "../Caddyfile") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var c caddy.Config
		if err := json.Unmarshal(adapted, &c); err != nil {
			t.Fatal(err)
		}
		if c.Admin == nil || !strings.HasPrefix(c.Admin.Listen, "unix/") || !strings.HasSuffix(c.Admin.Listen, "|0600") {
			t.Errorf("%s: the admin API is %+v", file, c.Admin)
		}
	}
}
