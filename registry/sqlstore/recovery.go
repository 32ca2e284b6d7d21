package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// ResetPassword uses up a link of the kind reset: it replaces the password, and ends whatever
// somebody else may have left that lets them in: sessions, devices, the account's own keys, open
// links and requests. An account whose address was never verified may be of somebody else
// altogether: it loses its factors and linked accounts, too. The person reviews what is left; see
// Review. Whoever has the link may. Error: CodeGone.
func (s *Store) ResetPassword(ctx context.Context, a registry.Actor, secret registry.Hash,
	hash registry.PasswordHash) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		l, err := t.useLink(secret, registry.LinkReset)
		if err != nil {
			return err
		}
		if u, err = t.userByID(l.UserID); err != nil {
			return errNoLink()
		}
		t.actor = registry.AsUser(u, "", a.Address()) // the log names whose it is
		detail := "by a link of an admin"
		if l.Mailed {
			detail = "by a mailed link"
		}
		c := registry.Change{Kind: registry.ChangeUserRecovered, UserID: u.ID}
		if err := t.record(c, u.Email, detail); err != nil {
			return err
		}
		if err := t.setPassword(u.ID, hash); err != nil {
			return err
		}
		if err := t.endAccess(u); err != nil {
			return err
		}
		if err := t.resetBy(u, l); err != nil {
			return err
		}
		if l.Mailed {
			if err := t.verified(u); err != nil {
				return err
			}
		}
		left, err := t.recoveryItems(u)
		if err != nil {
			return err
		}
		var at time.Time // with nothing left there is nothing to review
		if len(left) > 0 {
			at = t.now
		}
		return t.must(`UPDATE users SET recovered_at = $2 WHERE id = $1`, u.ID, us(at))
	})
	return u, err
}

