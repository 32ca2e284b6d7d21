package postgres_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// listener notes every statement.
type listener struct {
	mu         sync.Mutex
	statements map[string]bool
}

func (l *listener) note(query string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statements[query] = true
}

// TraceQueryStart implements pgx.QueryTracer.
func (l *listener) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData,
) context.Context {
	l.note(data.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (l *listener) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (l *listener) TraceBatchStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData,
) context.Context {
	for _, q := range data.Batch.QueuedQueries {
		l.note(q.SQL)
	}
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (*listener) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (*listener) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TracePrepareStart implements pgx.PrepareTracer.
func (l *listener) TracePrepareStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TracePrepareStartData,
) context.Context {
	l.note(data.SQL)
	return ctx
}

// TracePrepareEnd implements pgx.PrepareTracer.
func (l *listener) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

// scansAll are the tables that a statement may read whole, and why.
var scansAll = map[string]string{
	"feed_head":    "one row",
	"audit_head":   "one row",
	"audit_start":  "one row",
	"installation": "one row",
	"meta":         "a few rows",
	"leases":       "a few rows: one for each kind of work",
	"audit_epochs": "a row for each secret key that there was",
	"plans":        "the operator defines a few",
	"keys":         "a few rows: those that sign, and those that did lately",
	"audit":        "verifying walks the whole chain",
	"heartbeats":   "a scrape of metrics reads the last one of each instance",
	"instances":    "the reconciler reads every instance at start and once a minute",
}

// hidden is a column in an expression that no index has: at a small size, plans do not show it.
var hidden = regexp.MustCompile(`\b[a-z_]+(\.[a-z_]+)? \|\| '' *(=|IN\b)`)

// few are the columns with few values, of any table.
var few = []string{
	"action", "actor_kind", "desired", "event", "id_token_alg", "kind", "kept_status", "level", "methods",
	"plan", "provider", "purpose", "role", "state", "status", "verified_by",
}

// everyQueryHasItsIndex asks PostgreSQL for the plan of each statement in a large installation: none
// may read a table whole that grows.
func everyQueryHasItsIndex(t *testing.T, statements map[string]bool) {
	orgs, users := 500, 5000
	whole := os.Getenv("PIZZERIA_TEST_SCALE") == "full"
	if whole {
		orgs, users = 100_000, 1_000_000
	}
	t.Logf("size: %d orgs, %d users (whole: 100000, 1000000)", orgs, users)
	db := plain(t, postgrestest.Database(t))
	db.SetMaxOpenConns(1)
	seed(t, db, orgs, users)
	if !whole { // small tables are read whole where an index would do
		exec(t, db, `SET enable_seqscan = off`)
	}
	exec(t, db, `SET plan_cache_mode = force_generic_plan`)
	n := 0
	for _, query := range slices.Sorted(maps.Keys(statements)) {
		query, seldom := strings.CutPrefix(query, "/* all rows */ ")
		verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
		if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "INSERT", "WITH"}, verb) ||
			strings.Contains(query, "goose") || strings.Contains(query, "pg_") {
			continue
		}
		n++
		may := seldom || strings.HasSuffix(query, "IS NOT NULL LIMIT 1") // the key is proved once a start
		for _, table := range scanned(t, db, query) {
			if !may && scansAll[table] == "" {
				t.Errorf("%s is read whole\n  in %s", table, query)
			}
		}
		if m := hidden.FindString(query); m != "" {
			t.Errorf("%s hides a column from its index\n  in %s", m, query)
		}
	}
	if n < 60 && flag.Lookup("test.run").Value.String() == "" {
		t.Errorf("only %d statements were seen", n)
	}
}

// seed fills every table. All texts of row i are the same, so references hold.
func seed(t *testing.T, db *sql.DB, orgs, users int) {
	t.Helper()
	columns, tables := map[string][]string{}, map[string][]string{}
	var table, name, typ string
	postgrestest.Each(t, db, `SELECT table_name, column_name, data_type FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY ordinal_position`, func() {
		value := map[string]string{
			"text": `'v' || i`, "bigint": `i`, "boolean": `i % 2 = 0`, "bytea": `decode(md5(i::text), 'hex')`,
		}[typ]
		switch {
		case slices.Contains(few, name):
			value = strings.Replace(value, "i", "i % 5", 1)
		case name == "platform_admin":
			value = `i % 10000 = 0`
		}
		columns[table] = append(columns[table], name)
		tables[table] = append(tables[table], value)
	}, &table, &name, &typ)
	exec(t, db, `SET session_replication_role = replica`) // no order of tables
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		if r := scansAll[table]; strings.HasPrefix(r, "one row") || strings.HasPrefix(r, "a few rows") {
			continue
		}
		n := users
		if slices.Contains([]string{"orgs", "slugs", "instances", "heartbeats", "usage"}, table) {
			n = orgs
		}
		exec(t, db, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM generate_series(2, %d) i`, table,
			strings.Join(columns[table], ", "), strings.Join(tables[table], ", "), n+1))
	}
	exec(t, db, `ANALYZE`)
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// step is one of a plan.
type step struct {
	Type  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Plans []step
}

// scanned are the tables that a statement reads whole, with any arguments.
func scanned(t *testing.T, db *sql.DB, query string) (tables []string) {
	t.Helper()
	args := 0
	for strings.Contains(query, fmt.Sprintf("$%d", args+1)) {
		args++
	}
	exec(t, db, `PREPARE q AS `+query)
	run := `EXECUTE q`
	if args > 0 {
		run += "(" + strings.Repeat("NULL, ", args-1) + "NULL)"
	}
	var b []byte
	if err := db.QueryRow(`EXPLAIN (FORMAT JSON) ` + run).Scan(&b); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	exec(t, db, `DEALLOCATE q`)
	var plans []struct{ Plan step }
	if err := json.Unmarshal(b, &plans); err != nil {
		t.Fatal(err)
	}
	var walk func(step)
	walk = func(s step) {
		if s.Type == "Seq Scan" {
			tables = append(tables, s.Table)
		}
		for _, p := range s.Plans {
			walk(p)
		}
	}
	for _, p := range plans {
		walk(p.Plan)
	}
	return tables
}
