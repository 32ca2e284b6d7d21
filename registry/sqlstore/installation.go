package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pizzaface/pizzeria/registry"
)

// Installation returns the ID of the installation, which the first call makes. For the system.
func (s *Store) Installation(
	ctx context.Context, a registry.Actor,
) (id registry.InstallationID, err error) {
	if err := only(a); err != nil {
		return "", err
	}
	const query = `SELECT uuid FROM installation WHERE id = 1`
	err = s.read.QueryRowContext(ctx, query).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	err = s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`INSERT INTO installation (id, uuid) VALUES (1, $1) ON CONFLICT DO NOTHING`,
			registry.NewID())
		if err != nil {
			return err
		}
		return t.QueryRowContext(t.ctx, query).Scan(&id)
	})
	return id, err
}

// PlaceOf returns where a provider keeps instances: here, unless another place was named before, and
// the server is not alone. For the system.
func (s *Store) PlaceOf(
	ctx context.Context, a registry.Actor, provider string, here registry.PlaceID, alone bool,
) (at registry.PlaceID, err error) {
	if err := only(a); err != nil {
		return "", err
	}
	key := "place:" + provider
	name := `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	if alone {
		name = `INSERT INTO meta (key, value) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`
	}
	err = s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(name, key, here)
		if err != nil {
			return err
		}
		return t.QueryRowContext(t.ctx, `SELECT value FROM meta WHERE key = $1`, key).Scan(&at)
	})
	return at, err
}
