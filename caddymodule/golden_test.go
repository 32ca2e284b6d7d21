package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/pizzaface/pizzeria/caddymodule"
)

var update = flag.Bool("update", false, "write the goldens as they come out")

func TestMain(m *testing.M) {
	flag.Parse()
	home, err := os.MkdirTemp("", "pz")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		_ = os.Setenv(name, home)
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// TestGoldens adapts and validates every Caddyfile in testdata. What follows the
// line of dashes is the JSON that must come out, or the error that a user must read.
func TestGoldens(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(wd, "testdata/*.caddyfiletest"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	adapter := caddyconfig.GetAdapter("caddyfile")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(b), "----------\n")
			got := adaptAndValidate(t, adapter, input)
			if *update {
				if err := os.WriteFile(file, []byte(input+"----------\n"+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.HasPrefix(filepath.Base(file), "error_") != !strings.HasPrefix(got, "{") {
				t.Errorf("an error is where none belongs, or the other way round:\n%s", got)
			}
		})
	}
}

// TestDefaultCaddyfile: the golden called default is of the Caddyfile that comes with the binary.
func TestDefaultCaddyfile(t *testing.T) {
	want, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/default.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := bytes.Cut(golden, []byte("----------\n")); string(got) != string(want) {
		t.Error("it is not: copy the Caddyfile, and run go test ./caddymodule -update")
	}
}

func adaptAndValidate(t *testing.T, adapter caddyconfig.Adapter, input string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz") // short: Unix sockets would lie below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Chdir(dir)
	for name, value := range map[string]string{
		"DOMAIN": "d.example", "WORD": "pizza", "ALGORITHM": "EdDSA", "NETWORK": "10.1.0.0", "ROLE": "admin", "EMPTY": "",
	} {
		t.Setenv("GOLDEN_"+name, value)
	}
	t.Setenv("SMTP_PASSWORD", "secret")
	adapted, _, err := adapter.Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err.Error() + "\n"
	}
	var c caddy.Config
	if err := json.Unmarshal(adapted, &c); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&c); err != nil {
		text := err.Error()
		// Caddy loads apps in random order: another app may need ours first, and then names itself.
		if i := strings.Index(text, "loading pizzeria app module: "); i > 0 {
			text = text[i:]
		}
		return strings.ReplaceAll(text, dir, "DIR") + "\n"
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && !strings.HasPrefix(rel, "data/caddy/") { // Caddy's own storage
			t.Errorf("validating made %s", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, adapted, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n"
}
