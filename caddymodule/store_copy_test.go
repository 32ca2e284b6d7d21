package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// TestCopyStore: a store is copied while no server has either directory, and its audit log verified
// with the key of the data directory.
func TestCopyStore(t *testing.T) {
	from, to, data := t.TempDir(), t.TempDir(), t.TempDir()
	keyFile := filepath.Join(data, "secret.key")
	key, err := identity.CreateMasterKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(from, "a.db"), key, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateOrg(t.Context(), registry.AsOperator(), registry.NewOrg{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	source, target := "sqlite:"+filepath.Join(from, "a.db"), "sqlite:"+filepath.Join(to, "b.db")
	for _, dir := range []string{from, to, data} {
		unlock, err := runtime.Lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := copyStore(t.Context(), source, target, data, keyFile); err == nil || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("with a server in %s: %v", dir, err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := copyStore(t.Context(), source, target, data, filepath.Join(data, "none.key")); err == nil {
		t.Error("it was copied without the key")
	}
	r, err := copyStore(t.Context(), source, target, data, keyFile)
	if err != nil || r.Audit == nil || r.Audit.Head.Seq == 0 {
		t.Errorf("%+v %v", r, err)
	}
	beside := "sqlite:" + filepath.Join(from, "c.db")
	if _, err := copyStore(t.Context(), source, beside, from, ""); err != nil {
		t.Errorf("one directory for all: %v", err)
	}
	if _, err := os.Stat(filepath.Join(from, "c.db")); err != nil {
		t.Error(err)
	}
}

// TestStoreNames: a store has one name, and no error repeats it.
func TestStoreNames(t *testing.T) {
	t.Setenv("TEST_STORE", "postgres://pizza:canary@db.example/orgs")
	for name, want := range map[string]string{
		"sqlite:/data/pizzeria.db":                            "/data/pizzeria.db",
		"env:TEST_STORE":                                      "postgres://pizza@db.example:5432/orgs",
		"postgres://pizza:canary@db.example/orgs":             "postgres://pizza@db.example:5432/orgs",
		"postgresql://pizza:canary@db.example/orgs":           "postgres://pizza@db.example:5432/orgs",
		"postgres:host=db.example user=pizza password=canary": "postgres://pizza@db.example:5432/pizza",
	} {
		if at, err := storeAt(name); err != nil || at.String() != want {
			t.Errorf("%s: %v %v", name, at, err)
		}
	}
	for _, name := range []string{
		"", "sqlite:", "data/canary.db", "mysql://canary", "postgres://canary:canary@db.example:x/", "postgres:canary",
	} {
		if _, err := storeAt(name); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
