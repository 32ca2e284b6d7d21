// Package sqlitetest gives tests databases that need no migration, which is most of the time
// that opening a new one takes.
package sqlitetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pizzaface/pizzeria/registry/sqlite"
)

var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pz")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "t.db")
	if err := sqlite.Migrate(context.Background(), path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// File returns the path of an empty database with the newest schema, alone in a directory that
// goes with the test. It lies in memory where it can, since no test asks whether a disk keeps
// what it is given.
func File(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pz")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "t.db")
	Write(t, path)
	return path
}

// Write writes an empty database with the newest schema to a path.
func Write(t testing.TB, path string) {
	t.Helper()
	b, err := template()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
