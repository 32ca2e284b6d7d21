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
	namedTest = regexp.MustCompile("`(?:([a-z0-9]+)\\.)?((?:Test|Fuzz)[A-Za-z0-9]+)")
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// TestThreatsNameTests: the tests that the threat model names exist, in the package that it says;
// without one they are end-to-end tests.
func TestThreatsNameTests(t *testing.T) {
	exist := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			exist[packageOf(path)+"."+m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	names := namedTest.FindAllStringSubmatch(string(b), -1)
	if len(names) < 100 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, m := range names {
		pkg := m[1]
		if pkg == "" {
			pkg = "endtoend"
		}
		if name := pkg + "." + m[2]; !exist[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

func packageOf(file string) string {
	if dir := filepath.Dir(file); dir != "." {
		return filepath.Base(dir)
	}
	return "pizzeria"
}
