package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// hot are the statements of every change, and of every heartbeat; hotReads are outside of
// transactions. Prepared once, an entry of the audit log costs half.
var hot = []string{
	feedSave, feedInsert, auditStateQuery, auditInsert, auditHeadSave, heartbeatSave,
}

var hotReads = []string{generationQuery}

// Prepare prepares the hot statements, once there is a database.
func Prepare(ctx context.Context, s *Store) error {
	all := map[string]*sql.Stmt{}
	for pool, statements := range map[*sql.DB][]string{s.write: hot, s.reader: hotReads} {
		for _, q := range statements {
			//nolint:sqlclosecheck // closed with the connection
			st, err := pool.PrepareContext(ctx, s.dialect.Translate(q))
			if err != nil {
				return fmt.Errorf("store: %w", err)
			}
			all[q] = st
		}
	}
	s.prepared.Store(&all)
	return nil
}

// hotRow is a read by a prepared statement, where there is one.
func (s *Store) hotRow(ctx context.Context, query string, args ...any) *sql.Row {
	if p := s.prepared.Load(); p != nil && (*p)[query] != nil {
		return (*p)[query].QueryRowContext(ctx, args...)
	}
	return s.read.QueryRowContext(ctx, query, args...)
}

// row is QueryRowContext, by a prepared statement where there is one.
func (t *writeTx) row(query string, args ...any) *sql.Row {
	if st := t.prepared[query]; st != nil {
		//nolint:sqlclosecheck // closed with the transaction
		return t.sql.StmtContext(t.ctx, st).QueryRowContext(t.ctx, args...)
	}
	return t.QueryRowContext(t.ctx, query, args...)
}
