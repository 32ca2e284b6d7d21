package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

// TestManifest: build_flags replaces xcaddy's own flags, so it has to repeat them.
func TestManifest(t *testing.T) {
	b, err := load("../../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	const want = "-trimpath -tags nobadger,nomysql,nopgx -ldflags '-s -w -X github.com/caddyserver/caddy/v2.CustomBinaryName=pizzeria'"
	if b.BuildFlags != want {
		t.Errorf("build_flags are %q, want %q", b.BuildFlags, want)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Plugins) != 1 || len(b.Replacements) != 1 || string(b.Replacements[0].New) != root {
		t.Fatalf("plugins %v, replacements %v", b.Plugins, b.Replacements)
	}
	if old := string(b.Replacements[0].Old); old != b.Plugins[0].String() {
		t.Errorf("%s is replaced, but %s is built in", old, b.Plugins[0])
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/caddyserver/caddy/v2 "+b.CaddyVersion+"\n") {
		t.Errorf("xcaddy.json builds Caddy %s, go.mod another", b.CaddyVersion)
	}
}

func TestLoadErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "xcaddy.json")
	if err := os.WriteFile(file, []byte(`{"plugin": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(file); err == nil || !strings.Contains(err.Error(), "unknown field") {
		t.Errorf("a misspelt field: %v", err)
	}
}

func TestStamp(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-01-02T03:04:05+02:00", "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	stamped := func() string {
		t.Helper()
		b := xcaddy.Builder{
			Plugins:      []xcaddy.Dependency{{PackagePath: "example.com/dns", Version: "v1.0.0"}, {PackagePath: "example.com/a", Version: "v0.0.0"}},
			Replacements: []xcaddy.Replace{{Old: "example.com/a@v0.0.0", New: "."}},
		}
		stamp(&b, "example.com/a@v0.0.0", dir)
		if b.Plugins[0].Version != "v1.0.0" || string(b.Replacements[0].Old) != b.Plugins[1].String() {
			t.Errorf("plugins %v, replacements %v", b.Plugins, b.Replacements)
		}
		return b.Plugins[1].Version
	}
	if v := stamped(); v != "v0.0.0" {
		t.Errorf("without a repository: %s", v)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "a")
	if v := stamped(); !regexp.MustCompile(`^v0\.0\.0-20260102010405-[0-9a-f]{12}$`).MatchString(v) {
		t.Errorf("a commit: %s", v)
	}
	git("tag", "v1.2.3")
	if v := stamped(); v != "v1.2.3" {
		t.Errorf("a release: %s", v)
	}
	if err := os.WriteFile(filepath.Join(dir, "changed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v := stamped(); v != "v0.0.0" {
		t.Errorf("a changed tree: %s", v)
	}
}
