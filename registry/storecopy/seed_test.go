package storecopy_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // driver

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

var system, operator = registry.AsSystem("test"), registry.AsOperator()

// token is that of the session in an installation.
var token = registry.Hash{1}

// raw opens a SQLite file, without the checks of references.
func raw(t *testing.T, f sqlite.File) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", string(f))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func must(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

var made []byte // by the first test that asks for it

// installation returns the database of a server that was used and stopped, with a row in each table.
func installation(t *testing.T) sqlite.File {
	t.Helper()
	f := nowhere(t)
	if made == nil {
		makeInstallation(t)
	}
	if err := os.WriteFile(string(f), made, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func makeInstallation(t *testing.T) {
	t.Helper()
	f := sqlite.File(sqlitetest.File(t))
	s := opened(t, f)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	u, err := s.CreateUser(t.Context(), operator, registry.NewUser{Email: "ada@example.com", Name: "Ada Ω", PasswordHash: "h"})
	ok(err)
	_, err = s.CreateUser(t.Context(), operator, registry.NewUser{Email: "bob@example.com", Name: "Bob", PasswordHash: "h"})
	ok(err)
	_, err = s.CreateSession(t.Context(), system, registry.NewSession{Token: token, User: u})
	ok(err)
	for i := range 60 { // more than a batch
		_, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: fmt.Sprintf("org-%d", i), Owner: u.ID})
		ok(err)
	}
	_, err = s.Installation(t.Context(), system)
	ok(err)
	ok(s.Close())
	db := raw(t, f)
	fillAll(t, db)
	sealAll(t, db)
	ok(db.Close())
	made, err = os.ReadFile(string(f))
	ok(err)
}

func opened(t *testing.T, f sqlite.File) registry.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), string(f), secret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// fillAll adds rows to every table that has none: of large numbers, of empty values, and of NULLs.
func fillAll(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, table := range tables(t, db) {
		if count(t, db, table) > 0 {
			continue
		}
		var names, marks []string
		var high, low []any
		for _, c := range columns(t, db, table) {
			names, marks = append(names, `"`+c.name+`"`), append(marks, "?")
			h, l := c.values(t, db, table)
			high, low = append(high, h), append(low, l)
		}
		insert := "INSERT INTO " + table + " (" + strings.Join(names, ",") + ") VALUES (" + strings.Join(marks, ",") + ")"
		must(t, db, insert, high...)
		if !slices.Contains([]string{"installation"}, table) { // of one row
			must(t, db, insert, low...)
		}
	}
}

type column struct {
	name, typ string
	required  bool
	key       int
	refers    sql.NullString
}

// values are two values of a column: one that is long or large, and one that is short or missing.
func (c column) values(t *testing.T, db *sql.DB, table string) (high, low any) {
	t.Helper()
	if c.refers.Valid {
		err := db.QueryRow(`SELECT min(` + firstKey(t, db, c.refers.String) + `) FROM ` + c.refers.String).Scan(&low)
		if err == nil {
			err = db.QueryRow(`SELECT max(` + firstKey(t, db, c.refers.String) + `) FROM ` + c.refers.String).Scan(&high)
		}
		if err != nil {
			t.Fatal(err)
		}
		return high, low
	}
	switch {
	case c.typ == "INTEGER" && slices.Contains(yesNo, table+"."+c.name):
		return int64(1), int64(0)
	case c.typ == "INTEGER" && table == "installation":
		return int64(1), nil
	case c.typ == "INTEGER":
		high, low = int64(1)<<62+1, orNil(c, int64(-1))
	case c.typ == "TEXT":
		high, low = strings.Repeat("Ω☃\U0001F355'\"\\", 100), orNil(c, "")
	case c.typ == "BLOB":
		high, low = []byte("\x00\xff\\x"), any([]byte{})
		if c.name == "sealed" {
			low = orNil(c, low)
		}
	default:
		t.Fatalf("%s.%s has type %s", table, c.name, c.typ)
	}
	return high, low
}

func orNil(c column, v any) any {
	if c.required || c.key > 0 {
		return v
	}
	return nil
}

// sealAll puts sealed values in the place of those that fillAll made.
func sealAll(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, c := range []struct{ table, column, purpose, name string }{
		{"keys", "private", `'keys/' || purpose`, "id"},
		{"settings", "sealed", `'settings'`, `org_id || '/' || name`},
		{"webhooks", "sealed", `'webhooks'`, "id"},
		{"mails", "sealed", `'mail'`, "id"},
		{"factors", "sealed", `'factor'`, "id"},
		{"connections", "sealed", `'connection'`, "id"},
	} {
		sealed := map[string][]byte{}
		var purpose, name string
		postgrestest.Each(t, db, `SELECT `+c.purpose+`, `+c.name+` FROM `+c.table, func() {
			sealed[name] = secret.Sealer(purpose).Seal(nil, nil, []byte("secret"), []byte(name))
		}, &purpose, &name)
		for name, value := range sealed {
			must(t, db, `UPDATE `+c.table+` SET `+c.column+` = $1 WHERE `+c.name+` = $2 AND `+c.column+` IS NOT NULL`, value, name)
		}
	}
}

// yesNo are the columns, of tables that fillAll fills, that say yes or no.
var yesNo = []string{
	"connections.required", "connections.sign_up", "connections.trust_email", "links.mailed",
	"plans.configured", "webhooks.active",
}

func firstKey(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	for _, c := range columns(t, db, table) {
		if c.key == 1 {
			return c.name
		}
	}
	t.Fatalf("%s has no key", table)
	return ""
}

// tables are all tables of a SQLite database, those that others refer to first.
func tables(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	rows, err := db.Query(`WITH RECURSIVE t(name, depth) AS (
		SELECT name, 0 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'goose_db_version'
		UNION SELECT m.name, t.depth + 1 FROM t, sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
			WHERE m.type = 'table' AND f."table" = t.name)
		SELECT name FROM t GROUP BY name ORDER BY max(depth), name`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := rows.Err(); err != nil || len(all) < 40 {
		t.Fatalf("%d tables: %v", len(all), err)
	}
	return all
}

func columns(t *testing.T, db *sql.DB, table string) (all []column) {
	t.Helper()
	rows, err := db.Query(`SELECT c.name, c.type, c."notnull", c.pk, f."table" FROM pragma_table_info($1) c
		LEFT JOIN pragma_foreign_key_list($1) f ON f."from" = c.name ORDER BY c.cid`, table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typ, &c.required, &c.key, &c.refers); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// contents are all rows of a SQLite database by table, as SQL writes their values.
func contents(t *testing.T, f sqlite.File) map[string][]string {
	t.Helper()
	db, all := raw(t, f), map[string][]string{}
	for _, table := range tables(t, db) {
		var quoted []string
		for _, c := range columns(t, db, table) {
			quoted = append(quoted, `quote("`+c.name+`")`)
		}
		all[table] = []string{}
		var r string
		postgrestest.Each(t, db, `SELECT `+strings.Join(quoted, ` || ',' || `)+` AS r FROM `+table+` ORDER BY r`, func() {
			all[table] = append(all[table], r)
		}, &r)
	}
	return all
}

// nowhere is where there is no SQLite database.
func nowhere(t *testing.T) sqlite.File {
	t.Helper()
	return sqlite.File(filepath.Join(filepath.Dir(sqlitetest.File(t)), "new.db"))
}
