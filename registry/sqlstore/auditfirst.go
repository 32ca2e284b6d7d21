package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// KeyAudit makes the first key of the audit log, and authenticates under it the entries that are
// there from before there were keys; it does so once. It refuses another secret key than the one
// that the database was sealed under. db is migrated, and nobody else uses it yet.
// Error: ErrSealed.
func KeyAudit(ctx context.Context, s *Store, db *sql.DB) error {
	view, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = view.Rollback() }()
	t, err := s.writeTx(ctx, view, registry.AsSystem("audit")).lockFeed()
	if err != nil {
		return err
	}
	if err := s.proveKey(ctx, t); err != nil {
		return err
	}
	if err := t.ends(); err != nil {
		return err
	}
	state := t.log
	var fresh bool // as the migration left it: with a head, and with no entry that had a key
	if err := t.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM audit_head WHERE id = 1 AND epoch = 0)
		AND NOT EXISTS (SELECT 1 FROM audit WHERE format <> $1)`, registry.AuditPlain).
		Scan(&fresh); err != nil {
		return err
	}
	if !fresh || state.newest != 0 {
		return nil // changed since the last start: the next entry says so
	}
	if err := t.beginEpoch(&state); err != nil {
		return err
	}
	n, err := t.keyEntries(state)
	if err != nil {
		return err
	}
	state.Seq, state.Hash = state.lastSeq, state.lastHash
	if err := t.saveHead(state); err != nil {
		return err
	}
	if n > 0 {
		detail := fmt.Sprintf("%d entries of an earlier version", n)
		if err := t.audit(registry.Change{Kind: registry.ChangeAuditKeyed}, "audit log", detail); err != nil {
			return err
		}
	}
	return view.Commit()
}

// proveKey opens a value of each kind that is sealed in the database.
func (s *Store) proveKey(ctx context.Context, q querier) error {
	for _, c := range sealedColumns {
		var v sealedValue
		err := q.QueryRowContext(ctx, c.selected()+` LIMIT 1`).
			Scan(&v.purpose, &v.name, &v.sealed)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := v.open(s.key); err != nil {
			return fmt.Errorf("%s %s does not open under the secret key: %w", c.table, v.name, err)
		}
	}
	return nil
}

// keyEntries gives salts and MACs to the entries that have none. Their hashes stay what they are.
func (t *tx) keyEntries(s auditState) (n int, err error) {
	key, err := t.keys.open(s.Epoch, s.sealed)
	if err != nil {
		return 0, err
	}
	const batch = 1000
	for prev, after := s.before, int64(0); ; {
		list, err := collect(t.ctx, t, scanAudit,
			auditExport+` WHERE seq > $1 ORDER BY seq LIMIT $2`, after, batch)
		if err != nil || len(list) == 0 {
			return n, err
		}
		for _, e := range list {
			e.Salt()
			sum, err := entryMAC(key, s.Epoch, prev, e)
			if err != nil {
				return n, fmt.Errorf("audit entry %d: %w", e.Seq, err)
			}
			salts, err := json.Marshal(e.Salts)
			if err != nil {
				return n, err
			}
			if err := t.must(`UPDATE audit SET salts = $2, epoch = $3, mac = $4 WHERE seq = $1`,
				e.Seq, string(salts), s.Epoch, sum); err != nil {
				return n, err
			}
			n, prev, after = n+1, e.Hash, e.Seq
		}
	}
}
