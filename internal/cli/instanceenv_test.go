package cli

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// TestEnvironmentIsRead: a shell reads the values as they are, and none of them is run.
func TestEnvironmentIsRead(t *testing.T) {
	values := map[string]string{
		"PLAIN": "https://d.example/x?", "SPACES": "two  words", "QUOTES": `it's "so" \`, "EMPTY": "",
		"CODE": "$(exit 7) `exit 8` ; exit 9", "LINES": "a\nEVIL=1",
	}
	b, err := json.Marshal(map[string]any{"environment": values, "withheld": []string{"DB_PASSWORD"}})
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	if err := writeEnvironment(&file, b, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(file.String(), "# DB_PASSWORD is a secret") {
		t.Errorf("what is withheld: %s", &file)
	}
	script := "set -a\n" + file.String() + "env -0\n"
	cmd := exec.Command("sh", "-c", script) //nolint:gosec // the test's own
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, script)
	}
	got := map[string]string{}
	for pair := range strings.SplitSeq(string(out), "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		got[name] = value
	}
	for name, want := range values {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if _, evil := got["EVIL"]; evil {
		t.Error("a value sets another variable")
	}
	var screen strings.Builder
	b = []byte(`{"environment":{"X":"a\u001b]52;c;x"}}`)
	if err := writeEnvironment(&screen, b, true); err != nil || strings.Contains(screen.String(), "\x1b") {
		t.Errorf("on a terminal: %q %v", screen.String(), err)
	}
}
