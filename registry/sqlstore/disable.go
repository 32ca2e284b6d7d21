package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// DisableUser closes an account until EnableUser: it ends the account's sessions, its own keys, and
// whatever is open on it. Memberships stay. Disabling twice changes nothing. For platform admins, of
// somebody else. Errors: CodeNotFound, CodeInvalid, CodeConflict (the last platform admin; the last owner of an
// org, unless d says so).
func (s *Store) DisableUser(ctx context.Context, a registry.Actor, id registry.UserID, d registry.UserDisabling) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionUserUpdate); err != nil {
			return err
		}
		if a.User == id {
			return registry.Errorf(registry.CodeConflict, "", "you cannot disable your own account: ask another platform admin")
		}
		u, err = t.disableUser(id, d)
		return err
	})
	return u, err
}

func (t *tx) disableUser(id registry.UserID, d registry.UserDisabling) (registry.User, error) {
	u, err := t.userByID(id)
	if err != nil || u.Disabled() {
		return u, err
	}
	if u.DisabledReason, err = registry.CleanReason(d.Reason); err != nil {
		return u, err
	}
	u.DisabledAt = t.now
	err = t.must(`UPDATE users SET disabled_at = $2, disabled_reason = $3 WHERE id = $1`,
		id, us(t.now), u.DisabledReason)
	if err != nil {
		return u, err
	}
	if u.PlatformAdmin {
		if err := t.otherAdmin(id); err != nil {
			return u, err
		}
	}
	if !d.LastOwner {
		if err := t.keepOwners(u); err != nil {
			return u, err
		}
	}
	if err := t.endAccount(u, d.RevokeRunners, "the account was disabled"); err != nil {
		return u, err
	}
	return u, t.record(registry.Change{Kind: registry.ChangeUserDisabled, UserID: id}, u.Email, u.DisabledReason)
}

// EnableUser opens an account that was disabled. What was ended stays ended. For platform admins.
// Error: CodeNotFound.
func (s *Store) EnableUser(ctx context.Context, a registry.Actor, id registry.UserID) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionUserUpdate); err != nil {
			return err
		}
		if u, err = t.userByID(id); err != nil || !u.Disabled() {
			return err
		}
		u.DisabledAt, u.DisabledReason, u.EnabledAt = time.Time{}, "", t.now
		err := t.must(`UPDATE users SET disabled_at = 0, disabled_reason = '', enabled_at = $2
			WHERE id = $1`, id, us(t.now))
		if err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeUserEnabled, UserID: id}, u.Email, "")
	})
	return u, err
}

// DisableDormant disables the accounts that nobody signed in to since a time, but the last platform
// admin and the last owners of orgs. It returns how many. For the system.
func (s *Store) DisableDormant(ctx context.Context, a registry.Actor, since time.Time) (n int, err error) {
	if err := only(a); err != nil {
		return 0, err
	}
	ids, err := collect(ctx, s.read, func(r scanner) (id registry.UserID, err error) {
		err = r.Scan(&id)
		return id, err
	}, allRows+`SELECT u.id FROM users u WHERE u.disabled_at = 0 AND u.enabled_at < $1 AND `+dormant, us(since))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		err := s.recording(ctx, a, func(t *tx) error {
			u, err := t.userByID(id)
			if err != nil || !u.Dormant(since) { // somebody has signed in meanwhile
				return err
			}
			_, err = t.disableUser(id, registry.UserDisabling{Reason: registry.ReasonDormant})
			return err
		})
		switch registry.ErrorCode(err) {
		case "":
			if err != nil {
				return n, err
			}
			n++
		case registry.CodeConflict, registry.CodeNotFound:
		default:
			return n, err
		}
	}
	return n, nil
}

// dormant is the condition that nobody signed in to an account since $1.
const dormant = `{greatest u.last_sign_in_at, u.created_at} < $1`

// keepOwners fails the transaction when an org has no owner left who can act, without an account.
func (t *tx) keepOwners(u registry.User) error {
	slugs, err := collect(t.ctx, t, func(r scanner) (slug string, err error) {
		err = r.Scan(&slug)
		return slug, err
	}, `SELECT o.slug FROM memberships m JOIN orgs o ON o.id = m.org_id
		WHERE m.user_id = $1 AND m.role = 'owner' AND o.status NOT IN ('deleting', 'deleted')
		AND NOT EXISTS (SELECT 1 FROM memberships p JOIN users w ON w.id = p.user_id
			WHERE p.org_id = m.org_id AND p.user_id <> m.user_id AND p.role = 'owner'
			AND p.held_at = 0 AND w.disabled_at = 0)
		ORDER BY o.slug`, u.ID)
	if err != nil || len(slugs) == 0 {
		return err
	}
	return registry.Errorf(registry.CodeConflict, "", "%s is the last owner of %s: make somebody else an owner first, or delete the org",
		u.Email, strings.Join(slugs, ", ")).Because(registry.ReasonLastOwner)
}

// endAccount ends what lets anybody or anything in as an account, and what waits on it.
func (t *tx) endAccount(u registry.User, runners bool, why string) error {
	if err := t.removeKeysOf(u.ID); err != nil {
		return err
	}
	if err := t.endSupportOf(u.ID, why, registry.SupportApproved, registry.SupportWaiting); err != nil {
		return err
	}
	if err := t.endApprovalsOf(u.ID, ""); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM links WHERE user_id = $1`,
		`DELETE FROM runner_claims WHERE created_by = $1`,
		`DELETE FROM drafts WHERE user_id = $1`,
	} {
		if _, err := t.exec(q, u.ID); err != nil {
			return err
		}
	}
	if err := t.removeInvitesOf(u.ID); err != nil {
		return err
	}
	if runners {
		if err := t.revokeRunnersOf(u.ID); err != nil {
			return err
		}
	}
	return t.revokeSessions(u.ID, "")
}

func (t *tx) revokeRunnersOf(id registry.UserID) error {
	list, err := collect(t.ctx, t, func(r scanner) (v registry.Runner, err error) {
		err = r.Scan(&v.ID, &v.OrgID, &v.Name, &v.EnrolledBy)
		return v, err
	}, `SELECT id, org_id, name, enrolled_by FROM runners WHERE enrolled_by = $1 ORDER BY id`, id)
	for _, r := range list {
		if err := t.revokeRunner(r); err != nil {
			return err
		}
	}
	return err
}

// removeInvitesOf revokes the open invitations that a person made: one may be a way back.
func (t *tx) removeInvitesOf(id registry.UserID) error {
	list, err := collect(t.ctx, t, scanLink,
		linkQuery+` AND l.created_by = $2 AND l.kind = 'invite'`, us(t.now), id)
	for _, l := range list {
		if err := t.removeInvite(l); err != nil {
			return err
		}
	}
	return err
}

func errDisabled() error {
	return registry.Errorf(registry.CodeForbidden, "", "this account is disabled: ask a platform admin").Because(registry.ReasonAccountDisabled)
}
