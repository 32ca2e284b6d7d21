package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// requireRoot skips without root, and fails where control groups must be there.
func requireRoot(t *testing.T) {
	t.Helper()
	e, err := Supported()
	if e == (Enforced{true, true, true}) {
		return
	}
	if strings.Contains(","+os.Getenv("PIZZERIA_TEST_REQUIRE")+",", ",cgroup,") {
		t.Fatalf("%+v %v", e, err)
	}
	t.Skipf("control groups: %+v %v", e, err)
}

// run runs a script in a group with limits.
func run(t *testing.T, l Limits, script string) (string, Usage) {
	t.Helper()
	g, err := Open(fmt.Sprintf("test-%d/%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-")))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "read begin; "+script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Add(cmd.Process.Pid, l); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	u, err := g.Usage()
	if err != nil {
		t.Error(err)
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	if g.m.Exists() {
		t.Error("the group is still there")
	}
	return strings.TrimSpace(out.String()), u
}

// TestMemory: who takes more than the limit is ended, and that is counted. Who else of the group the
// kernel ends before that memory is free again is the kernel's choice.
func TestMemory(t *testing.T) {
	requireRoot(t)
	take := `head -c 100000000 /dev/zero | tail >/dev/null && echo took; echo lives`
	if out, u := run(t, Limits{Memory: 30 << 20}, take); strings.Contains(out, "took") || u.Killed == 0 {
		t.Errorf("with a limit: %q %+v", out, u)
	}
	if out, u := run(t, Limits{}, take); out != "took\nlives" || u.Killed != 0 {
		t.Errorf("without: %q %+v", out, u)
	}
}

// TestPIDs: a fork bomb ends at the limit.
func TestPIDs(t *testing.T) {
	requireRoot(t)
	bomb := `for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 30 >/dev/null & ) 2>/dev/null || break; done; echo lives`
	if out, u := run(t, Limits{PIDs: 5}, bomb); u.PIDs > 5 {
		t.Errorf("%q %+v", out, u)
	}
}

// TestCPU: the quota is what the kernel then holds the group to.
func TestCPU(t *testing.T) {
	requireRoot(t)
	g, err := Open(fmt.Sprintf("test-%d/cpu", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Add(-1, Limits{CPU: 0.25}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Remove() }()
	read := func() string {
		for _, name := range []string{"/cpu.max", "/cpu.cfs_quota_us"} {
			if b, err := os.ReadFile(g.m.Path("cpu") + name); err == nil {
				return strings.Fields(string(b))[0]
			}
		}
		return "unknown"
	}
	if got := read(); got != "25000" {
		t.Errorf("quota: %s", got)
	}
	if err := g.Set(Limits{}); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "max" && got != "-1" {
		t.Errorf("without a limit: %s", got)
	}
}

// TestSwap: swap counts as memory, so that a limit of memory is none of memory alone.
func TestSwap(t *testing.T) {
	requireRoot(t)
	const limit = 30 << 20
	g, err := Open(fmt.Sprintf("test-%d/swap", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Add(-1, Limits{Memory: limit}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Remove() }()
	// Version 2 states what may be swapped beyond the memory; version 1 states the sum of both.
	for name, want := range map[string]string{
		"/memory.swap.max": "0", "/memory.memsw.limit_in_bytes": fmt.Sprint(limit),
	} {
		b, err := os.ReadFile(g.m.Path("memory") + name)
		if err == nil {
			if got := strings.TrimSpace(string(b)); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			return
		}
	}
	t.Skip("the kernel does not account for swap")
}

// TestRemove: whatever is in a group ends with it, also what has left its session.
func TestRemove(t *testing.T) {
	requireRoot(t)
	_, u := run(t, Limits{}, `setsid sleep 1000 >/dev/null & setsid sleep 1001 >/dev/null & sleep 0.1`)
	if u.PIDs < 2 {
		t.Errorf("%+v", u)
	}
}
