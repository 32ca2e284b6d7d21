package endtoend

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// TestPostgres: an installation in a PostgreSQL database outlives its own restart and a crash of the
// database. Meanwhile known orgs and sessions are served without one failed request, and everything
// else says that it needs the control plane. Nobody else gets to use the database.
func TestPostgres(t *testing.T) {
	t.Parallel()
	db := postgrestest.Start(t, postgrestest.Options{})
	url := createPostgres(t, db)
	const global = "store postgres {env.DATABASE_URL}\ndata_dir ./data"
	s := startWith(t, global, "org_gateway", "DATABASE_URL="+url)
	ada := s.admin()
	s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}

	other := newServer(t, global, "org_gateway", "DATABASE_URL="+url)
	defer func() { _ = os.RemoveAll(other.dir) }()
	if out, err := other.cli("", "run"); err == nil || !strings.Contains(out, "its secret key") {
		t.Errorf("without the secret key: %v, %s", err, out)
	}
	key, err := os.ReadFile(filepath.Join(s.dir, "data/secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other.dir, "data/secret.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := other.cli("", "run"); err == nil || !strings.Contains(out, "in use by another control plane") {
		t.Errorf("a second control plane: %v, %s", err, out)
	}

	for name, end := range map[string]func(){"stopped": s.stop, "killed": s.kill} {
		end()
		s.run()
		s.eventually(name+" and started again, the org is served", func() bool {
			return ada.status(s.url("acme")+"/") == http.StatusOK
		})
	}

	l := s.startLoad(ada, false, "acme")
	if err := db.Kill(); err != nil {
		t.Fatal(err)
	}
	s.eventually("the API says that it is away", func() bool {
		return ada.fetch("GET", s.url("")+"/api/v1/orgs", "").status == http.StatusServiceUnavailable
	})
	if a := s.person().open(s.url("acme") + "/"); a.status != http.StatusServiceUnavailable {
		t.Errorf("signing in: %d %s", a.status, a.body)
	}
	if err := db.Boot(); err != nil {
		t.Fatal(err)
	}
	s.eventually("the API is back", func() bool {
		return ada.fetch("GET", s.url("")+"/api/v1/orgs", "").status == http.StatusOK
	})
	s.org(ada, "afterwards")
	l.stop()

	if out, err := s.cli("", "backup", "copy"); err == nil || !strings.Contains(out, "pg_dump") {
		t.Errorf("backup: %v %s", err, out)
	}
	s.must("audit", "verify")
	s.stop()
	t.Run("restore", func(t *testing.T) { postgresRestore(t, s, ada, db) })
}
