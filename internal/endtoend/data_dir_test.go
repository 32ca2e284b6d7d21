package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDataDirElsewhere: the database has a directory of its own. Each of both directories is for
// one process, and what is not in the database is in the data directory.
func TestDataDirElsewhere(t *testing.T) {
	t.Parallel()
	const places = "store sqlite ./db/registry.db\ndata_dir ./state"
	s := startWith(t, places, "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.eventually("the snapshot is there", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "state/snapshot.db"))
		return err == nil
	})
	for _, name := range []string{"secret.key", "lock", "keys/assertion-jwks.json", "run"} {
		if _, err := os.Stat(filepath.Join(s.dir, "state", name)); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if n := e.Name(); n != "lock" && !strings.HasPrefix(n, "registry.db") {
			t.Errorf("%s is beside the database", n)
		}
	}

	for name, c := range map[string]struct{ places, want string }{
		"another database": {
			"store sqlite ./db/other.db\ndata_dir ./state", "the store is " + filepath.Join(s.dir, "db/registry.db"),
		},
		"another data directory": {
			"store sqlite ./db/registry.db\ndata_dir ./elsewhere", "is in use by process",
		},
	} {
		if out, err := s.reload(s.caddyfile(c.places, 0)); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Errorf("after the refused reloads: %d %s", a.status, a.body)
	}

	s.write(s.caddyfile(places, 0))
	s.stop()
	if out := s.must("down", "--data-dir", "state"); !strings.Contains(out, "stopped 1 instance") {
		t.Error(out)
	}
	for _, args := range [][]string{
		{"rekey", "--data-dir", "state", "--database", "db/none.db"},
		{"rekey", "--database", "db/registry.db"}, // its key is not there
	} {
		if out, err := s.cli("", args...); err == nil {
			t.Errorf("%s: %s", args, out)
		}
	}
	s.must("rekey", "--data-dir", "state", "--database", "db/registry.db")
	if _, err := os.Stat(filepath.Join(s.dir, "state/secret.key.old")); err != nil {
		t.Error(err)
	}
	s.run()
	s.eventually("the org is served under the new key", func() bool {
		return ada.status(s.url("acme")+"/") == 200
	})
}
