package pizzeria_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSleeps: a test that sleeps says why in a comment on the same line, in both modules.
func TestSleeps(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") || path == "sleep_test.go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			_, after, sleeps := strings.Cut(line, "time.Sleep(")
			if sleeps && !strings.Contains(after, ") // ") {
				t.Errorf("%s: %s", path, strings.TrimSpace(line))
			}
			if sleeps {
				seen++
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("%d sleeps, %v", seen, err)
	}
}
