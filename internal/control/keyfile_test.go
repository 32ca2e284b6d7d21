package control

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKeyFile: instances find the keys in a directory that holds nothing else. Those that an earlier
// version started go on to find them where they were told.
func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	k := newKeyFile(dir)
	read := func(path string) string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
	if err := k.write([]byte("1")); err != nil {
		t.Fatal(err)
	}
	if got := read(k.path); got != "1" || read(k.former) != "" {
		t.Errorf("at first %q, and %q at the former place", got, read(k.former))
	}
	if err := os.WriteFile(k.former, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.write([]byte("2")); err != nil {
		t.Fatal(err)
	}
	if got := read(k.path); got != "2" || read(k.former) != "2" {
		t.Errorf("then %q, and %q at the former place", got, read(k.former))
	}
	entries, err := os.ReadDir(filepath.Dir(k.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v %v", entries, err)
	}
}
