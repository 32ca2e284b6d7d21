package postgres_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// clean takes what the machine says of PostgreSQL away from a test.
func clean(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PG") {
			t.Setenv(name, "")
		}
	}
}

// TestNames: a database is named without its password, and told from others.
func TestNames(t *testing.T) {
	clean(t)
	for connection, want := range map[string]string{
		"postgres://pizza:canary@db.example/orgs":                          "postgres://pizza@db.example:5432/orgs",
		"postgresql://pizza:canary@db.example:6432":                        "postgres://pizza@db.example:6432/pizza",
		"host=db.example user=pizza password=canary dbname=orgs":           "postgres://pizza@db.example:5432/orgs",
		"postgres://pizza@a,b:6432/orgs?target_session_attrs=read-write":   "postgres://pizza@a:5432,b:6432/orgs",
		"postgres://pizza@a/orgs?sslmode=prefer":                           "postgres://pizza@a:5432/orgs",
		"postgres://pizza@db.example/orgs?search_path=one":                 "postgres://pizza@db.example:5432/orgs?search_path=one",
		"postgres://pizza@db.example/orgs?sslmode=require&password=canary": "postgres://pizza@db.example:5432/orgs",
	} {
		if got := at(t, connection).String(); got != want {
			t.Errorf("%s: %s, want %s", connection, got, want)
		}
	}
}

// TestSeveralHosts: several servers need a rule that chooses one, or connections would reach different
// ones.
func TestSeveralHosts(t *testing.T) {
	clean(t)
	for connection, ok := range map[string]bool{
		"postgres://pizza@a,b/orgs":                                 false,
		"postgres://pizza@a,b/orgs?target_session_attrs=any":        false,
		"host=a,b user=pizza":                                       false,
		"postgres://pizza@a:1,a:2/orgs":                             false,
		"postgres://pizza@a,b/orgs?target_session_attrs=primary":    true,
		"postgres://pizza@a,b/orgs?target_session_attrs=read-write": true,
		"postgres://pizza@a/orgs?sslmode=prefer":                    true,
	} {
		if _, err := postgres.Parse(connection); (err == nil) != ok {
			t.Errorf("%s: %v", connection, err)
		}
	}
}

// TestEnvironment: the PG* variables and the password file complete what a config says.
func TestEnvironment(t *testing.T) {
	clean(t)
	file := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(file, []byte("db.example:5432:orgs:pizza:canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PGHOST": "db.example", "PGUSER": "pizza", "PGDATABASE": "orgs", "PGPASSFILE": file,
	} {
		t.Setenv(name, value)
	}
	l := at(t, "")
	if got := l.String(); got != "postgres://pizza@db.example:5432/orgs" {
		t.Errorf("%s", got)
	}
	if l.Password() != "canary" {
		t.Error("the password file was not read")
	}
}

// TestPasswordsStayHidden: no error has the password in it: not of a connection that cannot be read,
// nor of one that cannot be made.
func TestPasswordsStayHidden(t *testing.T) {
	clean(t)
	for _, connection := range []string{
		"postgres://pizza:canary@db.example:port/orgs",
		"postgres://pizza:can%zzary@db.example/orgs",
		"postgres://pizza:canary@db.example/orgs?sslmode=canary",
		"postgres://pizza:canary",
		"host=db.example password=canary port=x",
		"host=db.example password='canary",
		"postgres://pizza:canary@db.example/orgs?sslmode=verify-full&sslrootcert=/none.pem",
	} {
		_, err := postgres.Parse(connection)
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "zzary") {
			t.Errorf("%s: %v", connection, err)
		}
	}
	l := at(t, "postgres://pizza:canary@/orgs?host="+t.TempDir())
	s, err := postgres.New(l, new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_, exists := l.Exists()
	err = errors.Join(s.Connect(t.Context()), exists)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a server that is not there: %v", err)
	}
}
