package pizzeria_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	logCall = regexp.MustCompile(`\b[lL]og\.(?:Info|Warn|Error)\("([^"]+)"`)
	metric  = regexp.MustCompile(`(?:Name: |NewDesc\()"(pizzeria_[a-z_]+)"`)
	envName = regexp.MustCompile(`"(PIZZERIA_[A-Z_]+)"`)
	link    = regexp.MustCompile(`\]\(([^)#\s]+)`)
)

// TestReferencesAreWhole: every message that is logged, every metric and every
// variable that is read stands in the reference.
func TestReferencesAreWhole(t *testing.T) {
	page := func(names ...string) string {
		var all strings.Builder
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join("docs/reference", name))
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
		return all.String()
	}
	for _, c := range []struct {
		what  *regexp.Regexp
		text  string
		least int
	}{{logCall, page("logs.md"), 15}, {metric, page("metrics.md"), 3}, {envName, page("environment.md", "instances.md"), 12}} {
		found := map[string]bool{}
		err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && (d.Name() == "bench" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".") {
				if d != nil && d.IsDir() && err == nil {
					return fs.SkipDir
				}
				return err
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			b, err := os.ReadFile(path)
			for _, m := range c.what.FindAllStringSubmatch(string(b), -1) {
				found[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for name := range found {
			if !strings.Contains(c.text, name) {
				t.Errorf("%s is not in the reference", name)
			}
		}
		if len(found) < c.least {
			t.Errorf("only %d of %s were found", len(found), c.what)
		}
	}
}

// TestLinks: no page leads nowhere.
func TestLinks(t *testing.T) {
	pages := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "bench/README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	for _, p := range pages {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s leads to %s, which is not there", p, m[1])
			}
		}
	}
}
