package postgrestest

import (
	"database/sql"
	"testing"
)

// Each calls f for each row of a query, scanned into dest. The database may also be another kind.
func Each(t *testing.T, db *sql.DB, query string, f func(), dest ...any) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		f()
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
