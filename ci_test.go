package pizzeria_test

import (
	"os"
	"os/exec"
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
	if len(lines) != 1 || lines[0] != "go test -timeout 40m ./... && go -C internal/endtoend test -timeout 60m ./..." {
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

// function returns a function of .ci/run.
func function(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	f := regexp.MustCompile(`(?ms)^` + name + `\(\) \{.*?^\}`).FindString(string(b))
	if f == "" {
		t.Fatalf("%s is missing", name)
	}
	return f
}

// TestHighest: a fix of an older version does not become the latest, and neither does what comes
// before a version.
func TestHighest(t *testing.T) {
	script := function(t, "highest") + `
git init -q . && git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m x
for v in v0.9.0 v0.10.0 v0.9.1 v1.0.0-rc1 nightly; do git tag $v; done
highest`
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "v0.10.0\n" {
		t.Errorf("%v %q", err, out)
	}
}

// TestDockerTime: what has an engine is counted, in both modules, and nothing else.
func TestDockerTime(t *testing.T) {
	const log = `--- PASS: TestOther (100.00s)
ok  	github.com/pizzaface/pizzeria/provision	50.00s
ok  	github.com/pizzaface/pizzeria/provision/docker	61.40s
    --- PASS: TestContainers/compose (30.00s)
--- PASS: TestContainers (90.20s)
FAIL	github.com/pizzaface/pizzeria/internal/endtoend/docker	20.00s
`
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", function(t, "docker_time")+"\ndocker_time")
	cmd.Stdin = strings.NewReader(log)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "The Docker parts: 172 s\n" {
		t.Errorf("%v %q", err, out)
	}
}
