package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// BeginSecond counts a try of a code before it is judged, so that tries at once are counted, too.
// It returns how many there were in a row. A known browser does not wait for the
// delay that somebody else caused. For the system. Errors: CodeTooManyRequests
// (wait), CodeForbidden (locked).
func (s *Store) BeginSecond(ctx context.Context, a registry.Actor, id registry.UserID, b registry.Browser) (failures int, err error) {
	if err := only(a); err != nil {
		return 0, err
	}
	err = s.atomic(ctx, a, func(t *writeTx) error {
		var next time.Time
		err := t.QueryRowContext(t.ctx, `INSERT INTO second_failures (user_id, failures, next_at) VALUES ($1,0,0)
			ON CONFLICT (user_id) DO UPDATE SET failures = second_failures.failures RETURNING failures, next_at`, id).Scan(&failures, (*micros)(&next))
		if err != nil {
			return err
		}
		if failures >= registry.SecondLockAt {
			return registry.Errorf(registry.CodeForbidden, "code", "after %d wrong codes your password may be in wrong hands: set a new one with \"Forgot your password?\", or ask a platform admin for a link", failures)
		}
		if wait := next.Sub(t.now); wait > 0 && b == registry.BrowserUnknown {
			return registry.Errorf(registry.CodeTooManyRequests, "code", "too many wrong codes: try again in %v", (wait + time.Second - 1).Truncate(time.Second))
		}
		failures++
		return t.must(`UPDATE second_failures SET failures = $2, next_at = $3 WHERE user_id = $1`, id, failures, us(t.now.Add(registry.SecondDelay(failures))))
	})
	return failures, err
}

// EndSecond forgets wrong codes after a success, which was the try of this number; 0 = it was none
// of a code. An account that others have locked meanwhile stays locked. For the system.
func (s *Store) EndSecond(ctx context.Context, a registry.Actor, id registry.UserID, failures int) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`DELETE FROM second_failures WHERE user_id = $1 AND failures <= $2`, id, max(failures, registry.SecondLockAt-1))
		return err
	})
}

// SecondFailed records that an account had so many wrong codes in a row. For the system.
func (s *Store) SecondFailed(ctx context.Context, a registry.Actor, id registry.UserID, failures int, address string) error {
	if err := only(a); err != nil {
		return err
	}
	kind, detail := registry.ChangeSecondStepFailed, "wrong codes in a row"
	if failures >= registry.SecondLockAt {
		kind, detail = registry.ChangeSecondStepLocked, "until there is a new password"
	}
	return s.recordAttack(ctx, a, id, kind, detail, address)
}

// SignInLimited records that an account's own limit refuses tries from wherever. For the system.
func (s *Store) SignInLimited(ctx context.Context, a registry.Actor, id registry.UserID, address string) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recordAttack(ctx, a, id, registry.ChangeSignInLimited, "too many tries from many networks", address)
}

func (s *Store) recordAttack(ctx context.Context, a registry.Actor, id registry.UserID, kind registry.ChangeKind, detail, address string) error {
	return s.recording(ctx, a, func(t *tx) error {
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		t.actor = registry.AsVisitor(address) // nobody showed who they are
		return t.record(registry.Change{Kind: kind, UserID: id}, u.Email, detail)
	})
}
