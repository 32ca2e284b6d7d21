//go:build linux || darwin

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRemoveAll: what an org made is removed, though it is deeper than this process may open files,
// and, where this is not root, though it may not be read. What links lead to stays.
func TestRemoveAll(t *testing.T) {
	if deep := os.Getenv("PIZZERIA_TEST_REMOVE"); deep != "" {
		few := syscall.Rlimit{Cur: 64, Max: 64}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		if err := removeAll(deep); err != nil {
			t.Fatal(err)
		}
		return
	}
	base, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = removeAll(base) })
	kept := filepath.Join(base, "kept")
	org := filepath.Join(base, "org")
	script := `mkdir -p "$1" "$2" && echo basil >"$1/file" && cd "$2" && ln -s "$1" link && mkdir "a b" &&
		ln -s "$1" "a b/link" && mkfifo "a b/pipe" && : >.hidden && mkdir -p locked/in/it && chmod 0 locked/in locked &&
		i=0; while [ $i -lt 300 ]; do mkdir d && : >file && cd -P d || exit 1; i=$((i+1)); done`
	if out, err := exec.Command("/bin/sh", "-c", script, "sh", kept, org).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestRemoveAll$", "-test.v")
	cmd.Env = append(os.Environ(), "PIZZERIA_TEST_REMOVE="+org)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Lstat(org); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(kept, "file")); err != nil || string(b) != "basil\n" {
		t.Errorf("what a link leads to: %q %v", b, err)
	}
	if err := removeAll(org); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}
