package process

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// alive reports whether a process runs. A zombie that its parent has yet to reap does not.
func alive(pid int) bool {
	b, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(b)), "Z")
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	b, err := exec.Command("ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// processes returns the shims whose command line names dir. An instance does not outlive its shim.
func processes(t *testing.T, dir string) (pids []string) {
	t.Helper()
	b, err := exec.Command("ps", "-axo", "pid=,command=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, dir) {
			pids = append(pids, strings.Fields(line)[0])
		}
	}
	return pids
}
