package pizzeria_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWorkflowsCallSteps checks that the workflows do nothing of their own: each
// command is a step of .ci/run, and each step that they name exists.
func TestWorkflowsCallSteps(t *testing.T) {
	script, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]bool{"${{ matrix.step }}": true}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)\(\) \{`).FindAllStringSubmatch(string(script), -1) {
		steps[m[1]] = true
	}
	workflows, err := filepath.Glob(".github/workflows/*.yml")
	if err != nil || len(workflows) < 3 {
		t.Fatalf("%v %v", workflows, err)
	}
	matrix := regexp.MustCompile(`(?m)^ +step: \[(.+)\]$`)
	command := regexp.MustCompile(`(?m)^ +- run: (.+)$`)
	call := regexp.MustCompile(`bash \.ci/run (.+)$`)
	for _, file := range workflows {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var named []string
		for _, m := range matrix.FindAllStringSubmatch(string(b), -1) {
			named = append(named, strings.Split(m[1], ", ")...)
		}
		runs := command.FindAllStringSubmatch(string(b), -1)
		if len(runs) == 0 {
			t.Errorf("%s runs nothing", file)
		}
		for _, m := range runs {
			c := call.FindStringSubmatch(m[1])
			if c == nil {
				t.Errorf("%s: %q is not a step of .ci/run", file, m[1])
				continue
			}
			named = append(named, c[1])
		}
		for _, name := range named {
			if !steps[name] {
				t.Errorf("%s: .ci/run has no step %q", file, name)
			}
		}
	}
}

// TestReadmeTestCommand checks that .ci/run finds the README's test command, and
// that this command covers every module.
func TestReadmeTestCommand(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^go test .*endtoend.*$`).FindAllString(string(b), -1)
	if len(lines) != 1 || lines[0] != "go test -timeout 40m ./... && go -C internal/endtoend test -timeout 40m ./..." {
		t.Errorf("%q", lines)
	}
	modules, err := filepath.Glob("*/*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if !strings.Contains(lines[0], "-C "+filepath.Dir(m)+" ") {
			t.Errorf("the README's test command does not enter %s", m)
		}
	}
}
