package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
	return listening{c, l}, err
}

// listening hides all but Prepare, so that database/sql prepares everything.
type listening struct {
	driver.Conn
	l *listener
}

func (c listening) Prepare(query string) (driver.Stmt, error) {
	s, err := c.Conn.Prepare(query)
	if err == nil {
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		c.l.statements[query] = true
	}
	return s, err
}

func (c listening) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

// scansAll are the tables that a statement may read whole: because it is asked
// for everything in them, or because they have one row.
var scansAll = map[string]string{
	"feed_head": "one row",
	"users":     "counting them all reads an index of them",
	"s":         "counting all sessions that live",
	"audit":     "verifying walks the whole chain, and a filter walks it backwards until the page is full",
	"i":         "the reconciler reads every instance at start and once a minute",
}

// TestEveryQueryHasItsIndex runs the conformance suite, and asks SQLite for the
// plan of each statement: none may scan a table, and no page of all orgs or
// users may be sorted after it was read.
func TestEveryQueryHasItsIndex(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Driver: db.Driver(), statements: map[string]bool{}}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	sql.Register("listening", l)
	driverName = "listening"
	defer func() { driverName = "sqlite" }()
	path := ""
	storetest.RunTests(t, func(t *testing.T, now func() time.Time) storetest.Store {
		path = filepath.Join(t.TempDir(), "test.db")
		s, err := Open(context.Background(), path, now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	driverName = "sqlite"
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "plan.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n := 0
	for query := range l.statements {
		verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
		if strings.Contains(query, "sqlite_") || strings.Contains(query, "goose") || !strings.Contains("SELECT UPDATE DELETE INSERT WITH", verb) {
			continue
		}
		n++
		for _, step := range plan(t, s, query) {
			table, _, _ := strings.Cut(strings.TrimPrefix(step, "SCAN "), " ")
			_, may := scansAll[table]
			if strings.HasPrefix(step, "SCAN ") && !strings.Contains(step, "INDEX") && !strings.Contains(step, "CONSTANT ROW") && !may {
				t.Errorf("%s\n  in %s", step, query)
			}
			if strings.Contains(step, "TEMP B-TREE FOR ORDER BY") && (strings.Contains(query, "FROM orgs o") || strings.Contains(query, "FROM users u")) {
				t.Errorf("%s\n  in %s", step, query)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d statements were seen", n)
	}
}

func plan(t *testing.T, s *Store, query string) (steps []string) {
	t.Helper()
	args := 0
	for strings.Contains(query, fmt.Sprintf("$%d", args+1)) {
		args++
	}
	rows, err := s.read.Query("EXPLAIN QUERY PLAN "+query, make([]any, args)...)
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
