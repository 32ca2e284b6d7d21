package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNodesShare: nodes of a machine share the data directory, each with a directory of its own. A
// process that wants it for itself keeps them out, and they it.
func TestNodesShare(t *testing.T) {
	dir := t.TempDir()
	lock := func(node string) (func() error, error) {
		return New(Config{DataDir: dir, Node: node}).lock()
	}
	var unlocks []func() error
	for _, node := range []string{"a", "b"} {
		unlock, err := lock(node)
		if err != nil {
			t.Fatal(err)
		}
		unlocks = append(unlocks, unlock)
	}
	for node, want := range map[string]string{"": dir + " is in use", "a": filepath.Join("nodes", "a") + " is in use"} {
		if _, err := lock(node); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", node, err)
		}
	}
	for i, unlock := range unlocks {
		if _, err := lock(""); err == nil {
			t.Errorf("locked while %d nodes run", len(unlocks)-i)
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
	unlock, err := lock("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock("a"); err == nil {
		t.Error("a node runs beside a server that is alone")
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if i, err := os.Stat(filepath.Join(dir, "nodes", "a")); err != nil || i.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", i, err)
	}
}
