package process

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// state is the letter of a process's state, such as T for stopped and Z for a zombie; "": it is gone.
func state(pid int) string {
	b, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	if s := strings.TrimSpace(string(b)); err == nil && s != "" {
		return s[:1]
	}
	return ""
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
