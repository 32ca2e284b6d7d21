package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// idempotentLife is how long a key gets the same answer.
const idempotentLife = 24 * time.Hour

// BeginIdempotent reserves a key of the actor's for a request, given by its
// hash; or returns the answer that the request got before. Errors: CodeInvalid (the
// key was used for another request), CodeConflict (the first request is not finished).
func (s *Store) BeginIdempotent(ctx context.Context, a registry.Actor, key string, request registry.Hash) (answer []byte, err error) {
	err = s.atomic(ctx, a, func(t *writeTx) error {
		if _, err := t.exec(`DELETE FROM idempotency WHERE at < $1`, us(t.now.Add(-idempotentLife))); err != nil {
			return err
		}
		was, err := t.reserve(who(a), key, request, &answer)
		if err != nil || was == nil {
			return err
		}
		switch {
		case string(was) != string(request[:]):
			return registry.Errorf(registry.CodeInvalid, "Idempotency-Key", "this Idempotency-Key was used for another request: use a new one").Because(registry.ReasonIdempotencyKeyReused)
		case answer == nil:
			return registry.Errorf(registry.CodeConflict, "Idempotency-Key", "the first request with this Idempotency-Key has not finished, or its end is not known: look whether it had its effect before you use a new key").Because(registry.ReasonIdempotencyKeyInUse)
		}
		return nil
	})
	return answer, err
}

const keyReserve = `INSERT INTO idempotency (actor, key, request, at) VALUES ($1,$2,$3,$4)
	ON CONFLICT DO NOTHING`

// reserve returns nil when a key was free, and otherwise what it was reserved for; answer is then the
// one that was kept. A key that is given back between the two statements is free as well.
func (t *writeTx) reserve(
	actor, key string, request registry.Hash, answer *[]byte,
) (was []byte, err error) {
	for {
		n, err := t.exec(keyReserve, actor, key, request[:], us(t.now))
		if err != nil || n == 1 {
			return nil, err
		}
		err = t.QueryRowContext(t.ctx,
			`SELECT request, answer FROM idempotency WHERE actor = $1 AND key = $2`, actor, key,
		).Scan(&was, answer)
		if !errors.Is(err, sql.ErrNoRows) {
			return was, err
		}
	}
}

// FinishIdempotent keeps the answer of a reserved key; without one the key is free again.
func (s *Store) FinishIdempotent(ctx context.Context, a registry.Actor, key string, answer []byte) error {
	if !a.Valid() {
		return errNobody()
	}
	// The answer is on its way, whether its reader is still there or not, and whether or not the request
	// ended its own session.
	as := registry.AsSystem("idempotency")
	return s.atomic(context.WithoutCancel(ctx), as, func(t *writeTx) error {
		if answer == nil {
			_, err := t.exec(`DELETE FROM idempotency WHERE actor = $1 AND key = $2 AND answer IS NULL`, who(a), key)
			return err
		}
		_, err := t.exec(`UPDATE idempotency SET answer = $3 WHERE actor = $1 AND key = $2`, who(a), key, answer)
		return err
	})
}

// who tells actors apart that must not get each other's answers.
func who(a registry.Actor) string {
	return string(a.Kind()) + ":" + string(a.User) + ":" + string(a.Key())
}
