package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// AcquireLease gives a lease to a holder for ttl from now, unless another holds it. The holder renews
// it by the same call. For the system.
func (s *Store) AcquireLease(
	ctx context.Context, a registry.Actor, name registry.LeaseName, holder string,
	ttl time.Duration,
) (held bool, err error) {
	if err := only(a); err != nil {
		return false, err
	}
	err = s.atomic(ctx, a, func(t *writeTx) error {
		n, err := t.exec(`INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
			WHERE leases.holder = excluded.holder OR leases.expires_at <= $4`,
			name, holder, us(t.now.Add(ttl)), us(t.now))
		held = n == 1
		return err
	})
	return held && err == nil, err
}

// ReleaseLease ends a lease early. For the system. A lost lease is no error.
func (s *Store) ReleaseLease(
	ctx context.Context, a registry.Actor, name registry.LeaseName, holder string,
) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`DELETE FROM leases WHERE name = $1 AND holder = $2`, name, holder)
		return err
	})
}

// BreakLeases ends all leases and claims: for a process that has the database to itself. For the
// system.
func (s *Store) BreakLeases(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		for _, end := range []string{
			`UPDATE instances SET lease_until = 0 WHERE lease_until > 0`,
			allRows + `UPDATE mails SET claimed_until = 0 WHERE claimed_until > 0`,
			allRows + `UPDATE deliveries SET claimed_until = 0 WHERE claimed_until > 0`,
			allRows + `DELETE FROM leases`,
		} {
			if _, err := t.exec(end); err != nil {
				return err
			}
		}
		return nil
	})
}
