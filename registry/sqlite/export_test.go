package sqlite

import (
	"database/sql"
	"testing"
)

// SetDriver makes stores use another driver until the test ends.
func SetDriver(t *testing.T, name string) {
	driverName = name
	t.Cleanup(func() { driverName = "sqlite" })
}

// Reader returns the pool of a store that reads.
func Reader(s *Store) *sql.DB { return s.read }
