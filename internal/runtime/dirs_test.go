package runtime

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLockDirs: two directories are both locked or none, and one under two names once,
// wherever it is among others.
func TestLockDirs(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	lock := func(dirs ...string) func() {
		t.Helper()
		unlock, err := lockDirs(dirs...)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			t.Helper()
			if err := unlock(); err != nil {
				t.Fatal(err)
			}
		}
	}
	lock(a, link)()
	lock(b, a, link)()
	end := lock(b)
	if _, err := lockDirs(a, b); err == nil {
		t.Error("a directory in use was locked")
	}
	lock(a)() // it was not kept
	end()
	end = lock(a, b)
	for _, dir := range []string{a, b} {
		if _, err := lockDirs(dir); err == nil {
			t.Errorf("%s is not locked", dir)
		}
	}
	end()
	if _, err := lockDirs(a, filepath.Join(b, "none")); err == nil {
		t.Error("a directory that is not there was locked")
	}
	lock(a, b)()
}
