package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

func scanFactor(r scanner) (f registry.Factor, err error) {
	err = r.Scan(&f.ID, &f.Kind, &f.Name, &f.Sealed, (*micros)(&f.CreatedAt), (*micros)(&f.LastUsedAt))
	return f, err
}

const factorQuery = `SELECT f.id, f.kind, f.name, f.sealed, f.created_at, f.last_used_at FROM factors f WHERE f.user_id = $1`

func errNoFactor() error {
	return registry.Errorf(registry.CodeNotFound, "", "there is no such second step")
}

// Factors returns the second factors of an account, oldest first: the actor's own, or anybody's for platform admins. Error: CodeNotFound.
func (s *Store) Factors(ctx context.Context, a registry.Actor, id registry.UserID) ([]registry.Factor, error) {
	if err := s.mayAccount(a, id, registry.ActionUserRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanFactor, factorQuery+` ORDER BY f.id`, id)
}

// AddFactor gives the actor's account a second factor; with the first come recovery codes. step is that of the
// code which showed that it works. For people who are signed in. Errors: CodeInvalid, CodeForbidden, CodeConflict (FactorsMax).
func (s *Store) AddFactor(ctx context.Context, a registry.Actor, f registry.Factor, step int64, recovery []registry.Hash) (first bool, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := own(a, a.User, registry.ActionAccountManage, t.now); err != nil {
			return err
		}
		name, err := registry.CleanName(f.Name)
		if err != nil {
			return err
		}
		var have int
		if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM factors WHERE user_id = $1`, a.User).Scan(&have); err != nil {
			return err
		}
		if have >= registry.FactorsMax {
			return registry.Errorf(registry.CodeConflict, "", "there are %d already: remove one first", have).Because(registry.ReasonLimitReached)
		}
		if err := t.must(`INSERT INTO factors (id, user_id, kind, name, sealed, step, created_at) VALUES ($1,$2,$3,$4,$5,$6,$7)`, f.ID, a.User, f.Kind, name, f.Sealed, step, us(t.now)); err != nil {
			return err
		}
		if first = have == 0; first {
			if err := t.setRecovery(recovery); err != nil {
				return err
			}
		}
		// Who just showed password and factor need not sign in again with both.
		method := map[registry.FactorKind]string{registry.FactorTOTP: registry.MethodCode, registry.FactorPasskey: registry.MethodPasskey}[f.Kind]
		if _, err := t.exec(`UPDATE sessions SET methods = trim(methods || $2) WHERE id = $1 AND {find methods, $3} = 0`, a.Session, " "+method+" "+registry.MethodMultiple, registry.MethodMultiple); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: a.User}, a.Name(), "second step added: "+name)
	})
	return first, err
}

func (t *tx) setRecovery(hashes []registry.Hash) error {
	if _, err := t.exec(`DELETE FROM recovery_codes WHERE user_id = $1`, t.actor.User); err != nil {
		return err
	}
	for _, h := range hashes {
		if err := t.must(`INSERT INTO recovery_codes (hash, user_id) VALUES ($1,$2)`, h[:], t.actor.User); err != nil {
			return err
		}
	}
	return nil
}

// SetRecoveryCodes replaces the actor's recovery codes. For people who are signed in and have a factor. Errors: CodeForbidden, CodeConflict.
func (s *Store) SetRecoveryCodes(ctx context.Context, a registry.Actor, hashes []registry.Hash) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := own(a, a.User, registry.ActionAccountManage, t.now); err != nil {
			return err
		}
		var have bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM factors WHERE user_id = $1)`, a.User).Scan(&have); err != nil {
			return err
		}
		if !have {
			return registry.Errorf(registry.CodeConflict, "", "recovery codes are for a second step: add one first")
		}
		if err := t.setRecovery(hashes); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: a.User}, a.Name(), "new recovery codes")
	})
}

// mayRemoveFactors decides on one's own second factors, and on those of others: whoever has the
// password gets in without them.
func (t *tx) mayRemoveFactors(id registry.UserID) error {
	if t.actor.User == id {
		return own(t.actor, id, registry.ActionAccountManage, t.now)
	}
	if err := t.may(registry.ActionUserUpdate); err != nil {
		return err
	}
	return t.mayMake()
}

// RemoveFactors takes one factor from an account, or with "" all; with the last go the recovery
// codes. The person's own, or anybody's for platform admins; no key does. Errors: CodeForbidden, CodeNotFound.
func (s *Store) RemoveFactors(ctx context.Context, a registry.Actor, id registry.UserID, factor registry.FactorID) error {
	return s.recording(ctx, a, func(t *tx) error {
		if err := t.mayRemoveFactors(id); err != nil {
			return err
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM factors WHERE user_id = $1 AND ($2 = '' OR id = $2)`, id, factor)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoFactor()
		}
		if err := t.dropRecovery(id); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: id}, u.Email, "second step removed"); err != nil || a.User == id {
			return err
		}
		return t.hold(u, a.User, "second step removed")
	})
}

// UseFactor notes that a factor's code of a step was used: none is good twice. sealed takes the
// place of its secret, unless it is nil. For the system. Error: CodeConflict.
func (s *Store) UseFactor(ctx context.Context, a registry.Actor, id registry.FactorID, step int64, sealed []byte) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		n, err := t.exec(`UPDATE factors SET step = $2, last_used_at = $3, sealed = COALESCE($4, sealed) WHERE id = $1 AND step < $2`, id, step, us(t.now), sealed)
		if err == nil && n == 0 {
			err = registry.Errorf(registry.CodeConflict, "code", "this code was used: wait for the next")
		}
		if err != nil {
			return err
		}
		return t.unholdByFactor(id)
	})
}

// UseRecoveryCode uses a recovery code of an account up, and returns how many are left. For the system. Error: CodeNotFound.
func (s *Store) UseRecoveryCode(ctx context.Context, a registry.Actor, id registry.UserID, code registry.Hash) (left int, err error) {
	if err := only(a); err != nil {
		return 0, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		n, err := t.exec(`DELETE FROM recovery_codes WHERE hash = $1 AND user_id = $2`, code[:], id)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoFactor()
		}
		u, err := t.userByID(id)
		if err != nil {
			return err
		}
		if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM recovery_codes WHERE user_id = $1`, id).Scan(&left); err != nil {
			return err
		}
		t.actor = registry.AsUser(u, "", a.Address())
		return t.record(registry.Change{Kind: registry.ChangeUserChanged, UserID: id}, u.Email, "a recovery code was used")
	})
	return left, err
}
