package sqlstore

import (
	"context"
	"database/sql"

	"github.com/pizzaface/pizzeria/registry"
)

// PruneBatch is pruneBatch.
const PruneBatch = pruneBatch

// PrunedDetail is prunedDetail.
var PrunedDetail = prunedDetail

// Record records the same change n times, in one transaction.
func (s *Store) Record(
	ctx context.Context, a registry.Actor, n int, c registry.Change, target, detail string,
) error {
	return s.recording(ctx, a, func(t *tx) error {
		for range n {
			if err := t.record(c, target, detail); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reader is the pool that reads.
func (s *Store) Reader() *sql.DB { return s.reader }

// Writer is the pool that writes.
func (s *Store) Writer() *sql.DB { return s.write }

// IsSealed reports whether Reseal seals a column again.
func IsSealed(table, column string) bool {
	for _, c := range sealedColumns {
		if c.table == table && c.column == column {
			return true
		}
	}
	return false
}

// Transact runs f in a write transaction.
func (s *Store) Transact(ctx context.Context, a registry.Actor, f func(*sql.Tx) error) error {
	return s.transact(ctx, a, func(t *writeTx) error { return f(t.sql) })
}
