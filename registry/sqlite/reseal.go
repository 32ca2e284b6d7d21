package sqlite

import (
	"context"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// sealedColumns are all columns with sealed values: what each is sealed for, and under which name.
var sealedColumns = []struct{ table, column, purpose, name string }{
	{"keys", "private", `'keys/' || purpose`, "id"},
	{"settings", "sealed", `'settings'`, `org_id || '/' || name`},
	{"webhooks", "sealed", `'webhooks'`, "id"},
	{"mails", "sealed", `'mail'`, "id"},
	{"factors", "sealed", `'factor'`, "id"},
	{"connections", "sealed", `'connection'`, "id"},
}

// Reseal replaces every sealed value by what f makes of it, or none; answers that were kept to be given
// again go, and drafts. It returns how many there were. For the operator, while no server runs.
func (s *Store) Reseal(ctx context.Context, a registry.Actor, f func(purpose, name string, sealed []byte) ([]byte, error)) (n int, err error) {
	type value struct {
		purpose, name string
		sealed        []byte
	}
	err = s.update(ctx, a, func(t *tx) error {
		if a.Kind() != "operator" {
			return registry.Errorf(registry.Forbidden, "", "only the operator may do this")
		}
		for _, c := range sealedColumns {
			list, err := collect(t.ctx, t, func(r scanner) (v value, err error) {
				err = r.Scan(&v.purpose, &v.name, &v.sealed)
				return v, err
			}, fmt.Sprintf(`SELECT %s, %s, %s FROM %s WHERE %[3]s IS NOT NULL`, c.purpose, c.name, c.column, c.table))
			if err != nil {
				return err
			}
			for _, v := range list {
				again, err := f(v.purpose, v.name, v.sealed)
				if err != nil {
					return fmt.Errorf("%s %s: %w", c.table, v.name, err)
				}
				if err := t.must(fmt.Sprintf(`UPDATE %s SET %s = $2 WHERE %s = $1`, c.table, c.column, c.name), v.name, again); err != nil {
					return err
				}
				n++
			}
		}
		for _, q := range []string{`DELETE FROM idempotency`, `DELETE FROM drafts`} {
			if _, err := t.exec(q); err != nil {
				return err
			}
		}
		return t.record(registry.Change{Kind: registry.KeyRotated}, "secret key", "")
	})
	return n, err
}
