package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
	"github.com/pizzaface/pizzeria/registry/storetest"
)

// listener is the SQLite driver that notes every statement.
type listener struct {
	driver.Driver
	mu         sync.Mutex
	statements map[string]bool
}

func (l *listener) Open(name string) (driver.Conn, error) {
	c, err := l.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return listening{c.(conn), l}, nil
}

func (l *listener) note(query string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statements[query] = true
}

// conn is what database/sql uses of a connection of the SQLite driver.
type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type listening struct {
	conn
	l *listener
}

func (c listening) ExecContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (driver.Result, error) {
	c.l.note(query)
	return c.conn.ExecContext(ctx, query, args)
}

func (c listening) QueryContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (driver.Rows, error) {
	c.l.note(query)
	return c.conn.QueryContext(ctx, query, args)
}

func (c listening) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.l.note(query)
	return c.conn.PrepareContext(ctx, query)
}

// scansAll are the tables that a statement may read whole: because it is asked
// for everything in them, or because they have one row.
var scansAll = map[string]string{
	"feed_head": "one row",

	"audit_epochs": "a row for each secret key that there was",
	"users":        "counting them all reads an index of them",
	"s":            "counting all sessions that live",
	"audit":        "verifying walks the whole chain, and a filter walks it backwards until the page is full",
	"p":            "plans: the operator defines a few",
	"one":          "one row, of no table",
	"h":            "heartbeats: a scrape of metrics reads the last one of each instance",
	"i":            "the reconciler reads every instance at start and once a minute",
}

// TestConformance runs the conformance suite, and then judges each statement that ran.
func TestConformance(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Driver: db.Driver(), statements: map[string]bool{}}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("listening %d", len(sql.Drivers())) // none is ever taken back
	sql.Register(name, l)
	sqlite.SetDriver(t, name)
	storetest.RunTests(t, func(t *testing.T, now func() time.Time) registry.Store {
		return open(t, sqlitetest.File(t), now)
	})
	t.Run("EveryQueryHasItsIndex", func(t *testing.T) { everyQueryHasItsIndex(t, l.statements) })
}

// everyQueryHasItsIndex asks SQLite for the plan of each statement: none may scan a table, and no
// page of all orgs or users may be sorted after it was read.
func everyQueryHasItsIndex(t *testing.T, statements map[string]bool) {
	reader, err := sql.Open("sqlite", sqlitetest.File(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	n := 0
	once := migrations(t)
	for query := range statements {
		if strings.Contains(once, strings.TrimSpace(query)) {
			continue // of a migration: it runs once, over everything
		}
		query, seldom := strings.CutPrefix(query, "/* all rows */ ")
		verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
		if strings.Contains(query, "sqlite_") || strings.Contains(query, "goose") || !strings.Contains("SELECT UPDATE DELETE INSERT WITH", verb) {
			continue
		}
		n++
		for _, step := range plan(t, reader, query) {
			table, _, _ := strings.Cut(strings.TrimPrefix(step, "SCAN "), " ")
			_, may := scansAll[table]
			may = may || seldom || strings.HasSuffix(query, "IS NOT NULL LIMIT 1") // the key is proved once a start
			if strings.HasPrefix(step, "SCAN ") && !strings.Contains(step, "INDEX") && !strings.Contains(step, "CONSTANT ROW") && !may {
				t.Errorf("%s\n  in %s", step, query)
			}
			if strings.Contains(step, "TEMP B-TREE FOR ORDER BY") && (strings.Contains(query, "FROM orgs o") || strings.Contains(query, "FROM users u") || strings.Contains(query, "FROM audit WHERE org_id")) {
				t.Errorf("%s\n  in %s", step, query)
			}
		}
	}
	if n < 60 && flag.Lookup("test.run").Value.String() == "" {
		t.Errorf("only %d statements were seen", n)
	}
}

// migrations is the text of all migrations.
func migrations(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func plan(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	args := 0
	for strings.Contains(query, fmt.Sprintf("$%d", args+1)) {
		args++
	}
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, args)...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