// setPassword replaces a password. What is open on the account ends, and a lock-out after wrong
// codes.
func (t *tx) setPassword(id registry.UserID, hash registry.PasswordHash) error {
	err := t.must(`UPDATE users SET password_hash = $2 WHERE id = $1`, id, string(hash))
	if err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM links WHERE user_id = $1`,
		`DELETE FROM runner_claims WHERE created_by = $1`,
		`DELETE FROM second_failures WHERE user_id = $1`,
	} {
		if _, err := t.exec(q, id); err != nil {
			return err
		}
	}
	return t.endSupportOf(id, "the password was changed", registry.SupportWaiting)
}

// endAccess ends what lets programs and browsers in as an account.
func (t *tx) endAccess(u registry.User) error {
	if err := t.removeKeysOf(u.ID); err != nil {
		return err
	}
	err := t.endSupportOf(u.ID, "the account was recovered", registry.SupportApproved)
	if err != nil {
		return err
	}
	if err := t.revokeSessions(u.ID, ""); err != nil || u.EmailVerified {
		return err
	}
	items, err := t.recoveryItems(u)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.OrgID == "" {
			if err := t.removeItem(u, i); err != nil {
				return err
			}
		}
	}
	return t.dropRecovery(u.ID)
}

// removeKeysOf ends an account's own keys.
func (t *tx) removeKeysOf(id registry.UserID) error {
	keys, err := collect(t.ctx, t, scanAPIKey,
		apiKeyQuery+` AND k.user_id = $2 AND k.kind = 'personal'`, us(t.now), id)
	for _, k := range keys {
		if err := t.removeAPIKey(k); err != nil {
			return err
		}
	}
	return err
}

// recoveryQuery selects what account $1 has at time $2 that a thief may have left; $3 is whether it
// is a platform admin. Of what belongs to an org, it is what the person may end there.
const recoveryQuery = `
	SELECT f.kind, f.id, f.name, '', '', '', f.created_at, f.last_used_at
	FROM factors f WHERE f.user_id = $1
	UNION ALL
	SELECT 'identity', i.connection_id, c.name, i.email, '', '', i.created_at, i.last_used_at
	FROM identities i JOIN connections c ON c.id = i.connection_id WHERE i.user_id = $1
	UNION ALL
	SELECT 'key', k.id, k.name, k.role, o.id, o.name, k.created_at, k.last_used_at
	FROM api_keys k JOIN orgs o ON o.id = k.org_id
	LEFT JOIN memberships m ON m.org_id = o.id AND m.user_id = $1
	WHERE k.created_by_id = $1 AND k.kind = 'service' AND k.expires_at > $2
	AND ($3 OR m.role IN ('admin', 'owner'))
	UNION ALL
	SELECT 'runner', r.id, r.name, '', o.id, o.name, r.created_at, r.last_seen_at
	FROM runners r JOIN orgs o ON o.id = r.org_id
	JOIN memberships m ON m.org_id = o.id AND m.user_id = $1
	WHERE r.enrolled_by = $1 AND r.expires_at > $2
	UNION ALL
	SELECT 'invite', l.id, l.email, l.role, o.id, o.name, l.created_at, 0
	FROM links l JOIN orgs o ON o.id = l.org_id
	WHERE l.created_by = $1 AND l.kind = 'invite' AND l.used_at IS NULL AND l.expires_at > $2`

func scanItem(r scanner) (i registry.RecoveryItem, err error) {
	err = r.Scan(&i.Kind, &i.ID, &i.Name, &i.Detail, &i.OrgID, &i.Org,
		(*micros)(&i.CreatedAt), (*micros)(&i.LastUsedAt))
	return i, err
}

func (t *tx) recoveryItems(u registry.User) ([]registry.RecoveryItem, error) {
	return collect(t.ctx, t, scanItem, recoveryQuery, u.ID, us(t.now), u.PlatformAdmin)
}

// RecoveryItems returns what the actor's account has that somebody else may have left. For people
// who are signed in.
func (s *Store) RecoveryItems(ctx context.Context, a registry.Actor,
) ([]registry.RecoveryItem, error) {
	if !a.InPerson() {
		return nil, errNobody()
	}
	return collect(ctx, s.read, scanItem, recoveryQuery, a.User, us(s.now()), a.Platform())
}

// Review ends a recovery: keep says of each item of the actor's account, by its Key, whether it
// stays or is removed. Where a factor is left (factors), recovery takes the place of the recovery
// codes. For people who are signed in. Errors: CodeConflict (it was done already), CodeInvalid (an item is
// not named).
func (s *Store) Review(ctx context.Context, a registry.Actor, keep map[string]bool,
	recovery []registry.Hash) (factors bool, err error) {
	err = s.recordingInReview(ctx, a, func(t *tx) error {
		factors = false
		if !a.InPerson() {
			return errNobody()
		}
		u, err := t.userByID(a.User)
		if err != nil {
			return err
		}
		if u.RecoveredAt.IsZero() {
			return registry.Errorf(registry.CodeConflict, "", "the account was reviewed already")
		}
		items, err := t.recoveryItems(u)
		if err != nil {
			return err
		}
		var removed []string
		for _, i := range items {
			kept, named := keep[i.Key()]
			if !named {
				return registry.Errorf(registry.CodeInvalid, i.Key(),
					"say of %s whether you keep it", i.Name)
			}
			if kept {
				factors = factors || i.Kind == registry.RecoveryTOTP ||
					i.Kind == registry.RecoveryPasskey
				continue
			}
			if err := t.removeItem(u, i); err != nil {
				return err
			}
			removed = append(removed, string(i.Kind)+" "+i.Name)
		}
		if factors {
			err = t.setRecovery(recovery) // whoever made the old ones may know them
		} else {
			err = t.dropRecovery(u.ID)
		}
		if err != nil {
			return err
		}
		if err := t.must(`UPDATE users SET recovered_at = 0 WHERE id = $1`, u.ID); err != nil {
			return err
		}
		detail := "everything kept"
		if len(removed) > 0 {
			detail = "removed: " + strings.Join(removed, ", ")
		}
		return t.record(registry.Change{Kind: registry.ChangeUserReviewed, UserID: u.ID}, u.Email, detail)
	})
	return factors, err
}

// removeItem ends one item, and says so in the log.
func (t *tx) removeItem(u registry.User, i registry.RecoveryItem) error {
	switch i.Kind {
	case registry.RecoveryTOTP, registry.RecoveryPasskey:
		if err := t.must(`DELETE FROM factors WHERE id = $1`, i.ID); err != nil {
			return err
		}
		c := registry.Change{Kind: registry.ChangeUserChanged, UserID: u.ID}
		return t.record(c, u.Email, "second step removed: "+i.Name)
	case registry.RecoveryIdentity:
		c, err := t.connection(registry.ConnectionID(i.ID))
		if err != nil {
			return err
		}
		return t.removeIdentity(u, c)
	case registry.RecoveryKey:
		k := registry.APIKey{ID: registry.APIKeyID(i.ID), OrgID: i.OrgID, Name: i.Name}
		return t.removeAPIKey(k)
	case registry.RecoveryRunner:
		return t.revokeRunner(registry.Runner{
			ID: registry.RunnerID(i.ID), OrgID: i.OrgID, Name: i.Name, EnrolledBy: u.ID,
		})
	}
	return t.removeInvite(registry.Link{ID: i.ID, OrgID: i.OrgID, Email: i.Name})
}

// dropRecovery removes the recovery codes of an account without a factor, and its lock-out.
func (t *tx) dropRecovery(id registry.UserID) error {
	for _, table := range []string{"second_failures", "recovery_codes"} {
		_, err := t.exec(`DELETE FROM `+table+` WHERE user_id = $1
			AND NOT EXISTS (SELECT 1 FROM factors WHERE user_id = $1)`, id)
		if err != nil {
			return err
		}
	}
	return nil
}
