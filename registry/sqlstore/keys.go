package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

func scanKey(r scanner) (k registry.Key, err error) {
	var public string
	err = r.Scan(&k.ID, &k.Purpose, &public, &k.Private, (*micros)(&k.SignsFrom), (*micros)(&k.SignsTo), (*micros)(&k.ExpiresAt))
	k.Public = []byte(public)
	return k, err
}

// Keys returns the unexpired keys of a ring, by when they begin to sign. For the system.
func (s *Store) Keys(ctx context.Context, a registry.Actor, purpose string) ([]registry.Key, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanKey, `SELECT id, purpose, public, private, signs_from, signs_to, expires_at FROM keys WHERE purpose = $1 AND expires_at > $2 ORDER BY signs_from, id`,
		purpose, us(s.now()))
}

// AddKey adds a key to a ring, unless another node added one that signs at
// SignsFrom or later; the caller then reads the ring again. For the system.
func (s *Store) AddKey(ctx context.Context, a registry.Actor, k registry.Key) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		n, err := t.exec(`INSERT INTO keys (id, purpose, public, private, signs_from, signs_to, expires_at)
			SELECT $1,$2,$3,$4,$5,$6,$7 WHERE NOT EXISTS (SELECT 1 FROM keys WHERE purpose = $2 AND signs_to > (CAST($5 AS BIGINT) + CAST($6 AS BIGINT)) / 2)`,
			k.ID, k.Purpose, string(k.Public), k.Private, us(k.SignsFrom), us(k.SignsTo), us(k.ExpiresAt))
		if err != nil || n == 0 {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeKeyAdded}, k.Purpose, k.ID)
	})
}

// SigningKeys returns the unexpired keys of all rings without their private halves, by ring and time. For platform admins and the system.
func (s *Store) SigningKeys(ctx context.Context, a registry.Actor) ([]registry.Key, error) {
	if err := s.may(a, registry.ActionSigningKeyRead); err != nil {
		return nil, err
	}
	list, err := collect(ctx, s.read, scanKey, `SELECT id, purpose, public, private, signs_from, signs_to, expires_at FROM keys WHERE expires_at > $1 ORDER BY purpose, signs_from, id`, us(s.now()))
	for i := range list {
		list[i].Private = nil
	}
	return list, err
}

// RotateKeys puts a key in the place of those of its ring, for each ring named: from SignsFrom on it
// signs, and what the others signed is good for Verify longer. In an emergency it signs at once, and
// nothing of the others is good any more. For platform admins; no key does. Error: CodeForbidden.
func (s *Store) RotateKeys(ctx context.Context, a registry.Actor, keys []registry.Key, r registry.KeyRotation) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionSigningKeyRotate); err != nil {
			return err
		}
		for _, k := range keys {
			kind, end, expires := registry.ChangeKeyRotated, us(k.SignsFrom), us(k.SignsFrom.Add(r.Verify))
			if r.Emergency {
				kind, end, expires = registry.ChangeKeyRevoked, us(t.now), us(t.now)
			}
			// A key that has not signed yet signs never.
			if _, err := t.exec(`DELETE FROM keys WHERE purpose = $1 AND signs_from > $2`, k.Purpose, us(t.now)); err != nil {
				return err
			}
			if _, err := t.exec(`UPDATE keys SET signs_to = {least signs_to, $2}, expires_at = {least expires_at, $3} WHERE purpose = $1`, k.Purpose, end, expires); err != nil {
				return err
			}
			if err := t.must(`INSERT INTO keys (id, purpose, public, private, signs_from, signs_to, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
				k.ID, k.Purpose, string(k.Public), k.Private, us(k.SignsFrom), us(k.SignsTo), us(k.ExpiresAt)); err != nil {
				return err
			}
			if err := t.record(registry.Change{Kind: kind}, k.Purpose, k.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
