package pizzeria_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unicodeRules are the functions that trim, fold or split by Unicode's rules, not by HTTP's.
var unicodeRules = regexp.MustCompile(`\b(strings|bytes)\.(TrimSpace|EqualFold|Fields|FieldsSeq|ToLower|ToUpper|Title|ToTitle)\(|\bunicode\.`)

// TestWireRulesAreASCII: what clients and instances send is read with internal/ascii alone, in all
// packages that read it. The exceptions are listed here, each with its reason.
func TestWireRulesAreASCII(t *testing.T) {
	allowed := map[string]string{
		"internal/edge/headers.go: all = append(all, strings.Fields(line)...)": "our own table",
		"internal/edge/admit.go: return strings.ToLower(strings.ToUpper(s))":   "what some server folds is refused",
	}
	for _, dir := range []string{"internal/edge", "internal/wire", "internal/web", "internal/guard", "internal/ascii", "caddymodule"} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				code, _, _ := strings.Cut(line, "//")
				found := path + ": " + strings.TrimSpace(code)
				if !unicodeRules.MatchString(code) {
					continue
				}
				if allowed[found] == "" {
					t.Errorf("%s: use internal/ascii", found)
				}
				delete(allowed, found)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for line := range allowed {
		t.Errorf("no longer there: %s", line)
	}
}
