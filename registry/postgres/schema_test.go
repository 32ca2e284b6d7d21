package postgres_test

import (
	"database/sql"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // driver
	_ "modernc.org/sqlite"             // driver

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// yesNo are the columns that say yes or no, which SQLite has no type for.
var yesNo = []string{
	"connections.required", "connections.sign_up", "connections.trust_email",
	"links.mailed", "orgs.second_step_required", "orgs.sso_required", "plans.configured",
	"sessions.device", "users.email_verified", "users.platform_admin", "webhooks.active",
}

// TestSchemasAreOne: both databases have the same tables, columns, keys and indexes, after the same
// migration.
func TestSchemasAreOne(t *testing.T) {
	lite, post := sqliteSchema(t), postgresSchema(t)
	delete(post, "feed_head.claim") // SQLite's lock is in the data directory
	for _, name := range slices.Sorted(maps.Keys(lite)) {
		if lite[name] != post[name] {
			t.Errorf("%s: %q in SQLite, %q in PostgreSQL", name, lite[name], post[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(post)) {
		if _, both := lite[name]; !both {
			t.Errorf("%s: only in PostgreSQL", name)
		}
	}
	if len(lite) < 300 {
		t.Errorf("only %d tables, columns and indexes", len(lite))
	}
	if a, b := newest(t, "../sqlite/migrations"), newest(t, "migrations"); a != b {
		t.Errorf("the newest migration is %s in SQLite, %s in PostgreSQL", a, b)
	}
}

// newest returns the number of the newest migration.
func newest(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("no migrations in %s: %v", dir, err)
	}
	number, _, _ := strings.Cut(filepath.Base(entries[len(entries)-1].Name()), "_")
	return number
}

const indexed = "index"

func sqliteSchema(t *testing.T) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", sqlitetest.File(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	types := map[string]string{"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}
	schema := map[string]string{}
	var table, name, typ, fallback string
	var required bool
	var key int
	postgrestest.Each(t, db, `SELECT m.name, c.name, c.type, c."notnull" OR c.pk > 0, COALESCE(c.dflt_value, ''), c.pk
		FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'goose%'`, func() {
		name, typ = table+"."+name, types[typ]
		if slices.Contains(yesNo, name) {
			typ, fallback = "boolean", map[string]string{"0": "false", "1": "true"}[fallback]
		}
		schema[name] = describe(typ, required, fallback, key)
	}, &table, &name, &typ, &required, &fallback, &key)
	postgrestest.Each(t, db, `SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`, func() {
		schema[table+" "+name] = indexed
	}, &table, &name)
	return schema
}

func postgresSchema(t *testing.T) map[string]string {
	t.Helper()
	db, err := sql.Open("pgx", postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	schema := map[string]string{}
	var table, name, typ, fallback string
	var required, folds bool
	var key int
	postgrestest.Each(t, db, `SELECT c.table_name, c.column_name, c.data_type, c.is_nullable = 'NO',
			split_part(COALESCE(c.column_default, ''), '::', 1), COALESCE(k.ordinal_position, 0),
			c.data_type = 'text' AND COALESCE(c.collation_name, '') <> 'C'
		FROM information_schema.columns c
		LEFT JOIN information_schema.key_column_usage k ON k.table_name = c.table_name
			AND k.column_name = c.column_name AND k.constraint_name = c.table_name || '_pkey'
		WHERE c.table_schema = 'public' AND c.table_name NOT LIKE 'goose%'`, func() {
		schema[table+"."+name] = describe(typ, required, fallback, key)
		if folds {
			t.Errorf("%s.%s does not compare by bytes", table, name)
		}
	}, &table, &name, &typ, &required, &fallback, &key, &folds)
	postgrestest.Each(t, db, `SELECT i.tablename, i.indexname FROM pg_indexes i
		WHERE i.schemaname = 'public' AND i.tablename NOT LIKE 'goose%'
		AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)`, func() {
		schema[table+" "+name] = indexed
	}, &table, &name)
	return schema
}

func describe(typ string, required bool, fallback string, key int) string {
	if required {
		typ += " not null"
	}
	if fallback != "" {
		typ += " default " + fallback
	}
	if key > 0 {
		typ += " key " + strconv.Itoa(key)
	}
	return typ
}
