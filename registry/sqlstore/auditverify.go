package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// VerifyAudit walks the whole audit log, from where it begins: the hash chain, the MAC of every
// entry, that of where the log ends and begins, and heads that were kept elsewhere. It returns a
// CodeConflict error that names the first entry that does not hold. For platform admins and the system.
func (s *Store) VerifyAudit(
	ctx context.Context,
	a registry.Actor,
	heads registry.AuditHeads,
) (r registry.AuditReport, err error) {
	if err := s.may(a, registry.ActionPlatformAudit); err != nil {
		return r, err
	}
	err = s.reading(ctx, func(q querier) error {
		r, err = s.verifyAudit(ctx, q, heads)
		return err
	})
	return r, err
}

// CheckAudit is VerifyAudit for a database that no Store has open. It proves first that key is its
// secret key. Error: ErrSealed, besides those of VerifyAudit.
func CheckAudit(
	ctx context.Context, view *sql.Tx, key registry.SecretKey,
) (r registry.AuditReport, err error) {
	s := &Store{key: key, keys: newAuditKeys(key)}
	if err := s.proveKey(ctx, view); err != nil {
		return r, err
	}
	return s.verifyAudit(ctx, view, nil)
}

func (s *Store) verifyAudit(
	ctx context.Context, q querier, heads registry.AuditHeads,
) (r registry.AuditReport, err error) {
	state, err := scanAuditState(q.QueryRowContext(ctx, auditStateQuery))
	if err != nil {
		return r, err
	}
	epochs, err := s.auditEpochs(ctx, q)
	if err != nil {
		return r, err
	}
	chain := registry.NewAuditChain(state.first, state.before)
	if err := walkAudit(ctx, q, chain, epochs, heads); err != nil {
		return r, err
	}
	if why := s.keys.fault(state); why != "" {
		return r, registry.Errorf(registry.CodeConflict, "", "%s", why).Because(registry.ReasonAuditLogChanged)
	}
	if err := explained(ctx, q, state); err != nil {
		return r, err
	}
	r = chain.AuditReport
	r.Unchecked = 0 // their MACs held
	r.Head = state.AuditHead
	return r, heads.Finish(r)
}

// auditEpochs opens the keys of all epochs.
func (s *Store) auditEpochs(ctx context.Context, q querier) (map[int64][]byte, error) {
	type row struct {
		id     int64
		sealed []byte
	}
	list, err := collect(ctx, q, func(r scanner) (e row, err error) {
		err = r.Scan(&e.id, &e.sealed)
		return e, err
	}, `SELECT id, sealed FROM audit_epochs ORDER BY id`)
	if err != nil {
		return nil, err
	}
	keys := map[int64][]byte{}
	for _, e := range list {
		if key, err := s.keys.open(e.id, e.sealed); err == nil { // else its entries do not hold
			keys[e.id] = key
		}
	}
	return keys, nil
}

func walkAudit(
	ctx context.Context,
	q querier,
	chain *registry.AuditChain,
	epochs map[int64][]byte,
	heads registry.AuditHeads,
) error {
	rows, err := q.QueryContext(
		ctx,
		`SELECT `+auditColumns+`, epoch, mac FROM audit ORDER BY seq`,
	)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = rows.Close() }()
	last, broken := int64(0), int64(0)
	n, err := heads.Compare(chain.First-1, chain.Before)
	if err != nil {
		return err
	}
	chain.Compared += n
	for rows.Next() {
		var e registry.AuditEntry
		var epoch int64
		var sum string
		if err := rows.Scan(append(auditFields(&e), &epoch, &sum)...); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		prev := chain.Prev()
		if n, err = heads.Compare(e.Seq, e.Hash); err != nil {
			return err
		}
		chain.Compared += n
		if err := chain.Next(e); err != nil {
			return err
		}
		if err := checkMAC(epochs, epoch, prev, sum, e); err != nil {
			return err
		}
		if epoch < last {
			return registry.Errorf(
				registry.CodeConflict,
				"",
				"audit entry %d has an older key than the one before it",
				e.Seq,
			)
		}
		if last = epoch; e.Action == registry.ChangeAuditBroken && broken == 0 {
			broken = e.Seq
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if broken != 0 {
		return registry.Errorf(
			registry.CodeConflict,
			"",
			"audit entry %d says that the log was changed before it",
			broken,
		)
	}
	return nil
}

func checkMAC(epochs map[int64][]byte, epoch int64, prev, sum string, e registry.AuditEntry) error {
	if sum == "" {
		return registry.Errorf(
			registry.CodeConflict,
			"",
			"audit entry %d has no MAC: the server did not write it",
			e.Seq,
		)
	}
	key, ok := epochs[epoch]
	if !ok {
		return registry.Errorf(
			registry.CodeConflict,
			"",
			"audit entry %d: key %d of the audit log is missing or was changed",
			e.Seq,
			epoch,
		)
	}
	want, err := entryMAC(key, epoch, prev, e)
	if err != nil || !sameMAC(sum, want) {
		return registry.Errorf(
			registry.CodeConflict,
			"",
			"audit entry %d has a wrong MAC: the server did not write it like this",
			e.Seq,
		)
	}
	return nil
}
