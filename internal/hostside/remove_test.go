//go:build linux || darwin

package hostside

import (
	"errors"
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
		if err := RemoveAll(deep); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("as this user", func(t *testing.T) { removeAllAs(t, os.Geteuid()) })
	if os.Geteuid() == 0 {
		t.Run("as somebody else", func(t *testing.T) { removeAllAs(t, 65533) })
	}
}

func removeAllAs(t *testing.T, uid int) {
	base, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = RemoveAll(base) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	binary := filepath.Join(base, "test")
	if err := errors.Join(err, os.WriteFile(binary, b, 0o755), os.Chown(base, uid, uid), os.Chmod(base, 0o755)); err != nil {
		t.Fatal(err)
	}
	run := func(env, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), env)
		if uid != os.Geteuid() {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	kept := filepath.Join(base, "kept")
	org := filepath.Join(base, "org")
	script := `mkdir -p "$1" "$2" && echo basil >"$1/file" && cd "$2" && ln -s "$1" link && mkdir "a b" &&
		ln -s "$1" "a b/link" && mkfifo "a b/pipe" && : >.hidden && mkdir -p locked/in/it && chmod 0 locked/in locked &&
		i=0; while [ $i -lt 300 ]; do mkdir d && : >file && cd -P d || exit 1; i=$((i+1)); done`
	run("", "/bin/sh", "-c", script, "sh", kept, org)
	run("PIZZERIA_TEST_REMOVE="+org, binary, "-test.run", "^TestRemoveAll$", "-test.v")
	if _, err := os.Lstat(org); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(kept, "file")); err != nil || string(b) != "basil\n" {
		t.Errorf("what a link leads to: %q %v", b, err)
	}
	if err := RemoveAll(org); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}
