package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// pruneBatch bounds how many entries are removed in one transaction, in which nobody else writes.
const pruneBatch = 5000

// PruneAudit removes the entries of the audit log from before a time, up to a number of them, and notes in the log
// itself that it did. What is kept still shows that nothing else is missing. more says that some are left. For the system.
func (s *Store) PruneAudit(ctx context.Context, a registry.Actor, before time.Time) (more bool, err error) {
	if err := only(a); err != nil {
		return false, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		state, err := t.auditState()
		if err != nil {
			return err
		}
		first := state.first
		// Entries are in the order of their time, but for a clock that was set back: the first that is young enough ends it.
		var keep sql.NullInt64
		if err := t.QueryRowContext(t.ctx, `SELECT min(seq) FROM audit WHERE at >= $1`, us(before)).Scan(&keep); err != nil {
			return fmt.Errorf("store: audit: %w", err)
		}
		if !keep.Valid || keep.Int64 <= first { // the newest stays in any case: the chain goes on from it
			return nil
		}
		next := min(keep.Int64, first+pruneBatch)
		more = next < keep.Int64
		var hash string
		if err := t.QueryRowContext(t.ctx, `SELECT hash FROM audit WHERE seq = $1`, next-1).Scan(&hash); err != nil {
			return fmt.Errorf("store: audit: %w", err)
		}
		if err := t.must(`UPDATE audit_start SET seq = $1, hash = $2 WHERE id = 1`, next, hash); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM audit WHERE seq < $1`, next); err != nil {
			return err
		}
		state.first, state.before = next, hash
		if err := t.saveHead(state); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeAuditPruned}, "audit log", prunedDetail(next, hash))
	})
	return more, err
}

func prunedDetail(first int64, hash string) string {
	return fmt.Sprintf("begins with entry %d now, after %s", first, hash)
}

// explained refuses a log that does not begin at the beginning, unless an entry says so.
func explained(ctx context.Context, q querier, s auditState) error {
	if s.first == 1 {
		return nil
	}
	var one int
	err := q.QueryRowContext(ctx, `SELECT 1 FROM audit WHERE action = $1 AND detail = $2 LIMIT 1`,
		registry.ChangeAuditPruned, prunedDetail(s.first, s.before)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return registry.Errorf(registry.CodeConflict, "",
			"the audit log begins with entry %d, and no entry says why", s.first)
	}
	return err
}
