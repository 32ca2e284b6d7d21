package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/registry/postgres"
)

const template = "template_pizzeria"

var (
	shared    *Server
	databases atomic.Int64
	once      = sync.OnceValue(func() (err error) {
		if shared, err = start(Options{}); err != nil {
			return err
		}
		return shared.makeTemplate()
	})
)

// Main runs the tests of a package, and ends the server that they share.
func Main(m *testing.M) {
	status := m.Run()
	if shared != nil {
		if err := shared.end(); err != nil {
			fmt.Fprintln(os.Stderr, "postgrestest:", err)
			status = max(status, 1)
		}
	}
	os.Exit(status)
}

// Database returns the connection string of an empty database with the newest schema, on a server
// that all tests of a package share. It goes with the test.
func Database(t testing.TB) string {
	t.Helper()
	return database(t, template)
}

// Blank returns the connection string of a database without a schema; see Database.
func Blank(t testing.TB) string {
	t.Helper()
	return database(t, "template0")
}

func database(t testing.TB, from string) string {
	t.Helper()
	Require(t)
	if err := once(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := shared.run("CREATE DATABASE " + name + " TEMPLATE " + from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.run("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return shared.URL(name)
}

// Create makes a database without a schema, and returns its connection string.
func (s *Server) Create(t testing.TB, name string) string {
	t.Helper()
	if err := s.run("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

func (s *Server) makeTemplate() error {
	if err := s.run("CREATE DATABASE " + template); err != nil {
		return err
	}
	at, err := postgres.Parse(s.URL(template))
	if err != nil {
		return err
	}
	return postgres.Migrate(context.Background(), at)
}

// Exec runs statements in a database as the server's administrator.
func (s *Server) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := s.runIn(database, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// run runs a statement as the server's administrator.
func (s *Server) run(statement string) error { return s.runIn("postgres", statement) }

func (s *Server) runIn(database, statement string) error {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, statement)
	return err
}
