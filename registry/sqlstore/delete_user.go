package sqlstore

import (
	"context"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// deletedName stands where the e-mail address of a deleted account stood.
const deletedName = "deleted account"

// personalTables hold rows that are of one account alone. A row is of account $1.
var personalTables = []string{
	`DELETE FROM factors WHERE user_id = $1`,
	`DELETE FROM recovery_codes WHERE user_id = $1`,
	`DELETE FROM second_failures WHERE user_id = $1`,
	`DELETE FROM identities WHERE user_id = $1`,
	`DELETE FROM codes WHERE user_id = $1`,
	`DELETE FROM device_codes WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1)`,
	`DELETE FROM sessions WHERE user_id = $1`,
	`DELETE FROM support WHERE user_id = $1`,
	`DELETE FROM approvals WHERE user_id = $1 OR email = (SELECT email FROM users WHERE id = $1)`,
	`DELETE FROM mails WHERE recipient = (SELECT email FROM users WHERE id = $1)`,
	`DELETE FROM links WHERE email = (SELECT email FROM users WHERE id = $1)`,
}

// signedColumns hold the e-mail address of who did something.
var signedColumns = [][2]string{
	{"api_keys", "created_by"}, {"webhooks", "created_by"}, {"clients", "created_by"},
	{"connections", "created_by"}, {"settings", "updated_by"}, {"domains", "verified_by"},
	{"approvals", "asked_by"}, {"approvals", "decided_by"}, {"support", "decided_by"},
}

// allRows marks the statements that may read a whole table, since they run seldom.
const allRows = "/* all rows */ "

// DeleteUser removes an account and what is personal of it, for good. The audit log keeps its ID;
// see eraseAudit. Runners that it enrolled work on, unless they are revoked too. For the person, who
// signed in lately, and for platform admins. Errors: CodeNotFound, CodeReauthenticationNeeded, CodeConflict (the last
// platform admin, the last owner of an org).
func (s *Store) DeleteUser(ctx context.Context, a registry.Actor, id registry.UserID, d registry.UserDeletion) (u registry.User, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := t.mayAccount(id, registry.ActionUserUpdate); err != nil {
			return err
		}
		if a.InPerson() {
			if err := registry.MayNow(a.Since(), t.now); err != nil {
				return err
			}
		}
		if u, err = t.userByID(id); err != nil {
			return err
		}
		if u.PlatformAdmin {
			if err := t.otherAdmin(id); err != nil {
				return err
			}
		}
		if err := t.keepOwners(u); err != nil {
			return err
		}
		return t.deleteUser(u, d.RevokeRunners)
	})
	if err != nil {
		return u, err
	}
	return u, s.forgetErased(ctx)
}

func (t *tx) deleteUser(u registry.User, runners bool) error {
	if err := t.endAccount(u, runners, "the account was deleted"); err != nil {
		return err
	}
	if err := t.leaveOrgs(u); err != nil {
		return err
	}
	if err := t.record(registry.Change{Kind: registry.ChangeUserDeleted, UserID: u.ID}, u.Email, ""); err != nil {
		return err
	}
	addresses, err := t.ownAddresses(u.ID)
	if err != nil {
		return err
	}
	if _, err := t.eraseAudit(u.ID); err != nil {
		return err
	}
	for _, q := range personalTables {
		if _, err := t.exec(allRows+q, u.ID); err != nil {
			return err
		}
	}
	if _, err := t.exec(`DELETE FROM idempotency WHERE actor = $1`, who(registry.AsUser(u, "", ""))); err != nil {
		return err
	}
	for _, c := range signedColumns {
		_, err := t.exec(allRows+`UPDATE `+c[0]+` SET `+c[1]+` = $2
			WHERE `+c[1]+` IN (SELECT j.value FROM {each $1} j)`, addresses.json(), deletedName)
		if err != nil {
			return err
		}
	}
	return t.must(`DELETE FROM users WHERE id = $1`, u.ID)
}

// leaveOrgs ends all memberships of an account.
func (t *tx) leaveOrgs(u registry.User) error {
	orgs, err := collect(t.ctx, t, func(r scanner) (id registry.OrgID, err error) {
		err = r.Scan(&id)
		return id, err
	}, `DELETE FROM memberships WHERE user_id = $1 RETURNING org_id`, u.ID)
	for _, org := range orgs {
		if err := t.endApprovalsAbout(u.ID, org); err != nil {
			return err
		}
		err := t.record(registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: org, UserID: u.ID}, u.Email, "")
		if err != nil {
			return err
		}
	}
	return err
}

// ownAddresses are the addresses that an account has or had, and no other account has now.
func (t *tx) ownAddresses(id registry.UserID) (own emails, err error) {
	all, err := t.auditAddresses(id)
	for _, address := range all {
		var others bool
		if err == nil {
			err = t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM users WHERE email = $1 AND id <> $2)`,
				address, id).Scan(&others)
		}
		if !others && strings.Contains(address, "@") {
			own = append(own, address)
		}
	}
	return own, err
}
