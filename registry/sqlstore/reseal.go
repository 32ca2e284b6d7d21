package sqlstore

import (
	"context"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// sealedColumn is a column with sealed values: what each is sealed for, and under which name.
type sealedColumn struct{ table, column, purpose, name string }

// sealedColumns are all of them.
var sealedColumns = []sealedColumn{
	{"keys", "private", `'keys/' || purpose`, "id"},
	{"settings", "sealed", `'settings'`, `org_id || '/' || name`},
	{"webhooks", "sealed", `'webhooks'`, "id"},
	{"mails", "sealed", `'mail'`, "id"},
	{"factors", "sealed", `'factor'`, "id"},
	{"connections", "sealed", `'connection'`, "id"},
	{"audit_epochs", "sealed", `'` + sealedAudit + `'`, "id"},
}

func (c sealedColumn) selected() string {
	return fmt.Sprintf(`SELECT %s, %s, %s FROM %s WHERE %[3]s IS NOT NULL`,
		c.purpose, c.name, c.column, c.table)
}

type sealedValue struct {
	purpose, name string
	sealed        []byte
}

func (v sealedValue) open(k registry.SecretKey) ([]byte, error) {
	plain, err := k.Sealer(v.purpose).Open(nil, nil, v.sealed, []byte(v.name))
	if err != nil {
		return nil, registry.ErrSealed
	}
	return plain, nil
}

// Reseal seals every sealed value again under another secret key, or none; answers that were kept to
// be given again go, and drafts. The audit log goes on under a new key. It returns how many values there were.
// For the operator, while no server runs; open the store again with the other key.
func (s *Store) Reseal(ctx context.Context, a registry.Actor, next registry.SecretKey) (n int, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		n = 0
		if a.Kind() != registry.ActorOperator {
			return registry.Errorf(registry.CodeForbidden, "", "only the operator may do this")
		}
		state, err := t.auditState()
		if err != nil {
			return err
		}
		if err := t.beginEpoch(&state); err != nil {
			return err
		}
		for _, c := range sealedColumns {
			changed, err := t.resealColumn(c, s.key, next)
			if err != nil {
				return err
			}
			n += changed
		}
		for _, q := range []string{`DELETE FROM idempotency`, `DELETE FROM drafts`} {
			if _, err := t.exec(q); err != nil {
				return err
			}
		}
		t.keys = newAuditKeys(next)
		if err := t.saveHead(state); err != nil {
			return err
		}
		t.known = false // the new key is sealed again, too
		return t.record(registry.Change{Kind: registry.ChangeKeyRotated}, "secret key", "")
	})
	return n, err
}

func (t *tx) resealColumn(c sealedColumn, old, next registry.SecretKey) (n int, err error) {
	list, err := collect(t.ctx, t, func(r scanner) (v sealedValue, err error) {
		err = r.Scan(&v.purpose, &v.name, &v.sealed)
		return v, err
	}, c.selected())
	if err != nil {
		return 0, err
	}
	for _, v := range list {
		plain, err := v.open(old)
		if err != nil {
			return 0, fmt.Errorf("%s %s: %w", c.table, v.name, err)
		}
		again := next.Sealer(v.purpose).Seal(nil, nil, plain, []byte(v.name))
		if err := t.must(fmt.Sprintf(`UPDATE %s SET %s = $2 WHERE %s = $1`, c.table, c.column, c.name),
			v.name, again); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}
