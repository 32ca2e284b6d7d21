package storecopy_test

import (
	"database/sql"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
	"github.com/pizzaface/pizzeria/registry/storecopy"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func at(t *testing.T, url string) postgres.Location {
	t.Helper()
	l, err := postgres.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// plain returns a connection of an administrator.
func plain(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// secret is the secret key of the installations.
var secret = new(identity.MasterKey)

func copied(t *testing.T, from, to storecopy.Location) storecopy.Report {
	t.Helper()
	r, err := storecopy.Copy(t.Context(), from, to, secret)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestThereAndBack: an installation that was copied to PostgreSQL and back has the same rows in every
// table.
func TestThereAndBack(t *testing.T) {
	from, url, back := installation(t), postgrestest.Blank(t), nowhere(t)
	want := contents(t, from)
	r := copied(t, from, at(t, url))
	if r.Audit == nil || r.Audit.Head.Seq < 60 || len(r.Replaced) > 0 {
		t.Errorf("%+v", r)
	}
	there := plain(t, url)
	for table, rows := range want {
		if n := count(t, there, table); n != len(rows) || n == 0 {
			t.Errorf("%s has %d rows in PostgreSQL, %d in SQLite", table, n, len(rows))
		}
		if !slices.Contains(r.Tables, storecopy.Count{Name: table, N: int64(len(rows))}) {
			t.Errorf("the report is not right about %s", table)
		}
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	copied(t, at(t, url), back)
	got := contents(t, back)
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(got[table], want[table]) {
			t.Errorf("%s:\n%s\nwas\n%s", table, got[table], want[table])
		}
	}
}

// TestServesOn: a server on a copy is the same installation: sessions count, the feed continues where
// it was, and the audit log can be extended.
func TestServesOn(t *testing.T) {
	from, url := installation(t), postgrestest.Database(t)
	was := opened(t, from)
	id, err := was.Installation(t.Context(), system)
	if err != nil {
		t.Fatal(err)
	}
	head, err := was.Head(t.Context(), system)
	if err != nil {
		t.Fatal(err)
	}
	if err := was.Close(); err != nil {
		t.Fatal(err)
	}
	copied(t, from, at(t, url))
	s, err := postgres.Open(t.Context(), at(t, url), secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if got, err := s.Installation(t.Context(), system); got != id || err != nil {
		t.Errorf("installation %s, want %s: %v", got, id, err)
	}
	if _, who, err := s.SessionByToken(t.Context(), system, token); err != nil || who.Email != "ada@example.com" {
		t.Errorf("session of %s: %v", who.Email, err)
	}
	if _, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "next"}); err != nil {
		t.Error(err)
	}
	changes, err := s.Changes(t.Context(), system, head, 10)
	if err != nil || len(changes) == 0 || changes[0].Seq != head+1 {
		t.Errorf("after %d: %+v %v", head, changes, err)
	}
	if _, err := s.VerifyAudit(t.Context(), operator, nil); err != nil {
		t.Error(err)
	}
}

// TestNotEmpty: nothing is copied over anything.
func TestNotEmpty(t *testing.T) {
	from, url := installation(t), postgrestest.Database(t)
	refused := func(to storecopy.Location) {
		t.Helper()
		if _, err := storecopy.Copy(t.Context(), from, to, secret); !errors.Is(err, storecopy.ErrNotEmpty) {
			t.Errorf("%s: %v", to, err)
		}
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		f := nowhere(t)
		if err := os.WriteFile(string(f)+suffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(f)
	}
	db := plain(t, url)
	for _, table := range []string{"users", "leases"} { // no server has used it, and yet
		must(t, db, map[string]string{
			"users":  `INSERT INTO users (id, email, name, password_hash, created_at) VALUES ('u', 'e', 'n', 'h', 1)`,
			"leases": `INSERT INTO leases (name, holder, expires_at) VALUES ('n', 'h', 1)`,
		}[table])
		refused(at(t, url))
		must(t, db, `DELETE FROM `+table)
	}
	copied(t, from, at(t, url))
	refused(at(t, url))
}

// TestInUse: a database that a server has is neither read nor written.
func TestInUse(t *testing.T) {
	from, url := installation(t), postgrestest.Database(t)
	s, err := postgres.Open(t.Context(), at(t, url), secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_, read := storecopy.Copy(t.Context(), at(t, url), nowhere(t), secret)
	_, written := storecopy.Copy(t.Context(), from, at(t, url), secret)
	if !errors.Is(read, registry.ErrInUse) || !errors.Is(written, registry.ErrInUse) {
		t.Errorf("%v; %v", read, written)
	}
}

// TestSchema: a source that is older or newer is refused, or has tables and columns that the target
// has not.
func TestSchema(t *testing.T) {
	to := at(t, postgrestest.Database(t))
	for statement, want := range map[string]string{
		`DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`: "start the server",
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`:                          "schema 999",
		`CREATE TABLE other (id TEXT PRIMARY KEY) STRICT`:                                                "table other is in the source only",
		`ALTER TABLE orgs ADD COLUMN other TEXT`:                                                         "table orgs has other columns",
		`CREATE TABLE other (id REAL PRIMARY KEY) STRICT`:                                                "other.id has type REAL",
		`DROP TABLE revocations`:                                                                         "table revocations is in the target only",
	} {
		from := installation(t)
		must(t, raw(t, from), statement)
		if _, err := storecopy.Copy(t.Context(), from, to, secret); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", statement, err)
		}
	}
	copied(t, installation(t), to)
	f := installation(t)
	for _, from := range []storecopy.Location{nowhere(t), at(t, postgrestest.Blank(t))} {
		to := nowhere(t)
		if _, err := storecopy.Copy(t.Context(), from, to, secret); err == nil || !strings.Contains(err.Error(), "there is no") {
			t.Errorf("%s: %v", from, err)
		}
	}
	if _, err := storecopy.Copy(t.Context(), f, f, secret); err == nil || !strings.Contains(err.Error(), "the same") {
		t.Errorf("to itself: %v", err)
	}
}
